"""Loading a month: read, validate, write."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from driftgate.database import prepare_database
from driftgate.errors import InvalidMonthError
from driftgate.snapshots.dates import require_possible
from driftgate.snapshots.schema import SourceTables
from driftgate.snapshots.tables import create_source_tables


@dataclass(frozen=True)
class IngestReport:
    """What one load wrote.

    Attributes:
        folder: where the month came from.
        as_of: the day on which it was taken.
        rows: number of rows, by source name.
        nulls: number of NULLs, by source name and column, where there are any; an optional column that the file
            lacks is NULL in every row.
        newest: whether the base tables hold this month now.
        seconds: wall time of the load.
    """

    folder: Path
    as_of: date
    rows: Mapping[str, int]
    nulls: Mapping[str, Mapping[str, int]]
    newest: bool
    seconds: float


def ingest_month(
    engine: Engine,
    sources: SourceTables,
    folder: Path,
    as_of: date,
    progress: Callable[[str], None] | None = None,
) -> IngestReport:
    """Load the month in `folder` as that of `as_of`. Safe to repeat, in any order, and at the same time as others.

    Args:
        engine: tables that are missing are created.
        sources: what a month holds; one CSV file and up to two tables each.
        folder: holds one CSV file for each source table.
        as_of: the day on which the month was taken; labels are those of the period that starts on it.
        progress: told what is being done, a short line each.

    Raises:
        UsageError: no month can be of that day; nothing was written.
        InvalidMonthError: every failure of every file; nothing was written.
        DatabaseError: PostgreSQL refused; the database is as it was.
        DatabaseUnavailableError: PostgreSQL cannot be reached or went away; the database is as it was.
    """
    # pyarrow and Pandera cost over a second, which commands that load nothing need not pay.
    from driftgate.snapshots.read import read_month
    from driftgate.snapshots.validate import validate_month
    from driftgate.snapshots.write import write_month

    report = progress or (lambda _message: None)
    started = time.monotonic()
    require_possible(as_of)
    _check_folder(folder)
    prepare_database(engine)
    create_source_tables(engine, sources)
    report(f"reading {folder}")
    files = read_month(sources, folder)
    report("validating")
    tables = validate_month(sources, folder, files)
    newest = write_month(engine, sources, tables, as_of, report)
    return IngestReport(
        folder=folder,
        as_of=as_of,
        rows={name: table.num_rows for name, table in tables.items()},
        nulls=_nulls(tables),
        newest=newest,
        seconds=time.monotonic() - started,
    )


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "there is no such folder"
        raise InvalidMonthError(str(folder), [what])


def _nulls(tables: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    counts = {
        name: {column: table.column(column).null_count for column in table.column_names}
        for name, table in tables.items()
    }
    return {
        name: {column: count for column, count in columns.items() if count}
        for name, columns in counts.items()
        if any(columns.values())
    }
