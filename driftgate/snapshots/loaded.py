"""Which months the database holds."""

from datetime import date
from pathlib import Path

from sqlalchemy import Engine, select

from driftgate.database import database_errors
from driftgate.snapshots.folders import month_folders
from driftgate.snapshots.schema import SourceTables
from driftgate.snapshots.tables import create_source_tables, month_tables


def loaded_days(engine: Engine, sources: SourceTables) -> set[date]:
    """The as_of of every month that is loaded.

    Raises:
        DatabaseError: the query fails.
    """
    create_source_tables(engine, sources)
    # A month is written to all of them in one transaction, so that any one says which months there are.
    kept = next(source for source in sources.tables if source.snapshot)
    month = month_tables(sources).snapshots[kept.name].c[str(kept.timestamp)]
    with database_errors("listing the loaded months"), engine.connect() as connection:
        return set(connection.execute(select(month).distinct()).scalars())


def new_months(
    engine: Engine, sources: SourceTables, parent: Path, *, required: bool = True
) -> list[tuple[Path, date]]:
    """The month folders below `parent` that are not loaded, oldest first.

    Raises:
        DataError: there is no month folder at all, and one is required.
        DatabaseError: the query fails.
    """
    known = loaded_days(engine, sources)
    return [(folder, day) for folder, day in month_folders(parent, required=required) if day not in known]
