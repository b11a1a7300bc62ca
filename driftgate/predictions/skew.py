"""A check of the month that is served: offline join, online store and log of predictions are read and compared."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from driftgate.database import create_tables
from driftgate.errors import DataError
from driftgate.features.files import read_file
from driftgate.features.online import KeyState, OnlineRows
from driftgate.features.online_store import ViewMonth
from driftgate.features.repository import require_repository
from driftgate.features.skew import Row, Served, Skew, SourceSkew, as_logged, compare_rows, with_surplus
from driftgate.features.types import DeclaredFeature, FeatureRequest
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import Monitor
from driftgate.predictions.log import served_features

SAMPLE_ENTITIES = 5_000

# A request that began before the month was written may be logged after it.
_SETTLED = timedelta(minutes=1)
_ADAPTER = "driftgate.features.online_adapter"


def check_skew(
    worker: FeatureWorker, engine: Engine, monitor: Monitor, repo: Path, folder: Path, as_of: date | None = None
) -> Skew:
    """Compare what is served of a month with what is learnt from it, row by row.

    The entities are a sample of at most `SAMPLE_ENTITIES`, drawn as `features.entities.month_entities` says; as many
    keys of the online store are looked up in the month. Of the log only predictions count that were made after the
    month was last written to the online store.

    Args:
        worker: the feature process.
        folder: for the rows of the join.
        as_of: the month; by default the one that the online store holds.

    Raises:
        DataError: the online store holds no month or another one, or was written meanwhile.
        UnknownMonthError: the month is not loaded any more.
        FeastRepositoryError: the service cannot be served from this repository.
        DatabaseError: a query fails.
    """
    require_repository(repo)
    key = monitor.entity.feast_key
    views: list[ViewMonth] = worker.call(f"{_ADAPTER}:served_views", repo, monitor.feature_service, key)
    day = _served_month(views, as_of)
    size = worker.measure_month(repo, monitor, day)
    sample = replace(size, compared=min(size.entities, SAMPLE_ENTITIES))
    request = FeatureRequest(repo, monitor, sample, previous=None, out=folder / "offline.arrow")
    month, rows, keys = worker.call(f"{_ADAPTER}:read_both", request, views, SAMPLE_ENTITIES)
    learnt = {str(row.pop(key)): row for row in read_file(month.path).to_pylist()}
    online = _compare_online(learnt, rows, month.declared)
    online = with_surplus(online, size.entities, keys.served, keys.looked_at, keys.strangers)
    log = _compare_log(engine, day, max(view.written_at for view in views) + _SETTLED, learnt, month.declared)
    return Skew(monitor.name, day, size.entities, monitor.skew_threshold, (online, log))


def _served_month(views: Sequence[ViewMonth], as_of: date | None) -> date:
    """Return the month to compare. A view of an older month is then found to be stale.

    Raises:
        DataError: the store holds no month, or another one.
    """
    if not views:
        raise DataError("the online store holds no month", remedy="put one there: `driftgate materialize`")
    newest = max(view.as_of for view in views)
    if as_of is not None and as_of != newest:
        raise DataError(
            f"{as_of} cannot be compared: the online store holds {newest}",
            allowed=f"{newest}, or no month",
            remedy=f"leave the month out, or serve it first: `driftgate materialize --as-of {as_of}`",
        )
    return newest


def _compare_online(
    learnt: dict[str, dict[str, Any]], rows: OnlineRows, features: Sequence[DeclaredFeature]
) -> SourceSkew:
    names = list(rows.columns)
    values = zip(*rows.columns.values(), strict=True)
    served: dict[str, Row] = {
        key: dict(zip(names, row, strict=True))
        for key, state, row in zip(learnt, rows.states, values, strict=True)
        if state is not KeyState.UNKNOWN
    }
    incomplete = {key for key, state in zip(learnt, rows.states, strict=True) if state is not KeyState.FOUND}
    return compare_rows(Served.ONLINE, learnt, served, features, incomplete)


def _compare_log(
    engine: Engine,
    as_of: date,
    since: datetime,
    learnt: dict[str, dict[str, Any]],
    features: Sequence[DeclaredFeature],
) -> SourceSkew:
    create_tables(engine)
    logged = served_features(engine, as_of, since, list(learnt), [item.name for item in features])
    wanted = {key: {name: as_logged(value) for name, value in learnt[key].items()} for key in logged}
    return compare_rows(Served.LOG, wanted, logged, features)
