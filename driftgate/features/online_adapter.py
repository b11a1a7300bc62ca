"""Writing a month into Feast's PostgreSQL online store in one transaction, and reading keys from it by one query.

Feast's own writer commits view by view and never removes a user, and its reader does not open a lost connection again.
So the connection is ours here; tables, keys and values are in Feast's encoding, by its own functions, and what is
written here `get_online_features` reads.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as clock
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from feast import FeatureStore
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id, extract_text_and_num
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values
from feast.value_type import ValueType
from psycopg import sql

from driftgate.errors import FeastRepositoryError
from driftgate.features.feast_adapter import _feast_errors, _plain, _service, answer, declared_features, open_store
from driftgate.features.online import KeyState, OnlineMonth, OnlineRequest, OnlineRows, online_views, require_whole
from driftgate.features.types import DeclaredFeature, FeatureRequest

# Any constant will do, as long as every process that writes takes the same one.
_WRITE_LOCK = 7_340_131
_PLAIN_VALUES = {"int64_val", "double_val", "bool_val", "string_val", "int32_val", "float_val"}
_TABLE = sql.Identifier(online_views.name)


@dataclass(frozen=True)
class _View:
    """One view of the service in the online store; `columns` are names in the service by names in the view."""

    name: str
    table: str
    columns: dict[str, str]
    types: dict[str, ValueType]


@dataclass(frozen=True)
class _Layout:
    """Where the online store keeps the features of a service, and how it spells a key."""

    project: str
    connection: dict[str, Any]
    declared: tuple[DeclaredFeature, ...]
    views: tuple[_View, ...]
    join_key: str
    key_type: ValueType
    key_version: int

    def key(self, value: str) -> bytes | None:
        """The stored form of a key; None for what no key can be."""
        proto = Value()
        if self.key_type == ValueType.STRING:
            proto.string_val = value
        else:
            try:
                setattr(proto, "int32_val" if self.key_type == ValueType.INT32 else "int64_val", int(value))
            except ValueError:
                return None
        key = EntityKey(join_keys=[self.join_key], entity_values=[proto])
        return bytes(serialize_entity_key(key, entity_key_serialization_version=self.key_version))


def write_month(request: OnlineRequest) -> OnlineMonth:
    """Read a month by the point-in-time join and replace what the online store holds; one transaction.

    Raises:
        DataError: the month is not whole.
        FeastRepositoryError: the service cannot be served from this repository.
        DatabaseError: nothing was written.
    """
    month = answer(request.features)
    require_whole(month.rows, month.absent, request)
    layout = _layout(open_store(request.features.repo), request.features)
    table = pa.ipc.open_file(pa.memory_map(str(month.path))).read_all()
    with _feast_errors(f"writing {month.as_of} to the online store"), _connect(layout, 10) as connection:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITE_LOCK,))
            there = _month(cursor, layout)
            if request.only_newer and there is not None and there > month.as_of:
                return OnlineMonth(there, month.rows, written=False)
            _replace(cursor, layout, table, request.features)
        connection.autocommit = True
        for view in layout.views:
            # The rows that were replaced still take room in the index, and statistics are those of an empty table.
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(view.table)))
    return OnlineMonth(month.as_of, month.rows, written=True)


def _replace(cursor: psycopg.Cursor[Any], layout: _Layout, table: pa.Table, request: FeatureRequest) -> None:
    keys = [layout.key(str(key)) for key in table.column(request.key).to_pylist()]
    moment = datetime.combine(request.as_of, clock(), UTC)
    for view in layout.views:
        name = sql.Identifier(view.table)
        cursor.execute(sql.SQL("DELETE FROM {} WHERE feature_name = ANY(%s)").format(name), (list(view.columns),))
        statement = sql.SQL(
            "COPY {} (entity_key, feature_name, value, value_text, event_ts) FROM STDIN (FORMAT BINARY)"
        ).format(name)
        with cursor.copy(statement) as copy:
            copy.set_types(["bytea", "text", "bytea", "text", "timestamptz"])
            for plain, column in view.columns.items():
                values = table.column(column).to_pylist()
                for key, (value, text) in zip(keys, _encoded(values, view.types[plain]), strict=True):
                    copy.write_row((key, plain, value, text, moment))
        cursor.execute(
            sql.SQL(
                "INSERT INTO {} (project, view, as_of, users, written_at) VALUES (%s, %s, %s, %s, now()) "
                "ON CONFLICT (project, view) DO UPDATE SET as_of = excluded.as_of, users = excluded.users, "
                "written_at = excluded.written_at"
            ).format(_TABLE),
            (layout.project, view.name, request.as_of, table.num_rows),
        )


def _encoded(values: list[Any], kind: ValueType) -> Iterator[tuple[bytes, str | None]]:
    """Each value as Feast stores it: serialised, and as the text that its search uses."""
    if all(value is None for value in values):
        yield from ((b"", None) for _ in values)
        return
    for proto in python_values_to_proto_values(values, kind):
        yield proto.SerializeToString(), extract_text_and_num(proto, False)[0]


class OnlineReader:
    """Reads keys of one service. Not for several threads at once.

    The registry is read once, when it is made; make another after the repository was applied anew.
    """

    def __init__(
        self, repo: Path, service: str, key: str, *, connect_seconds: float = 2, statement_seconds: float = 2
    ) -> None:
        """Resolve the service. The connection is opened by the first read.

        Args:
            connect_seconds: longest time to wait for a connection; libpq takes whole seconds, two or more.
            statement_seconds: after which PostgreSQL gives a query up.

        Raises:
            FeastRepositoryError: the service is not applied, or cannot be served.
            DatabaseError: the registry cannot be reached.
        """
        request = FeatureRequest(repo, service, key, "", date.min, None, Path())
        self._layout = _layout(open_store(repo), request)
        self._connect_seconds = connect_seconds
        self._statement_seconds = statement_seconds
        self._connection: psycopg.Connection[Any] | None = None
        self._query = _read_query(self._layout)
        self._parameters = [list(view.columns) for view in self._layout.views]
        self._columns = [view.columns for view in self._layout.views]

    @property
    def features(self) -> tuple[str, ...]:
        """The declared features, in the order of the service."""
        return tuple(item.name for item in self._layout.declared)

    def read(self, keys: Sequence[str]) -> OnlineRows:
        """The features of the keys, all as of the same moment; one query.

        Raises:
            DatabaseUnavailableError: PostgreSQL cannot be reached; the next call tries again.
            DatabaseError: it refuses, or takes too long.
        """
        stored = [self._layout.key(key) for key in keys]
        wanted = list({key for key in stored if key is not None})
        parameters = [item for names in self._parameters for item in (wanted, names)]
        found = self._fetch(self._query, parameters) if wanted else []
        rows: dict[bytes, dict[str, Any]] = {key: {} for key in wanted}
        moments: dict[bytes, set[date]] = {key: set() for key in wanted}
        for tag, key, first, last, names, values in found:
            row, where = rows[key], self._columns[tag]
            for name, value in zip(names, values, strict=True):
                row[where[name]] = _decoded(value)
            moments[key].update((first, last))
        return self._aligned(stored, rows, moments)

    def month(self) -> date | None:
        """The month that the store holds for every view of the service; None where it holds none, or several.

        Raises:
            DatabaseError: as `read`.
        """
        try:
            rows = self._fetch(_MONTH, [self._layout.project, [view.name for view in self._layout.views]])
        except FeastRepositoryError:  # nothing was ever written, so the table of months is not there
            return None
        return _only(rows, self._layout)

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
        with _feast_errors("reading the online store"):
            if self._connection is not None:
                try:
                    return self._execute(self._connection, query, parameters)
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    # A connection lost while nothing was asked says nothing about the server: ask once more.
                    still_there = not self._connection.closed and not self._connection.broken
                    self.close()
                    if still_there:
                        raise
                    del error
            self._connection = _connect(self._layout, self._connect_seconds, self._statement_seconds)
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


_MONTH = sql.SQL("SELECT view, as_of FROM {} WHERE project = %s AND view = ANY(%s)").format(_TABLE)


def _month(cursor: psycopg.Cursor[Any], layout: _Layout) -> date | None:
    names = [view.name for view in layout.views]
    return _only(cursor.execute(_MONTH, (layout.project, names)).fetchall(), layout)


def _only(rows: list[Any], layout: _Layout) -> date | None:
    days = {day for _, day in rows}
    return days.pop() if len(days) == 1 and len(rows) == len(layout.views) else None


def _read_query(layout: _Layout) -> sql.Composed:
    """One statement sees one state of the database, so no reader meets half a month."""
    return sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT {tag}, entity_key, min(event_ts)::date, max(event_ts)::date, "
            "array_agg(feature_name), array_agg(value) "
            "FROM {table} WHERE entity_key = ANY(%s) AND feature_name = ANY(%s) GROUP BY entity_key"
        ).format(tag=sql.Literal(tag), table=sql.Identifier(view.table))
        for tag, view in enumerate(layout.views)
    )


@lru_cache(maxsize=65_536)
def _decoded(value: bytes) -> Any:
    proto = Value.FromString(value)
    kind = proto.WhichOneof("val")
    if kind is None:
        return None
    return getattr(proto, kind) if kind in _PLAIN_VALUES else feast_value_type_to_python_type(proto)


def _connect(
    layout: _Layout, connect_seconds: float, statement_seconds: float | None = None
) -> psycopg.Connection[Any]:
    timeout = f" -c statement_timeout={round(statement_seconds * 1000)}" if statement_seconds else ""
    given = dict(layout.connection)
    return psycopg.connect(
        **given | {"options": f"{given['options']} -c timezone=UTC{timeout}"},
        connect_timeout=max(2, round(connect_seconds)),
        application_name="driftgate-online",
    )


def _layout(store: FeatureStore, request: FeatureRequest) -> _Layout:
    with _feast_errors(f"looking up the feature service {request.service}"):
        service = _service(store, request)
        config = store.config
        if getattr(config.online_store, "type", None) != "postgres":
            raise _not_servable(request, f"its online store is {getattr(config.online_store, 'type', None)!r}")
        declared = declared_features(service)
        views: list[_View] = []
        key_types: set[ValueType] = set()
        known = {view.name: view for view in store.list_feature_views()}
        for projection in service.feature_view_projections:
            view = known.get(projection.name)
            if view is None or view.join_keys != [request.key] or projection.join_key_map:
                raise _not_servable(request, f"{projection.name} is not a plain view keyed by {request.key!r}")
            key_types.update(column.dtype.to_value_type() for column in view.entity_columns)
            name = projection.name_to_use()
            columns = {_plain(item, service): item.name for item in declared if item.view == name}
            types = {field.name: field.dtype.to_value_type() for field in projection.features}
            table = compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
            views.append(_View(view.name, table, columns, types))
        if len(key_types) != 1 or not key_types <= {ValueType.STRING, ValueType.INT64, ValueType.INT32}:
            raise _not_servable(request, f"the key is of type {sorted(item.name for item in key_types)}")
    return _Layout(
        config.project,
        _connection(config.online_store),
        declared,
        tuple(views),
        request.key,
        key_types.pop(),
        config.entity_key_serialization_version,
    )


def _connection(online: Any) -> dict[str, Any]:
    """As Feast connects, with the same search path."""
    schema = (online.db_schema or online.user).strip()
    return {
        "host": online.host,
        "port": online.port,
        "dbname": online.database,
        "user": online.user,
        "password": online.password,
        "sslmode": online.sslmode,
        "sslkey": online.sslkey_path,
        "sslcert": online.sslcert_path,
        "sslrootcert": online.sslrootcert_path,
        "options": f"-c search_path={schema}{'' if schema == 'public' else ',public'}",
    }


def _not_servable(request: FeatureRequest, why: str) -> FeastRepositoryError:
    return FeastRepositoryError(
        f"the feature service {request.service!r} cannot be served online: {why}",
        allowed="plain feature views with one join key, text or integer, in a PostgreSQL online store",
        remedy="correct the Feast repository, then `driftgate apply`",
    )
