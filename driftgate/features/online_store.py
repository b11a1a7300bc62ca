"""The tables of Feast's PostgreSQL online store: how to connect, and how to read keys of a service by one query.

Feast's own reader does not reopen a lost connection, and takes several times as long. So this module has its own
connection. `online_adapter` gives it the functions for Feast's encoding of keys and values. It does not import feast.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy.exc import DBAPIError

from driftgate.database.engine import translate
from driftgate.errors import FeastRepositoryError
from driftgate.features.online import KeyState, OnlineRows, online_views


@dataclass(frozen=True)
class StoredView:
    """One view of a service.

    Attributes:
        name: in the registry.
        table: of the online store.
        columns: names in the service, by names in the view.
    """

    name: str
    table: str
    columns: dict[str, str]


class ViewMonth(NamedTuple):
    """The month that the store has of a view."""

    view: str
    as_of: date
    written_at: datetime


@dataclass(frozen=True)
class Layout:
    """Where the online store keeps the features of a service.

    Attributes:
        connection: arguments of `psycopg.connect`.
        features: declared features, in the order of the service.
        encode_key: gives the stored form of a key; None for a text that cannot be a key.
        decode: gives the value of a stored form.
        decode_key: gives the text of a key from its stored form.
    """

    project: str
    connection: dict[str, Any]
    features: tuple[str, ...]
    views: tuple[StoredView, ...]
    encode_key: Callable[[str], bytes | None]
    decode: Callable[[bytes], Any]
    decode_key: Callable[[bytes], str]


class OnlineReader:
    """Reads keys of one service. Only one thread at a time may use it.

    The reader reads the registry once, when it is made; make another after the repository was applied again.
    """

    def __init__(self, layout: Layout, connect_seconds: float, statement_seconds: float) -> None:
        """Open no connection before the first read; see `online_adapter.open_reader`."""
        self._layout = layout
        self._connect_seconds = connect_seconds
        self._statement_seconds = statement_seconds
        self._connection: psycopg.Connection[Any] | None = None
        self._query = _read_query(layout)
        self._columns = [view.columns for view in layout.views]

    @property
    def features(self) -> tuple[str, ...]:
        """The declared features, in the order of the service."""
        return self._layout.features

    def read(self, keys: Sequence[str]) -> OnlineRows:
        """Return the features of the keys, all from one state of the database, by one query.

        Raises:
            DatabaseUnavailableError: PostgreSQL cannot be reached; the next call tries again.
            DatabaseError: PostgreSQL refuses the query, or takes too long.
        """
        stored = [self._layout.encode_key(key) for key in keys]
        wanted = list({key for key in stored if key is not None})
        parameters = [item for columns in self._columns for item in (wanted, list(columns))]
        found = self._fetch(self._query, parameters) if wanted else []
        rows: dict[bytes, dict[str, Any]] = {key: {} for key in wanted}
        moments: dict[bytes, set[date]] = {key: set() for key in wanted}
        decode = self._layout.decode
        for tag, key, first, last, names, values in found:
            row, where = rows[key], self._columns[tag]
            for name, value in zip(names, values, strict=True):
                row[where[name]] = decode(value)
            moments[key].update((first, last))
        return self._aligned(stored, rows, moments)

    def month(self) -> date | None:
        """Return the month that the store holds for every view of the service; None where it holds none, or several.

        Raises:
            DatabaseError: as `read`.
        """
        try:
            day = only_month(self.views(), self._layout)
            return day if day is not None and self._whole() else None
        except FeastRepositoryError:  # no month was ever written, so the table of months does not exist
            return None

    def views(self) -> list[ViewMonth]:
        """Return the month of each view of the service that was ever written, and when.

        Raises:
            FeastRepositoryError: no month was ever written to this store.
            DatabaseError: as `read`.
        """
        rows = self._fetch(MONTH, [self._layout.project, [view.name for view in self._layout.views]])
        return [ViewMonth(*row) for row in sorted(rows)]

    def keys(self, most: int) -> tuple[int, list[str]]:
        """Return how many keys the store has, in the view that has most, and at most so many, drawn by a hash.

        Raises:
            FeastRepositoryError, DatabaseError: as `views`.
        """
        served = 0
        drawn: dict[str, bytes] = {}
        for view in self._layout.views:
            found = self._fetch(_KEYS.format(table=sql.Identifier(view.table)), [next(iter(view.columns)), most])
            served = max(served, found[0][0] if found else 0)
            drawn.update((order, key) for _, order, key in found)
        # The order is the same in all views, so that the first of all are among the first of each.
        return served, [self._layout.decode_key(drawn[order]) for order in sorted(drawn)[:most]]

    def _whole(self) -> bool:
        """Return whether the month was written with every feature that is declared now; one of its keys shows it."""
        for view in self._layout.views:
            names = list(view.columns)
            found = self._fetch(_WHOLE.format(table=sql.Identifier(view.table)), [names, names[0]])
            if found[0][0] != len(names):
                return False
        return True

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _aligned(
        self, stored: list[bytes | None], rows: dict[bytes, dict[str, Any]], moments: dict[bytes, set[date]]
    ) -> OnlineRows:
        names = self.features
        states: list[KeyState] = []
        days: list[date | None] = []
        columns: dict[str, list[Any]] = {name: [] for name in names}
        nothing: dict[str, Any] = {}
        for key in stored:
            row = rows[key] if key is not None else nothing
            if not row:
                states.append(KeyState.UNKNOWN)
                days.append(None)
            else:
                assert key is not None
                whole = len(row) == len(names) and len(moments[key]) == 1
                states.append(KeyState.FOUND if whole else KeyState.INCOMPLETE)
                days.append(max(moments[key]))
            for name in names:
                columns[name].append(row.get(name))
        return OnlineRows(states, days, columns)

    def _fetch(self, query: sql.Composed, parameters: list[Any]) -> list[Any]:
        with store_errors("reading the online store"):
            if self._connection is not None:
                try:
                    return self._execute(self._connection, query, parameters)
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    # A connection that was lost between two reads does not mean that the server is down: ask once more.
                    still_there = not self._connection.closed and not self._connection.broken
                    self.close()
                    if still_there:
                        raise
                    del error
            self._connection = connect_store(self._layout, self._connect_seconds, self._statement_seconds)
            self._connection.autocommit = True
            try:
                return self._execute(self._connection, query, parameters)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self.close()
                raise

    @staticmethod
    def _execute(connection: psycopg.Connection[Any], query: sql.Composed, parameters: list[Any]) -> list[Any]:
        with connection.cursor(binary=True) as cursor:
            return list(cursor.execute(query, parameters).fetchall())


_WHOLE = sql.SQL(
    "SELECT count(*) FROM {table} WHERE feature_name = ANY(%s) "
    "AND entity_key = (SELECT entity_key FROM {table} WHERE feature_name = %s LIMIT 1)"
)

# A key has one row for each feature.
_KEYS = sql.SQL(
    "SELECT count(*) OVER (), md5(entity_key), entity_key FROM {table} WHERE feature_name = %s ORDER BY 2 LIMIT %s"
)

MONTH = sql.SQL("SELECT view, as_of, written_at FROM {} WHERE project = %s AND view = ANY(%s)").format(
    sql.Identifier(online_views.name)
)


def only_month(rows: Sequence[tuple[str, date, datetime]], layout: Layout) -> date | None:
    """Return the day that all views have, from rows of `MONTH`; None where a view has none, or the days differ."""
    days = {day for _, day, _ in rows}
    return days.pop() if len(days) == 1 and len(rows) == len(layout.views) else None


def _read_query(layout: Layout) -> sql.Composed:
    """Return the query for all views. It is one statement, which sees one state of the database: never half a month."""
    return sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT {tag}, entity_key, min(event_ts)::date, max(event_ts)::date, "
            "array_agg(feature_name), array_agg(value) "
            "FROM {table} WHERE entity_key = ANY(%s) AND feature_name = ANY(%s) GROUP BY entity_key"
        ).format(tag=sql.Literal(tag), table=sql.Identifier(view.table))
        for tag, view in enumerate(layout.views)
    )


def connect_store(
    layout: Layout, connect_seconds: float, statement_seconds: float | None = None
) -> psycopg.Connection[Any]:
    """Open a connection in UTC, as Feast would; `statement_seconds` limits each query."""
    timeout = f" -c statement_timeout={round(statement_seconds * 1000)}" if statement_seconds else ""
    given = dict(layout.connection)
    return psycopg.connect(
        **given | {"options": f"{given['options']} -c timezone=UTC{timeout}"},
        connect_timeout=max(2, round(connect_seconds)),
        application_name="driftgate-online",
    )


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn psycopg's errors inside the block into Driftgate's; `what` continues the sentence after "while "."""
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise FeastRepositoryError(
            f"PostgreSQL failed while {what}: {str(error).splitlines()[0]}",
            remedy="apply the repository (`driftgate apply`), then `driftgate materialize`",
        ) from error
    except psycopg.Error as error:
        raise translate(DBAPIError("", None, error, connection_invalidated=False), what) from error
