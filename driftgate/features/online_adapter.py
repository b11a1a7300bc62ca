"""The part of online serving that needs feast: encodings, the layout of the online store, and writing a month.

Feast's own writer commits view by view and never removes an entity, so this module writes itself. Feast's
`get_online_features` can read the result.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from datetime import time as clock
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from feast.infra.key_encoding_utils import deserialize_entity_key, serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id, extract_text_and_num
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values
from feast.value_type import ValueType
from psycopg import sql

from driftgate.database.locks import Lock
from driftgate.errors import DataError, FeastRepositoryError
from driftgate.features.engines import open_engine
from driftgate.features.engines.postgres import connection_arguments
from driftgate.features.entities import known_keys
from driftgate.features.feast_adapter import _service, answer, describe, feast_errors, open_store
from driftgate.features.files import read_file
from driftgate.features.online import OnlineMonth, OnlineRequest, OnlineRows, ServedKeys, online_views, require_whole
from driftgate.features.online_store import (
    MONTH,
    Layout,
    OnlineReader,
    StoredView,
    ViewMonth,
    connect_store,
    only_month,
    store_errors,
)
from driftgate.features.types import FeatureMonth, FeatureRequest

_PLAIN_VALUES = {"int64_val", "double_val", "bool_val", "string_val", "int32_val", "float_val"}
_KEY_FIELDS = {ValueType.STRING: "string_val", ValueType.INT64: "int64_val", ValueType.INT32: "int32_val"}


def open_reader(
    repo: Path, service: str, key: str, *, connect_seconds: float = 2, statement_seconds: float = 2
) -> OnlineReader:
    """Open a reader of one service. It reads the registry once: open another after the repository was applied again.

    Args:
        key: join key of the service's views.
        connect_seconds: longest time to wait for a connection; libpq takes whole seconds, two or more.
        statement_seconds: time after which PostgreSQL cancels a query.

    Raises:
        FeastRepositoryError: the service is not applied, or cannot be served.
        DatabaseError: the registry cannot be reached.
    """
    layout, _ = _layout(repo, service, key)
    return OnlineReader(layout, connect_seconds, statement_seconds)


def write_month(request: OnlineRequest) -> OnlineMonth:
    """Read a month by the point-in-time join and replace the content of the online store in one transaction.

    Raises:
        DataError: rows or features of the month are missing.
        FeastRepositoryError: the service cannot be served from this repository.
        DatabaseError: nothing was written.
    """
    month = answer(request.features)
    require_whole(month.rows, month.absent, request)
    features = request.features
    layout, types = _layout(features.repo, features.service, features.key)
    table = pa.ipc.open_file(pa.memory_map(str(month.path))).read_all()
    with store_errors(f"writing {month.as_of} to the online store"), connect_store(layout, 10) as connection:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (int(Lock.ONLINE_STORE),))
            there = _month(cursor, layout)
            if request.only_newer and there is not None and there > month.as_of:
                return OnlineMonth(there, month.rows, written=False)
            _replace(cursor, layout, types, table, request.features)
        connection.autocommit = True
        for view in layout.views:
            # The replaced rows still fill the index, and the planner's statistics are those of an empty table.
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(view.table)))
    return OnlineMonth(month.as_of, month.rows, written=True)


def served_views(repo: Path, service: str, key: str) -> list[ViewMonth]:
    """Return the month of each view of a service in the online store; see `OnlineReader.views`."""
    with closing(open_reader(repo, service, key)) as reader:
        return reader.views()


def read_both(
    request: FeatureRequest, views: list[ViewMonth], most: int
) -> tuple[FeatureMonth, OnlineRows, ServedKeys]:
    """Read entities of a month by the point-in-time join, and the same ones from the online store.

    Entities that left a month are in no sample of it, so that keys of the store are looked up in the month as well.

    Args:
        request: of the join, which is written to its file; the online rows are in the order of that file.
        views: what the online store holds.
        most: how many of its keys are looked up.

    Raises:
        DataError: the online store was written meanwhile.
        FeastRepositoryError, DatabaseError: as `open_reader` and `read_month`.
    """
    month = answer(request)
    keys = [str(key) for key in read_file(request.out).column(request.key).to_pylist()]
    with closing(open_reader(request.repo, request.service, request.key, statement_seconds=60)) as reader:
        rows = reader.read(keys)
        served, drawn = reader.keys(most)
        if reader.views() != views:
            raise DataError(
                f"the online store was written while {request.as_of} was compared with it",
                allowed="a store that stays as it is while it is read",
                remedy="run again",
            )
    with open_engine(request.repo) as engine:
        known = known_keys(engine, request.monitor, request.as_of, drawn)
    return month, rows, ServedKeys(served, len(drawn), tuple(key for key in drawn if key not in known))


def _replace(
    cursor: psycopg.Cursor[Any], layout: Layout, types: dict[str, ValueType], table: pa.Table, request: FeatureRequest
) -> None:
    keys = [layout.encode_key(str(key)) for key in table.column(request.key).to_pylist()]
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
                for key, (value, text) in zip(keys, _encoded(values, types[column]), strict=True):
                    copy.write_row((key, plain, value, text, moment))
        cursor.execute(
            sql.SQL(
                "INSERT INTO {} (project, view, as_of, users, written_at) VALUES (%s, %s, %s, %s, clock_timestamp()) "
                "ON CONFLICT (project, view) DO UPDATE SET as_of = excluded.as_of, users = excluded.users, "
                "written_at = excluded.written_at"
            ).format(sql.Identifier(online_views.name)),
            (layout.project, view.name, request.as_of, table.num_rows),
        )


def _encoded(values: list[Any], kind: ValueType) -> Iterator[tuple[bytes, str | None]]:
    """Return each value as Feast stores it: serialised, and as the text that Feast's search uses."""
    if all(value is None for value in values):
        yield from ((b"", None) for _ in values)
        return
    for proto in python_values_to_proto_values(values, kind):
        yield proto.SerializeToString(), extract_text_and_num(proto, False)[0]


