"""Which months the database holds."""

from datetime import date
from pathlib import Path

from sqlalchemy import Engine, select

from driftgate.database import create_tables, database_errors
from driftgate.snapshots.folders import month_folders
from driftgate.snapshots.tables import SNAPSHOT_TABLES


def loaded_days(engine: Engine) -> set[date]:
    """The as_of of every month that is loaded.

    Raises:
        DatabaseError: the query fails.
    """
    create_tables(engine)
    source = SNAPSHOT_TABLES["subscriptions"]
    with database_errors("listing the loaded months"), engine.connect() as connection:
        return set(connection.execute(select(source.c.as_of).distinct()).scalars())


def new_months(engine: Engine, parent: Path) -> list[tuple[Path, date]]:
    """The month folders below `parent` that are not loaded, oldest first.

    Raises:
        DataError: there is no month folder at all.
        DatabaseError: the query fails.
    """
    known = loaded_days(engine)
    return [(folder, day) for folder, day in month_folders(parent) if day not in known]
