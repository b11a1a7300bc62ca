"""Open a Feast repository, and read a month of features from it."""

import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from feast import FeatureService, FeatureStore, FeatureView, FileSource
from feast.data_format import DeltaFormat
from feast.data_source import DataSource
from feast.errors import FeastObjectNotFoundException
from feast.feature_view import DUMMY_ENTITY_ID
from sqlalchemy.exc import DBAPIError

from driftgate.database.engine import translate
from driftgate.errors import ConfigurationError, DataError, DriftgateError, FeastRepositoryError, OutputError, bounded
from driftgate.features.description import RepositoryDescription, ServiceDescription, ViewDescription
from driftgate.features.engines import ENGINES, Engine, open_engine
from driftgate.features.engines.engine import Fold
from driftgate.features.entities import (
    EVENT_TIMESTAMP,
    entity_slices,
    in_days,
    moment_of,
    month_entities,
)
from driftgate.features.files import with_doubles, write_file
from driftgate.features.repository import offline_store, without_input
from driftgate.features.sources import Source
from driftgate.features.state import View, absent_columns, open_views
from driftgate.features.types import DeclaredFeature, FeatureMonth, FeatureRequest, Kind

_KINDS = {
    **dict.fromkeys(("INT32", "INT64", "FLOAT32", "FLOAT64", "DECIMAL"), Kind.NUMERIC),
    **dict.fromkeys(("BOOL", "STRING", "UUID"), Kind.CATEGORICAL),
    "UNIX_TIMESTAMP": Kind.TIMESTAMP,
}
_NUMBER_ARRAY = re.compile(r"Array\((Int|Float)\d+\)", re.IGNORECASE)


# A view without a ttl looks back as far as its rows go.
_WHOLE_LIFE = timedelta(days=365 * 50)


def open_store(repo: Path) -> FeatureStore:
    """Open the store of a repository and check that its registry answers.

    Raises:
        FeastRepositoryError: the folder or its feature_store.yaml is missing or unusable.
        DatabaseError: the registry's database refuses or cannot be reached.
    """
    kind = offline_store(repo).kind
    with feast_errors(f"opening the Feast repository {repo}"):
        store = FeatureStore(repo_path=str(repo))
        if ENGINES.get(kind) == "duckdb":
            # A repository of the type `file` has the same sources; its own store would read them whole.
            store.config.offline_config = {"type": "duckdb"}
        elif kind == "postgres":
            # The entity query stays a query: nothing is written into the database of the features.
            store.config.offline_config = {**store.config.offline_config, "entity_select_mode": "embed_query"}
        store.registry.list_projects()
        return store


@cache
def _store(repo: Path) -> FeatureStore:
    return open_store(repo)


def describe_source(repo: Path, name: str) -> Source:
    """Return where the rows of a data source of the repository are.

    Raises:
        ConfigurationError: the registry has no such source.
        FeastRepositoryError: the registry cannot be read, or Driftgate cannot read this kind of source.
    """
    store = _store(repo)
    with feast_errors(f"looking up the data source {name}"):
        known = {source.name: source for source in store.list_data_sources()}
        if name not in known:
            raise ConfigurationError(
                f"the data source {name!r} of monitors.toml is not in the registry of {repo}",
                allowed=bounded(sorted(known)),
                remedy="apply the repository by `driftgate apply --monitor NAME`, or correct source",
            )
        return _described(known[name])


def describe_service(repo: Path, name: str) -> ServiceDescription:
    """Return what a feature service declares and reads.

    Raises:
        FeastRepositoryError: there is no such service, or it or a source of it cannot be read.
    """
    store = _store(repo)
    with feast_errors(f"looking up the feature service {name}"):
        return describe(store, _service(store, repo, name))


def describe_repository(repo: Path) -> RepositoryDescription:
    """Return the data sources and services of a repository that Driftgate can read."""
    store = _store(repo)
    sources: dict[str, Source] = {}
    services: dict[str, ServiceDescription] = {}
    with feast_errors(f"reading the registry of {repo}"):
        for source in store.list_data_sources():
            with suppress(FeastRepositoryError):
                sources[source.name] = _described(source)
        for service in store.list_feature_services():
            # What is wrong with one is told to whoever asks for it.
            with suppress(FeastRepositoryError):
                services[service.name] = describe(store, service)
    return RepositoryDescription(sources, services)


def describe(store: FeatureStore, service: FeatureService) -> ServiceDescription:
    """Return what a feature service declares, and the sources of its views."""
    plain: dict[str, FeatureView] = {view.name: view for view in store.list_feature_views()}
    views, computed = [], []
    for projection in service.feature_view_projections:
        if view := plain.get(projection.name):
            keys = tuple(projection.join_key_map.get(key, key) for key in view.join_keys if key != DUMMY_ENTITY_ID)
            life = view.ttl or _WHOLE_LIFE
            views.append(ViewDescription(projection.name_to_use(), keys, life, _described(view.batch_source)))
        else:
            computed.append(projection.name)
    return ServiceDescription(
        declared_features(service), _needs_prefixes(service), tuple(views), _computed(store, computed)
    )


