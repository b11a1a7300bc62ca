"""The database tables that months are written to, generated from the schema.

- a base table a source (`users`, `subscriptions`, ...): the newest month alone, keyed user_id;
- a snapshot table a source that is kept: every month, keyed (user_id, as_of); `labels`: (user_id, period_start).
"""

from typing import Any, Final

from sqlalchemy import BOOLEAN, DATE, DOUBLE_PRECISION, INTEGER, TEXT, Index, Table
from sqlalchemy import Column as TableColumn
from sqlalchemy.types import TypeEngine

from driftgate.database import metadata
from driftgate.snapshots.schema import KEY, SOURCE_TABLES, Column, Kind, SourceTable

_TYPES: Final[dict[Kind, type[TypeEngine[Any]]]] = {
    "text": TEXT,
    "integer": INTEGER,
    "number": DOUBLE_PRECISION,
    "boolean": BOOLEAN,
    "date": DATE,
}


def _table_column(column: Column) -> TableColumn[Any]:
    is_key = column.name == KEY
    return TableColumn(column.name, _TYPES[column.kind](), primary_key=is_key, nullable=column.nullable and not is_key)


def _base_table(source: SourceTable) -> Table:
    return Table(source.name, metadata, *(_table_column(column) for column in source.columns))


def _snapshot_table(source: SourceTable, name: str, timestamp: str) -> Table:
    key, *rest = (_table_column(column) for column in source.columns)
    table = Table(name, metadata, key, TableColumn(timestamp, DATE(), primary_key=True), *rest)
    # A month is read and deleted by this column alone; the primary key starts with the user.
    Index(f"ix_{name}_{timestamp}", table.c[timestamp])
    return table


BASE_TABLES: Final[dict[str, Table]] = {
    source.name: _base_table(source) for source in SOURCE_TABLES if source.has_base_table
}
"""The newest month, by source name."""

SNAPSHOT_TABLES: Final[dict[str, Table]] = {
    source.name: _snapshot_table(source, source.snapshot, source.timestamp)
    for source in SOURCE_TABLES
    if source.snapshot and source.timestamp
}
"""Every month, by source name."""
