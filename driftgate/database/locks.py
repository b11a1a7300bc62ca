"""Advisory locks of PostgreSQL: their numbers, so that no two purposes share one, and the two ways to hold one."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique

from sqlalchemy import Connection, Engine, text


@unique
class Lock(IntEnum):
    """What one process does at a time in a database. Any numbers will do, as long as they differ."""

    SCHEMA = 7_340_115
    """Creating our tables, and setting up the planner."""
    MONTH = 7_340_116
    """Writing a month to the snapshots and base tables."""
    MLFLOW_SCHEMA = 7_340_117
    """Creating MLflow's tables."""
    MODEL_REGISTRY = 7_340_118
    """Registering a version, and moving an alias."""
    FEAST_APPLY = 7_340_119
    """Applying a Feast repository."""
    READER_ROLE = 7_340_120
    """Making the role that dashboards read with."""
    ONLINE_STORE = 7_340_131
    """Replacing the month in the online store."""


def lock_transaction(connection: Connection, lock: Lock) -> None:
    """Wait for the lock and hold it to the end of the connection's transaction.

    Raises:
        DBAPIError: the database refuses or cannot be reached.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(lock)})


@contextmanager
def session_lock(engine: Engine, lock: Lock | str) -> Iterator[Connection]:
    """Wait for the lock and hold it over any number of transactions, none of which stays open for its sake.

    An open transaction would keep vacuum from its work, and what is locked here takes seconds to minutes.

    Args:
        engine: a connection of its own holds the lock; the block may use it.
        lock: one of ours, or the name of something of which there are many, such as a pair of months.

    Raises:
        DBAPIError: the database refuses or cannot be reached.
    """
    with engine.connect() as connection:
        if isinstance(lock, Lock):
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": int(lock)})
        else:
            connection.execute(text("SELECT pg_advisory_lock(hashtextextended(:name, 0))"), {"name": lock})
        connection.commit()
        try:
            yield connection
        finally:
            # A session that is closed holds no lock, whatever state it was left in; one back in the pool would.
            connection.invalidate()
