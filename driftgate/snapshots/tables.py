"""The database tables that months are written to, made from the description of the source tables.

- a base table a source (`{name}`): the newest month alone, keyed by the entity;
- a snapshot table a source that is kept (`{snapshot}`): every month, keyed by the entity and the month.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BOOLEAN,
    DATE,
    DOUBLE_PRECISION,
    INTEGER,
    TEXT,
    Connection,
    Engine,
    Index,
    MetaData,
    Table,
    inspect,
)
from sqlalchemy import Column as TableColumn
from sqlalchemy.types import TypeEngine

from driftgate.database import database_errors
from driftgate.database.locks import Lock, lock_transaction
from driftgate.snapshots.schema import Column, Kind, SourceTable, SourceTables

_TYPES: Final[dict[Kind, type[TypeEngine[Any]]]] = {
    "text": TEXT,
    "integer": INTEGER,
    "number": DOUBLE_PRECISION,
    "boolean": BOOLEAN,
    "date": DATE,
}


@dataclass(frozen=True)
class MonthTables:
    """The database tables of a description.

    Attributes:
        base: the newest month, by source name.
        snapshots: every month, by source name.
    """

    base: dict[str, Table]
    snapshots: dict[str, Table]

    @property
    def all(self) -> list[Table]:
        """The base tables, and after them the snapshot tables."""
        return [*self.base.values(), *self.snapshots.values()]


@cache
def month_tables(sources: SourceTables) -> MonthTables:
    """The database tables of these sources; they need not exist yet."""
    metadata = MetaData()
    return MonthTables(
        base={source.name: _base_table(metadata, source) for source in sources.tables if source.has_base_table},
        snapshots={
            source.name: _snapshot_table(metadata, source, source.snapshot, source.timestamp)
            for source in sources.tables
            if source.snapshot and source.timestamp
        },
    )


def create_source_tables(engine: Engine, sources: SourceTables) -> None:
    """Create the tables of these sources where they are missing; safe to repeat and to run at once.

    A table whose description has grown gets its new columns, without a value in the rows that are there.

    Raises:
        DatabaseError: the role may not, or the database cannot be reached.
    """
    tables = month_tables(sources).all
    with database_errors("creating the source tables"), engine.begin() as connection:
        lock_transaction(connection, Lock.SCHEMA)
        tables[0].metadata.create_all(connection, tables=tables)
        for table in tables:
            _follow_description(connection, table)


def _follow_description(connection: Connection, table: Table) -> None:
    """Add the columns that only the description has, and allow NULL where it does."""
    nullable = {column["name"]: column["nullable"] for column in inspect(connection).get_columns(table.name)}
    changed = [column for column in table.columns if column.nullable and nullable.get(column.name) is False]
    added = [column for column in table.columns if column.name not in nullable]
    if not changed and not added:
        return
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    change = Operations(MigrationContext.configure(connection))
    for column in added:
        change.add_column(table.name, TableColumn(column.name, column.type))
    for column in changed:
        change.alter_column(table.name, column.name, nullable=True)


def _table_column(column: Column, key: str) -> TableColumn[Any]:
    is_key = column.name == key
    return TableColumn(column.name, _TYPES[column.kind](), primary_key=is_key, nullable=column.nullable and not is_key)


def _base_table(metadata: MetaData, source: SourceTable) -> Table:
    return Table(source.name, metadata, *(_table_column(column, source.key) for column in source.columns))


def _snapshot_table(metadata: MetaData, source: SourceTable, name: str, timestamp: str) -> Table:
    key, *rest = (_table_column(column, source.key) for column in source.columns)
    table = Table(name, metadata, key, TableColumn(timestamp, DATE(), primary_key=True), *rest)
    # A month is read and deleted by this column alone; the primary key starts with the entity.
    Index(f"ix_{name}_{timestamp}", table.c[timestamp])
    return table