def _computed(store: FeatureStore, names: Sequence[str]) -> str:
    """Return the digest of the views that compute features; their meta says when, and is left out."""
    if not names:
        return ""
    digest = hashlib.sha256()
    found = {view.name: view for view in store.list_on_demand_feature_views()}
    for name in sorted(names):
        digest.update(name.encode())
        if name in found:
            digest.update(found[name].to_proto().spec.SerializeToString(deterministic=True))
    return digest.hexdigest()


def _described(source: DataSource) -> Source:
    batch = getattr(source, "batch_source", None) or source
    given = {
        "name": source.name,
        "timestamp": batch.timestamp_field or None,
        "created": batch.created_timestamp_column or None,
        "mapping": tuple(batch.field_mapping.items()),
    }
    if isinstance(batch, FileSource):
        return Source(
            path=batch.path, format="delta" if isinstance(batch.file_format, DeltaFormat) else "parquet", **given
        )
    kind = type(batch).__name__
    if kind == "PostgreSQLSource":
        return Source(sql=batch.get_table_query_string(), **given)
    if kind == "SparkSource":
        sql = batch.table or (f"({batch.query})" if batch.query else "")
        return Source(sql=sql, path="" if sql else batch.path, format=batch.file_format or "parquet", **given)
    raise FeastRepositoryError(
        f"the data source {source.name!r} is a {kind}, which Driftgate cannot read",
        allowed="PostgreSQLSource, FileSource, SparkSource",
        remedy="`driftgate docs how-to/add-an-offline-store` says what another one takes",
    )


def answer(request: FeatureRequest) -> FeatureMonth:
    """Call `read_month` in the repository that the request names; the repository is opened once."""
    store = _store(request.repo)
    with open_engine(request.repo) as engine:
        return read_month(store, engine, request)


def read_month(store: FeatureStore, engine: Engine, request: FeatureRequest) -> FeatureMonth:
    """Read one month by a point-in-time join and write it as an Arrow IPC file.

    Raises:
        FeastRepositoryError: the service or a source does not exist.
        DataError: the rows of the join are not one for each requested entity, or a feature row is there twice.
        DatabaseError: the offline store fails.
    """
    what = f"reading the features of {request.as_of}"
    with feast_errors(what), engine.errors(what):
        described, views, absent, present = _opened(store, engine, request)
        if engine.picks_one_of_repeated:
            _require_unrepeated(views, engine, request)
        if not present:
            raise FeastRepositoryError(
                f"no source of {request.service!r} has any of its declared columns",
                remedy="correct the sources of the Feast repository",
            )
        stale = tuple(_stale_views(views, engine, request)) if request.previous else ()
        entities = month_entities(engine, request.monitor, request.size)
        table = with_doubles(engine.read(_job(store, engine, described, present, entities)))
        _check_rows(table, request)
        _write(request.out, table, request.key)
    return FeatureMonth(request.as_of, request.out, table.num_rows, described.declared, absent, stale)


def fold_answer(request: FeatureRequest, fold: Fold) -> list[bytes]:
    """Call `fold_month` in the repository that the request names."""
    store = _store(request.repo)
    with open_engine(request.repo) as engine:
        return fold_month(store, engine, request, fold)


def fold_month(store: FeatureStore, engine: Engine, request: FeatureRequest, fold: Fold) -> list[bytes]:
    """Fold every row of a month's point-in-time join, also of one that has a sample, where the engine has the rows.

    Args:
        fold: called with the rows of a part of the month, table by table.

    Returns:
        What it gave for each part. How a month is divided into parts is the engine's matter.

    Raises:
        FeastRepositoryError: the service or a source does not exist.
        DatabaseError: the offline store fails.
    """
    what = f"counting the features of {request.as_of}"
    with feast_errors(what), engine.errors(what):
        described, _, _, present = _opened(store, engine, request)
        folded: list[bytes] = []
        for entities in entity_slices(engine, request.monitor, request.size, engine.entities_at_once):
            folded += engine.fold(_job(store, engine, described, present, entities), fold)
        return folded


def _opened(
    store: FeatureStore, engine: Engine, request: FeatureRequest
) -> tuple[ServiceDescription, Sequence[View], tuple[str, ...], list[DeclaredFeature]]:
    """Return what the service declares, its views, the declared columns that no source has, and the features it has."""
    described = describe(store, _service(store, request.repo, request.service))
    views = open_views(engine, described)
    _require_key(views, request)
    absent = absent_columns(views, described)
    present = [item for item in described.declared if item.name not in absent]
    return described, views, absent, present


