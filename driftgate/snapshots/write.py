"""Writing a month, all of it or nothing, so that any order of loads and any number of them gives the same tables."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from pyarrow import csv as arrow_csv
from sqlalchemy import Connection, Engine, Table, delete, func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from driftgate.database import database_errors
from driftgate.database.locks import Lock, lock_transaction
from driftgate.errors import DatabaseError
from driftgate.snapshots.schema import SourceTable, SourceTables
from driftgate.snapshots.tables import MonthTables, month_tables
from driftgate.snapshots.unfinished import mark_unfinished

_log = logging.getLogger(__name__)

_BATCH_ROWS = 16_384
_READ_BYTES = 1 << 18


def write_month(
    engine: Engine,
    sources: SourceTables,
    tables: Mapping[str, Any],
    as_of: date,
    progress: Callable[[str], None] | None = None,
) -> bool:
    """Replace one month in the snapshots, and the base tables with it where no later month is loaded.

    One transaction; loads that run at the same time wait for each other. Readers see the old month until the end. It
    leaves the mark of an unfinished load, which the caller removes once what follows the tables is written.

    Args:
        engine: of a prepared database, with the tables of these sources.
        sources: what the month holds.
        tables: pyarrow Tables by source name, as `validate_month` returns them.
        as_of: the day on which the month was taken.
        progress: told what is being written.

    Returns:
        Whether this is the newest month, which the base tables hold.

    Raises:
        DatabaseError: a statement was refused; the database is as it was.
        DatabaseUnavailableError: the server went away; the database is as it was.
    """
    report = progress or (lambda _message: None)
    tables = _in_key_order(tables, sources.key)
    stored = month_tables(sources)
    replaced: list[Table] = []
    with database_errors(f"writing the month of {as_of}"), engine.begin() as connection:
        lock_transaction(connection, Lock.MONTH)
        mark_unfinished(connection, as_of)
        for source in sources.tables:
            if source.name in stored.snapshots:
                report(f"writing {source.snapshot}")
                replaced += _replace_snapshot(connection, stored, source, tables[source.name], as_of)
        newest = _newest(connection, stored, sources) == as_of
        if newest:
            report("writing the base tables")
            for source in sources.tables:
                if source.name in stored.base:
                    replaced += _replace_base(connection, stored, source, tables[source.name], as_of)
        report("analysing and committing")
        # Inside the transaction, so that no reader ever plans over the month without its statistics.
        _maintain(connection, "ANALYZE", [*stored.snapshots.values(), *(stored.base.values() if newest else ())])
    _vacuum(engine, replaced)
    return newest


def _in_key_order(tables: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The tables sorted by their key: PostgreSQL fills an index several times faster in order than at random."""
    ordered: dict[str, Any] = {}
    keys = order = None
    for name, table in tables.items():
        # Files of one export mostly list the same entities in the same order, so one sorting serves them all.
        if keys is None or not keys.equals(table.column(key)):
            keys = table.column(key)
            is_sorted = len(keys) < 2 or pc.all(pc.less_equal(keys[:-1], keys[1:])).as_py()
            order = None if is_sorted else pc.sort_indices(keys)
        ordered[name] = table if order is None else table.take(order)
    return ordered


def _replace_snapshot(
    connection: Connection, stored: MonthTables, source: SourceTable, data: Any, as_of: date
) -> list[Table]:
    """Write the month to its snapshot table; the list holds that table where rows had to make way."""
    table = stored.snapshots[source.name]
    timestamp = str(source.timestamp)
    gone = connection.execute(delete(table).where(table.c[timestamp] == as_of)).rowcount
    month = pa.repeat(pa.scalar(as_of, pa.date32()), data.num_rows)
    _copy(connection, table, data.append_column(timestamp, month))
    return [table] if gone else []


def _replace_base(
    connection: Connection, stored: MonthTables, source: SourceTable, data: Any, as_of: date
) -> list[Table]:
    """Make this month the content of the base table; the list holds that table where rows had to make way."""
    table = stored.base[source.name]
    gone = connection.execute(delete(table)).rowcount
    if source.name in stored.snapshots:
        # The rows are in the database already, and need not travel twice.
        snapshot = stored.snapshots[source.name]
        names = [column.name for column in table.columns]
        rows = (
            select(*(snapshot.c[name] for name in names))
            .where(snapshot.c[str(source.timestamp)] == as_of)
            .order_by(snapshot.c[source.key])
        )
        connection.execute(table.insert().from_select(names, rows))
    else:
        _copy(connection, table, data)
    return [table] if gone else []


def _newest(connection: Connection, stored: MonthTables, sources: SourceTables) -> date | None:
    """The latest day of any snapshot table, what this transaction has written included."""
    days = [
        connection.execute(select(func.max(table.c[str(source.timestamp)]))).scalar_one()
        for source in sources.tables
        if (table := stored.snapshots.get(source.name)) is not None
    ]
    return max((day for day in days if day is not None), default=None)


def _copy(connection: Connection, table: Table, data: Any) -> None:
    """Send the rows of a pyarrow Table by COPY, inside the transaction of the connection.

    Raises:
        DBAPIError: as SQLAlchemy raises it for its own statements.
        DatabaseError: the server took another number of rows than were sent.
    """
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in data.column_names)
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv, ENCODING 'UTF8')").format(
        sql.Identifier(table.name), columns
    )
    with closing(connection.connection.cursor()) as cursor:
        try:
            cursor.copy_expert(statement, _CsvStream(data), size=_READ_BYTES)
        except psycopg2.Error as error:
            raise DBAPIError.instance(f"COPY {table.name}", None, error, psycopg2.Error) from error
        taken = cursor.rowcount
    if taken != data.num_rows:
        raise DatabaseError(
            f"COPY wrote {taken} of {data.num_rows} rows to {table.name}",
            remedy="look for a line that is only '\\.' in a text value, and take it out",
        )


class _CsvStream:
    """A pyarrow Table as a file of CSV, made a batch at a time. NULL is nothing, the empty text is quoted."""

    def __init__(self, data: Any) -> None:
        self._parts = self._render(data)
        self._rest = memoryview(b"")

    @staticmethod
    def _render(data: Any) -> Iterator[memoryview]:
        options = arrow_csv.WriteOptions(include_header=False, batch_size=_BATCH_ROWS)
        for start in range(0, data.num_rows, _BATCH_ROWS):
            sink = pa.BufferOutputStream()
            arrow_csv.write_csv(data.slice(start, _BATCH_ROWS), sink, options)
            yield memoryview(sink.getvalue())

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self._rest:
            self._rest = next(self._parts, memoryview(b""))
        part, self._rest = self._rest[:size], self._rest[size:]
        return bytes(part)


def _maintain(connection: Connection, command: str, tables: list[Table]) -> None:
    quote = connection.dialect.identifier_preparer.format_table
    connection.execute(text(f"{command} {', '.join(quote(table) for table in tables)}"))


def _vacuum(engine: Engine, replaced: list[Table]) -> None:
    """Free the room of rows that a reload replaced; an embedded server rarely lives until its autovacuum.

    The month is in the database by now, so a failure here is a warning.
    """
    if not replaced:
        return
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            _maintain(connection, "VACUUM", replaced)
    except SQLAlchemyError as error:
        _log.warning("The month is loaded; VACUUM of what it replaced failed: %s", str(error)[:200])
