"""The connection to PostgreSQL: the engine, the embedded server, the locks, and errors by what can mend them."""

from driftgate.database.engine import (
    ConnectionParameters,
    connect,
    create_tables,
    database_errors,
    metadata,
    prepare_database,
)

__all__ = ["ConnectionParameters", "connect", "create_tables", "database_errors", "metadata", "prepare_database"]
