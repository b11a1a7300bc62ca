"""StreamFlow's sample months as parquet files, and its Feast repository on them."""

import shutil
from datetime import date
from pathlib import Path

import duckdb

from driftgate.snapshots.schema import Kind, SourceTable
from streamflow.sample import write_sample_months
from streamflow.source_tables import SOURCE_TABLES

ROOT = Path(__file__).resolve().parents[1]
_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "date": "DATE",
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "number": "DOUBLE",
}
_STORE = """
project: streamflow
provider: local
registry: data/registry.db
offline_store:
  type: {kind}
{more}entity_key_serialization_version: 3
"""


def copy_repository(repo: Path, kind: str, more: str = "") -> Path:
    """Copy StreamFlow's repository with another offline store, and an empty folder of data; return where it is."""
    shutil.copytree(ROOT / "feature_repo", repo, ignore=shutil.ignore_patterns("__pycache__", "data"))
    (repo / "feature_store.yaml").write_text(_STORE.format(kind=kind, more=more))
    (repo / "data").mkdir()
    return repo


def write_repository(folder: Path, users: int, kind: str, more: str = "", months: int = 2) -> tuple[Path, list[date]]:
    """Write the months of so many users, and a copy of the repository whose offline store reads them.

    Args:
        folder: where the repository is made.
        users: subscribers in each month.
        kind: duckdb, file or spark.
        more: further lines of the offline store, indented by two spaces.
        months: how many.

    Returns:
        The repository and its months.
    """
    repo = copy_repository(folder / "repo", kind, more)
    written = write_sample_months(folder / "months", months=months, users=users)
    folders = {month.as_of: month.folder for month in written}
    for table in SOURCE_TABLES.tables:
        if table.snapshot:
            _write(table, folders, repo / "data" / f"{table.snapshot}.parquet")
    shutil.rmtree(folder / "months")
    return repo, sorted(folders)


def _write(table: SourceTable, folders: dict[date, Path], out: Path) -> None:
    names = ", ".join(f'"{column.name}" {_TYPES[column.kind]}' for column in table.columns)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows ({names}, {table.timestamp} DATE)")
        for as_of, folder in folders.items():
            path = folder / table.file_name
            with path.open() as lines:
                header = lines.readline().strip()
            rows = f"SELECT {header}, ?::DATE AS {table.timestamp} FROM read_csv(?, all_varchar=true)"
            connection.execute(f"INSERT INTO rows BY NAME {rows}", [as_of, str(path)])
        connection.execute(f"COPY rows TO '{out}' (FORMAT parquet)")
