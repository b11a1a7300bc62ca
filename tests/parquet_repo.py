"""StreamFlow's months as parquet files, and its Feast repository on them: another feature_store.yaml, nothing else."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine, select

from benchmarks.parquet_months import copy_repository
from driftgate.snapshots import month_tables
from streamflow.source_tables import SOURCE_TABLES


def parquet_repository(engine: Engine, folder: Path, kind: str, more: str = "") -> Path:
    """A copy of the repository with the offline store `kind`, and the database's months in its folder of data."""
    repo = copy_repository(folder, kind, more)
    for table in month_tables(SOURCE_TABLES).snapshots.values():
        with engine.connect() as connection:
            rows = connection.execute(select(table)).mappings().all()
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), repo / "data" / f"{table.name}.parquet")
    return repo
