"""Advisory locks of PostgreSQL: one number for each purpose, and two ways to hold a lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique

from sqlalchemy import Connection, Engine, text


@unique
class Lock(IntEnum):
    """What a lock is for: one process at a time does it in a database. The numbers only have to differ."""

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
    ROLES = 7_340_120
    """Making the roles of the stack."""
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
    """Wait for the lock and hold it over any number of transactions; no transaction stays open for the lock.

    An open transaction keeps vacuum from removing old rows, and the locked work takes seconds to minutes.

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
            # Closing the session releases its lock in every state of the session; a session in the pool would keep it.
            connection.invalidate()
