"""Read what a Feast repository defines, applied or not, and what its sources hold."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from feast import FeatureService, FeatureView
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_contents import RepoContents
from feast.repo_operations import parse_repo

from driftgate.errors import DriftgateError
from driftgate.features.engines import Engine, open_engine
from driftgate.features.engines.engine import Rows
from driftgate.features.entities import in_days, moment_of
from driftgate.features.feast_adapter import _described, feast_errors
from driftgate.features.proposal import RepositoryOffer, ServiceOffer, SourceOffer, ordered


def inspect_repository(repo: Path) -> RepositoryOffer:
    """Return what the repository's files define, and what its sources hold. Nothing is applied or written.

    Its modules are imported into this process under their own names, so the process should end afterwards.

    Raises:
        ConfigurationError: Driftgate has no engine for its offline store.
        FeastRepositoryError: it is missing, or its definitions cannot be read.
    """
    with open_engine(repo) as engine:
        with feast_errors(f"reading the definitions in {repo}"), _on_path(repo):
            contents = parse_repo(repo)
        services = tuple(_service(item, contents) for item in sorted(contents.feature_services, key=lambda it: it.name))
        return RepositoryOffer(repo, engine.store.kind, services, tuple(_sources(engine, contents)))


@contextlib.contextmanager
def _on_path(repo: Path) -> Iterator[None]:
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(repo))
    try:
        with contextlib.chdir(repo):
            yield
    finally:
        sys.path.remove(str(repo))
        sys.dont_write_bytecode = before


def _service(service: FeatureService, contents: RepoContents) -> ServiceOffer:
    names = [projection.name for projection in service.feature_view_projections]
    demanded = [view for view in contents.on_demand_feature_views if view.name in names]
    needed = [projection.name for view in demanded for projection in view.source_feature_view_projections.values()]
    views = [view for view in _plain_views(contents) if view.name in {*names, *needed}]
    join_keys = {entity.name: entity.join_key for entity in contents.entities}
    return ServiceOffer(
        service.name,
        sum(len(projection.features) for projection in service.feature_view_projections),
        ordered(names),
        ordered([view.batch_source.name for view in views]),
        ordered([join_keys.get(entity, entity) for view in views for entity in view.entities]),
        tuple(_asked(demanded)),
    )


def _plain_views(contents: RepoContents) -> list[FeatureView]:
    return [*contents.feature_views, *contents.stream_feature_views]


def _asked(demanded: Iterable[OnDemandFeatureView]) -> Iterator[str]:
    for view in demanded:
        for source in view.source_request_sources.values():
            yield from (field.name for field in source.schema)


def _sources(engine: Engine, contents: RepoContents) -> Iterator[SourceOffer]:
    keys = [entity.join_key for entity in contents.entities]
    features = {
        (view.batch_source.name, field.name)
        for view in _plain_views(contents)
        for field in view.features
        if view.batch_source is not None
    }
    seen = set()
    for item in sorted(contents.data_sources, key=lambda it: it.name):
        batch = getattr(item, "batch_source", None) or item
        if batch.name in seen or not batch.timestamp_field:
            continue
        seen.add(batch.name)
        yield _source(engine, batch, keys, {name for source, name in features if source == batch.name})


def _source(engine: Engine, batch: Any, keys: list[str], features: set[str]) -> SourceOffer:
    try:
        source = _described(batch)
        with engine.errors(f"reading the data source {batch.name}"):
            rows = engine.source_rows(source)
            present = tuple(key for key in keys if key in rows.table.columns)
            taken = {*keys, *features, rows.timestamp, source.created}
            labels = tuple((name, kind) for name, kind in _label_types(rows) if name not in taken)
            return SourceOffer(source.name, rows.timestamp, present, **_newest(engine, rows, present), labels=labels)
    except DriftgateError as error:
        return SourceOffer(batch.name, None, problem=error.received)


def _label_types(rows: Rows) -> Iterator[tuple[str, str]]:
    for name, kind in rows.table.schema().items():
        # The index of a frame that pandas wrote.
        if name.startswith("__index_level_"):
            continue
        if kind.is_boolean():
            yield name, "boolean"
        elif kind.is_numeric():
            yield name, "numeric"


def _newest(engine: Engine, rows: Rows, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return how many days there are, the rows and keys of the newest, and how many of these are in an earlier one."""
    moment = moment_of(rows)
    days = rows.table.select(day=moment.cast("date"))
    found: dict[str, Any] = engine.arrow(days.aggregate(months=days.day.nunique(), newest=days.day.max())).to_pylist()[
        0
    ]
    if not keys or found["newest"] is None:
        return found
    day = rows.table.filter(in_days(moment, found["newest"], found["newest"]))
    counts: dict[str, Any] = engine.arrow(day.aggregate(rows=day.count(), distinct=day[keys[0]].nunique())).to_pylist()[
        0
    ]
    if found["months"] > 1:
        earlier = rows.table.filter(moment < found["newest"]).select(keys[0]).distinct()
        again = day.select(keys[0]).distinct().semi_join(earlier, keys[0])
        counts |= engine.arrow(again.aggregate(again=again.count())).to_pylist()[0]
    return found | counts
