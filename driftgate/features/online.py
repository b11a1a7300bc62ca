"""The month that is served. It is written to the online store as a whole, and read from it by key.

This module does not import feast; `online_adapter` does, in the feature process or in the API.
"""

import time
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Column, Date, DateTime, Engine, Integer, Table, Text

from driftgate.database import create_tables, metadata
from driftgate.errors import DataError, bounded
from driftgate.features.entities import require_unchanged
from driftgate.features.types import FeatureRequest
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import Monitor
from driftgate.pairs import chosen_month
from driftgate.scratch import newest_scratch

# The key is the view, because two services that share a view share its rows as well.
online_views = Table(
    "online_views",
    metadata,
    Column("project", Text, primary_key=True),
    Column("view", Text, primary_key=True),
    Column("as_of", Date, nullable=False),
    Column("users", Integer, nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class OnlineRequest:
    """What to write.

    Attributes:
        features: the request for the month's features, with the file that holds them in between.
        entities: how many rows the month must have.
        only_newer: leave the store as it is when it holds a newer month.
    """

    features: FeatureRequest
    entities: int
    only_newer: bool


@dataclass(frozen=True)
class OnlineMonth:
    """What the online store holds.

    Attributes:
        entities: of the month.
        written: False where the store held a newer month and kept it.
        seconds: wall time.
    """

    as_of: date
    entities: int
    written: bool
    seconds: float = 0.0


class KeyState(StrEnum):
    """What the online store has for one key."""

    FOUND = "found"
    UNKNOWN = "unknown"
    INCOMPLETE = "incomplete"  # some features are missing, or are from another month


@dataclass(frozen=True)
class OnlineRows:
    """The features of n keys, in the order of the keys.

    Attributes:
        states: n states; the values of a key have a meaning only where its state is FOUND.
        as_of: n dates, None where unknown.
        columns: for each declared feature n values, None where NULL.
    """

    states: list[KeyState]
    as_of: list[date | None]
    columns: dict[str, list[Any]]


@dataclass(frozen=True)
class ServedKeys:
    """The keys that the online store has of a service, held against those of a month.

    Attributes:
        served: how many keys it has, in the view that has most.
        looked_at: how many of them were looked up in the month.
        strangers: those of them that the month does not have, in the order of a hash.
    """

    served: int
    looked_at: int
    strangers: tuple[str, ...] = ()


def materialize_month(
    worker: FeatureWorker, engine: Engine, monitor: Monitor, repo: Path, as_of: date | None = None
) -> OnlineMonth:
    """Write a month to the online store, in place of the month that is there; repeated calls are safe.

    One transaction changes the rows of all views: readers see the old month or the new one, and a crash leaves the old
    one. Entities that are not in the month are removed. The values come from the point-in-time join at `as_of`, so that
    the offline store and the online store have the same values.

    Args:
        worker: the feature process.
        as_of: any loaded month; by default the newest, which never replaces a newer one.

    Raises:
        UnknownMonthError: that month is not loaded, or no month is.
        DataError: the month changed while it was read, or a source lacks a declared column.
        FeastRepositoryError: the repository is not applied, or its online store is not PostgreSQL.
        DatabaseError: nothing was written.
    """
    started = time.perf_counter()
    create_tables(engine)
    day = chosen_month(worker.loaded_months(repo, monitor), as_of)
    size = worker.measure_month(repo, monitor, day)
    whole = replace(size, compared=size.entities)
    with TemporaryDirectory(prefix="driftgate-online-", dir=newest_scratch()) as folder:
        request = FeatureRequest(repo, monitor, whole, previous=None, out=Path(folder) / "month.arrow")
        month = worker.call(
            "driftgate.features.online_adapter:write_month",
            OnlineRequest(request, size.entities, only_newer=as_of is None),
        )
    assert isinstance(month, OnlineMonth)
    return OnlineMonth(month.as_of, month.entities, month.written, time.perf_counter() - started)


def require_whole(rows: int, absent: tuple[str, ...], request: OnlineRequest) -> None:
    """Check that a month may be served.

    Raises:
        DataError: the number of rows is not the counted number, or a declared feature has no source column.
    """
    if absent:
        raise DataError(
            f"the sources lack declared features of {request.features.service!r}: {bounded(absent)}",
            allowed="a column for each declared feature",
            remedy="add the columns, or take the features out of the service and apply it again",
        )
    require_unchanged(request.features.as_of, request.entities, rows)
