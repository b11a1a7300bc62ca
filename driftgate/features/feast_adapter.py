"""The one module that imports feast: opening a repository, and reading a month of features from it."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from feast import FeatureService, FeatureStore, FeatureView
from feast.errors import FeastObjectNotFoundException
from psycopg.types.string import TextLoader
from sqlalchemy.exc import DBAPIError

from driftgate.database.engine import translate
from driftgate.errors import DataError, DriftgateError, FeastRepositoryError, OutputError, bounded
from driftgate.features.entities import EVENT_TIMESTAMP
from driftgate.features.files import write_file
from driftgate.features.repository import require_repository, without_input
from driftgate.features.types import DeclaredFeature, FeatureMonth, FeatureRequest, Kind

# Feast declares a uuid as text, and pyarrow makes no text of the objects that psycopg would give.
psycopg.adapters.register_loader("uuid", TextLoader)

_KINDS = {
    **dict.fromkeys(("INT32", "INT64", "FLOAT32", "FLOAT64", "DECIMAL"), Kind.NUMERIC),
    **dict.fromkeys(("BOOL", "STRING", "UUID"), Kind.CATEGORICAL),
    "UNIX_TIMESTAMP": Kind.TIMESTAMP,
}


def open_store(repo: Path) -> FeatureStore:
    """The store of a repository, its registry reached.

    Raises:
        FeastRepositoryError: the folder or its feature_store.yaml is missing or unusable.
        DatabaseError: the registry's database refuses or cannot be reached.
    """
    require_repository(repo)
    with _feast_errors(f"opening the Feast repository {repo}"):
        store = FeatureStore(repo_path=str(repo))
        store.registry.list_projects()
        return store


@cache
def _store(repo: Path) -> FeatureStore:
    return open_store(repo)


def answer(request: FeatureRequest) -> FeatureMonth:
    """`read_month` in the repository that the request names, which is opened once."""
    return read_month(_store(request.repo), request)


def read_month(store: FeatureStore, request: FeatureRequest) -> FeatureMonth:
    """Read one month by a point-in-time join and write it as an Arrow IPC file.

    Raises:
        FeastRepositoryError: the service or a source table does not exist.
        DataError: the join gave other rows than the entities that were asked for.
        DatabaseError: the offline store fails.
    """
    with _feast_errors(f"reading the features of {request.as_of}"):
        service = _service(store, request)
        declared = declared_features(service)
        table, absent = _retrieve(store, service, declared, request)
        stale = tuple(_stale_views(store, service, request)) if request.previous else ()
    _check_rows(table, request)
    table = table.drop_columns([EVENT_TIMESTAMP])
    try:
        write_file(request.out, table)
    except OSError as error:
        raise OutputError(
            f"{request.out} cannot be written: {error}", remedy="make room, or set DRIFTGATE_HOME to another folder"
        ) from error
    return FeatureMonth(request.as_of, request.out, table.num_rows, declared, absent, stale)


def declared_features(service: FeatureService) -> tuple[DeclaredFeature, ...]:
    """Every feature of the service, in its order; a name that two views share is prefixed with its view.

    Raises:
        FeastRepositoryError: Feast cannot ask for a name.
    """
    fields = [(view, field) for view in service.feature_view_projections for field in view.features]
    for view, field in fields:
        # Feast's queries quote names with it, and do not double it.
        if '"' in field.name:
            raise FeastRepositoryError(
                f"the feature {field.name!r} of the view {view.name_to_use()!r} has a double quote in its name",
                allowed="names without double quotes",
                remedy="rename the column, or map another name to it by field_mapping; then `driftgate apply`",
            )
    repeated = _needs_prefixes(service)
    return tuple(
        DeclaredFeature(
            name=f"{view.name_to_use()}__{field.name}" if repeated else field.name,
            view=view.name_to_use(),
            dtype=_type_name(field.dtype),
            kind=_KINDS.get(_type_name(field.dtype), Kind.UNSUPPORTED),
        )
        for view, field in fields
    )


def _needs_prefixes(service: FeatureService) -> bool:
    names = Counter(field.name for view in service.feature_view_projections for field in view.features)
    return any(count > 1 for count in names.values())


def _plain(item: DeclaredFeature, service: FeatureService) -> str:
    """The name in its view; a feature may itself be called like its view and two underscores."""
    return item.name.removeprefix(f"{item.view}__") if _needs_prefixes(service) else item.name


def _type_name(dtype: Any) -> str:
    return str(getattr(dtype, "name", dtype))


def _service(store: FeatureStore, request: FeatureRequest) -> FeatureService:
    try:
        return store.get_feature_service(request.service)
    except FeastObjectNotFoundException as error:
        known = bounded(sorted(item.name for item in store.list_feature_services()))
        raise FeastRepositoryError(
            f"the feature service {request.service!r} is not in the registry of {request.repo}",
            allowed=known,
            remedy="apply the repository (`driftgate apply --monitor NAME`), or correct feature_service",
        ) from error


def _retrieve(
    store: FeatureStore, service: FeatureService, declared: Sequence[DeclaredFeature], request: FeatureRequest
) -> tuple[pa.Table, tuple[str, ...]]:
    full_names = _needs_prefixes(service)
    arguments = {"entity_df": request.entity_sql, "full_feature_names": full_names}
    try:
        return _table(store, features=service, **arguments), ()
    except psycopg.errors.UndefinedColumn:
        absent = _absent_columns(store, service, declared)
        if not absent:
            raise
    present = [item for item in declared if item.name not in absent]
    if not present:
        raise FeastRepositoryError(
            f"no source of {request.service!r} has any of its declared columns",
            remedy="correct the sources of the Feast repository",
        )
    references = [f"{item.view}:{_plain(item, service)}" for item in present]
    return _table(store, features=references, **arguments), absent


def _table(store: FeatureStore, **arguments: Any) -> pa.Table:
    with warnings.catch_warnings():
        # Feast reads the entity query's columns with pandas on a driver connection, which pandas warns about.
        warnings.filterwarnings("ignore", message="pandas only supports SQLAlchemy connectable")
        return store.get_historical_features(**arguments).to_arrow()


def _views(store: FeatureStore, service: FeatureService) -> Iterator[tuple[str, FeatureView]]:
    """The views of a service that read a table or query, with the name the service uses for each."""
    plain = {view.name: view for view in store.list_feature_views()}
    for projection in service.feature_view_projections:
        if projection.name in plain:
            yield projection.name_to_use(), plain[projection.name]


def _absent_columns(
    store: FeatureStore, service: FeatureService, declared: Sequence[DeclaredFeature]
) -> tuple[str, ...]:
    columns: dict[str, set[str]] = {}
    for name, view in _views(store, service):
        mapping = view.batch_source.field_mapping
        source = {column for column, _ in view.batch_source.get_table_column_names_and_types(store.config)}
        columns[name] = {mapping.get(column, column) for column in source}
    return tuple(
        item.name for item in declared if item.view in columns and _plain(item, service) not in columns[item.view]
    )


def _stale_views(store: FeatureStore, service: FeatureService, request: FeatureRequest) -> Iterator[str]:
    """Views without any row in the days (previous, as_of]: their features can only be older than the month."""
    from feast.infra.utils.postgres.connection_utils import _get_conn

    with _get_conn(store.config.offline_store) as connection:
        for name, view in _views(store, service):
            source = view.batch_source
            query = psycopg.sql.SQL(
                "SELECT EXISTS (SELECT 1 FROM {table} AS source "
                "WHERE {time} >= %s + interval '1 day' AND {time} < %s + interval '1 day')"
            ).format(
                table=psycopg.sql.SQL(source.get_table_query_string().replace("%", "%%")),
                time=psycopg.sql.Identifier(source.timestamp_field),
            )
            row = connection.execute(query, (request.previous, request.as_of)).fetchone()
            if row is not None and not row[0]:
                yield name


def _check_rows(table: pa.Table, request: FeatureRequest) -> None:
    keys = table.column(request.key)
    distinct = pa.compute.count_distinct(keys).as_py()
    if table.num_rows == 0 or distinct != table.num_rows:
        raise DataError(
            f"the point-in-time join of {request.as_of} gave {table.num_rows} rows for {distinct} entities",
            allowed="one row for each entity",
            remedy="look for two feature rows with the same key and timestamp in a source table",
        )


@contextmanager
def _feast_errors(what: str) -> Iterator[None]:
    try:
        yield
    except DriftgateError:
        raise
    except DBAPIError as error:
        raise translate(error, what) from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise FeastRepositoryError(
            f"Feast failed while {what}: {str(error).splitlines()[0]}",
            remedy="correct the sources of the Feast repository, then `driftgate apply`",
        ) from error
    except psycopg.Error as error:
        wrapped = DBAPIError("", None, error, connection_invalidated=False)
        raise translate(wrapped, what) from error
    except Exception as error:
        raise FeastRepositoryError(
            f"Feast failed while {what}: {type(error).__name__}: {without_input(str(error))[:600]}",
            remedy="check the repository with `driftgate feast plan`",
        ) from error