def _write(path: Path, table: pa.Table, key: str) -> None:
    try:
        # In one order on every engine: a sum of the same values in another order is another double.
        write_file(path, table.drop_columns([EVENT_TIMESTAMP]).sort_by(key))
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error}", remedy="make room, or set DRIFTGATE_HOME to another folder"
        ) from error


def declared_features(service: FeatureService) -> tuple[DeclaredFeature, ...]:
    """Return every feature of the service, in its order. Where views share a name, all names begin with their view.

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
            kind=_kind(_type_name(field.dtype)),
        )
        for view, field in fields
    )


def _needs_prefixes(service: FeatureService) -> bool:
    names = Counter(field.name for view in service.feature_view_projections for field in view.features)
    return any(count > 1 for count in names.values())


def _kind(name: str) -> Kind:
    # Feast writes the type of an array of numbers as Array(Float32), for example.
    return Kind.ARRAY if _NUMBER_ARRAY.match(name) else _KINDS.get(name, Kind.UNSUPPORTED)


def _type_name(dtype: Any) -> str:
    return str(getattr(dtype, "name", dtype))


def _service(store: FeatureStore, repo: Path, name: str) -> FeatureService:
    try:
        return store.get_feature_service(name)
    except FeastObjectNotFoundException as error:
        known = bounded(sorted(item.name for item in store.list_feature_services()))
        raise FeastRepositoryError(
            f"the feature service {name!r} is not in the registry of {repo}",
            allowed=known,
            remedy="apply the repository (`driftgate apply --monitor NAME`), or correct feature_service",
        ) from error


def _job(
    store: FeatureStore,
    engine: Engine,
    service: ServiceDescription,
    present: Sequence[DeclaredFeature],
    entities: Any,
) -> Any:
    """Return Feast's point-in-time join of these entities, which has not run."""
    with warnings.catch_warnings():
        # Feast reads the entity query's columns with pandas on a driver connection, which pandas warns about.
        warnings.filterwarnings("ignore", message="pandas only supports SQLAlchemy connectable")
        return store.get_historical_features(
            entity_df=engine.entities(entities),
            features=[f"{item.view}:{service.plain(item)}" for item in present],
            full_feature_names=service.prefixed,
        )


def _require_key(views: Sequence[View], request: FeatureRequest) -> None:
    for view in views:
        keys = view.described.keys
        if set(keys) - {request.key}:
            raise FeastRepositoryError(
                f"the feature view {view.name!r} is joined by {bounded(keys)}, the entities by {request.key!r}",
                allowed="one join key, the same for every view of the service",
                remedy="set entity.key or entity.join_key in monitors.toml to it",
            )


def _require_unrepeated(views: Sequence[View], engine: Engine, request: FeatureRequest) -> None:
    """Check that no feature row is there twice, where the join would silently keep either."""
    for view in views:
        table, moment, created = view.rows.table, moment_of(view.rows), view.described.source.created
        named = [view.rows.column(key) for key in view.described.keys if key in table.columns]
        written = [table[created]] if created in table.columns else []
        alike = view.month(request.as_of).group_by([*named, moment, *written])
        repeated = alike.aggregate(times=lambda rows: rows.count()).filter(lambda rows: rows.times > 1)
        surplus = engine.arrow(repeated.aggregate(surplus=(repeated.times - 1).sum())).column(0)[0].as_py()
        if surplus:
            raise DataError(
                f"the source of {view.name!r} has {surplus} feature rows with the key and timestamp of another",
                allowed="one row for each key and timestamp, or a created_timestamp_column that tells them apart",
                remedy="remove the surplus rows: the same key and timestamp twice has no single value",
            )


def _stale_views(views: Sequence[View], engine: Engine, request: FeatureRequest) -> Iterator[str]:
    """Return the views without a row in the days (previous, as_of]: all their values are older than the month."""
    assert request.previous is not None
    for view in views:
        news = in_days(moment_of(view.rows), request.previous + timedelta(days=1), request.as_of)
        if engine.arrow(view.rows.table.filter(news).select(moment_of(view.rows)).limit(1)).num_rows == 0:
            yield view.name


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
def feast_errors(what: str) -> Iterator[None]:
    """Turn Feast's errors inside the block into ours; `what` reads on after "while "."""
    try:
        yield
    except DriftgateError:
        raise
    except DBAPIError as error:
        raise translate(error, what) from error
    except psycopg.Error as error:
        wrapped = DBAPIError("", None, error, connection_invalidated=False)
        raise translate(wrapped, what) from error
    except Exception as error:
        raise FeastRepositoryError(
            f"Feast failed while {what}: {type(error).__name__}: {without_input(str(error))[:600]}",
            remedy="check the repository with `driftgate feast plan`",
        ) from error