def _month(cursor: psycopg.Cursor[Any], layout: Layout) -> date | None:
    names = [view.name for view in layout.views]
    return only_month(cursor.execute(MONTH, (layout.project, names)).fetchall(), layout)


@lru_cache(maxsize=65_536)
def _decoded(value: bytes) -> Any:
    proto = Value.FromString(value)
    kind = proto.WhichOneof("val")
    if kind is None:
        return None
    return getattr(proto, kind) if kind in _PLAIN_VALUES else feast_value_type_to_python_type(proto)


def _encoded_key(join_key: str, field: str, version: int, value: str) -> bytes | None:
    proto = Value()
    try:
        setattr(proto, field, value if field == "string_val" else int(value))
    except ValueError:
        return None
    if field != "string_val" and str(int(value)) != value:  # " 7" and "07" are not the key of entity 7
        return None
    key = EntityKey(join_keys=[join_key], entity_values=[proto])
    return bytes(serialize_entity_key(key, entity_key_serialization_version=version))


def _decoded_key(field: str, version: int, stored: bytes) -> str:
    (value,) = deserialize_entity_key(stored, entity_key_serialization_version=version).entity_values
    return str(getattr(value, field))


def _layout(repo: Path, service_name: str, key: str) -> tuple[Layout, dict[str, ValueType]]:
    """Return the layout of a service, and the type of each of its features."""
    store = open_store(repo)
    with feast_errors(f"looking up the feature service {service_name}"):
        service = _service(store, repo, service_name)
        config = store.config
        kind = getattr(config.online_store, "type", None)
        if kind != "postgres":
            raise _not_servable(service_name, f"its online store is {kind!r}")
        described = describe(store, service)
        declared = described.declared
        known = {view.name: view for view in store.list_feature_views()}
        views: list[StoredView] = []
        types: dict[str, ValueType] = {}
        key_types: set[ValueType] = set()
        for projection in service.feature_view_projections:
            view = known.get(projection.name)
            if view is None or view.join_keys != [key] or projection.join_key_map:
                raise _not_servable(service_name, f"{projection.name} is not a plain view keyed by {key!r}")
            key_types.update(column.dtype.to_value_type() for column in view.entity_columns)
            plain = {described.plain(item): item.name for item in declared if item.view == projection.name_to_use()}
            types.update({plain[field.name]: field.dtype.to_value_type() for field in projection.features})
            table = compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
            views.append(StoredView(view.name, table, plain))
        if len(key_types) != 1 or not key_types <= set(_KEY_FIELDS):
            raise _not_servable(service_name, f"the key is of type {sorted(item.name for item in key_types)}")
    field = _KEY_FIELDS[key_types.pop()]
    layout = Layout(
        config.project,
        connection_arguments(config.online_store.model_dump()),
        tuple(item.name for item in declared),
        tuple(views),
        partial(_encoded_key, key, field, config.entity_key_serialization_version),
        _decoded,
        partial(_decoded_key, field, config.entity_key_serialization_version),
    )
    return layout, types


def _not_servable(service_name: str, why: str) -> FeastRepositoryError:
    return FeastRepositoryError(
        f"the feature service {service_name!r} cannot be served online: {why}",
        allowed="plain feature views with one join key, text or integer, in a PostgreSQL online store",
        remedy="correct the Feast repository, then `driftgate apply`",
    )
