"""Loads of months that were cut off: the tables hold the month, and what follows it may not have followed.

The online store is written after the tables, in a transaction of its own. A process that is killed in between leaves a
month of which other features, and other entities, are served than the tables hold. So each load leaves a mark in the
transaction that writes the month, and whoever has written what follows removes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Column, Connection, Date, DateTime, Engine, Table, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from driftgate.database import database_errors, metadata, update_tables

unfinished_loads = Table(
    "unfinished_loads",
    metadata,
    Column("as_of", Date, primary_key=True),
    Column("loaded_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class UnfinishedLoad:
    """A month in the tables whose load has not ended.

    Attributes:
        loaded_at: when it was written, by the clock of the database.
    """

    as_of: date
    loaded_at: datetime

    @property
    def text(self) -> str:
        """What is wrong, and what to do."""
        return (
            f"the load of {self.as_of} at {self.loaded_at:%Y-%m-%d %H:%M} UTC has not ended: what is served may be "
            "older than the tables; unless it still runs, `driftgate load` finishes it"
        )


def mark_unfinished(connection: Connection, as_of: date) -> None:
    """Leave the mark of a load, in the transaction that writes the month."""
    values = {"as_of": as_of, "loaded_at": func.clock_timestamp()}
    statement = insert(unfinished_loads).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["as_of"], set_=values))


def find_unfinished(engine: Engine) -> list[UnfinishedLoad]:
    """The loads that have not ended, oldest month first.

    Raises:
        DatabaseError: the query fails.
    """
    if not update_tables(engine):
        return []
    query = select(unfinished_loads).order_by(unfinished_loads.c.as_of)
    with database_errors("looking for loads that were cut off"), engine.connect() as connection:
        return [UnfinishedLoad(row.as_of, row.loaded_at) for row in connection.execute(query)]


def remove_marks(engine: Engine, loads: Sequence[UnfinishedLoad]) -> None:
    """Remove the marks of loads whose followers are written; that of a month that was loaded again since stays.

    Raises:
        DatabaseError: nothing was removed.
    """
    table = unfinished_loads.c
    with database_errors("ending the loads"), engine.begin() as connection:
        for load in loads:
            mark = (table.as_of == load.as_of) & (table.loaded_at == load.loaded_at)
            connection.execute(delete(unfinished_loads).where(mark))
