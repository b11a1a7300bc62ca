"""PostgreSQL: the engine, the embedded server, the locks, the tables, and errors by what can mend them."""

from driftgate.database.engine import ConnectionParameters, connect, database_errors, metadata
from driftgate.database.schema import create_tables, prepare_database, update_tables

__all__ = [
    "ConnectionParameters",
    "connect",
    "create_tables",
    "database_errors",
    "metadata",
    "prepare_database",
    "update_tables",
]
