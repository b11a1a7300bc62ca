"""The month that is served: written to the online store as a whole, and read from it by key.

Nothing here imports feast; `online_adapter` does, in the feature process or in the API.
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
from driftgate.errors import DataError, UnknownMonthError, bounded
from driftgate.features.types import FeatureRequest
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import Monitor

# By view, as two services that share a view share its rows as well.
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
        features: the month, with the file that it passes through.
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
        users: entities of the month.
        written: False where the store held a newer month and kept it.
        seconds: wall time.
    """

    as_of: date
    users: int
    written: bool
    seconds: float = 0.0


class KeyState(StrEnum):
    """What the online store has for one key."""

    FOUND = "found"
    UNKNOWN = "unknown"
    INCOMPLETE = "incomplete"  # some features are missing, or of another month


@dataclass(frozen=True)
class OnlineRows:
    """The features of n keys, in the order of the keys.

    Attributes:
        states: n states; values are meaningful only where it is FOUND.
        as_of: n dates, None where unknown.
        columns: for each declared feature n values, None where NULL.
    """

    states: list[KeyState]
    as_of: list[date | None]
    columns: dict[str, list[Any]]


def materialize_month(
    worker: FeatureWorker, engine: Engine, monitor: Monitor, repo: Path, as_of: date | None = None
) -> OnlineMonth:
    """Put a month into the online store, in place of the one that is there; safe to repeat.

    Rows of all views change in one transaction: readers see the old month or the new one, and a crash leaves the
    old. Users who are not in the month are removed. The values are those of the point-in-time join at `as_of`, so
    offline and online agree.

    Args:
        worker: the feature process.
        as_of: any loaded month; by default the newest, which never replaces a newer one.

    Raises:
        UnknownMonthError: that month, or any at all, is not loaded.
        DataError: the month changed while it was read, or a source lacks a declared column.
        FeastRepositoryError: the repository is not applied, or its online store is not PostgreSQL.
        DatabaseError: nothing was written.
    """
    started = time.perf_counter()
    create_tables(engine, [online_views])
    months = worker.loaded_months(repo, monitor)
    day = as_of or (months[-1] if months else None)
    if day is None or day not in months:
        raise UnknownMonthError(
            f"no month is loaded for as_of {day}" if day else "no month is loaded",
            allowed=bounded(months[::-1]),
            remedy="choose one of these dates, or load the month with `driftgate ingest DIR --as-of YYYY-MM-DD`",
        )
    size = worker.measure_month(repo, monitor, day)
    whole = replace(size, compared=size.entities)
    with TemporaryDirectory(prefix="driftgate-online-") as folder:
        request = FeatureRequest(repo, monitor, whole, previous=None, out=Path(folder) / "month.arrow")
        month = worker.call(
            "driftgate.features.online_adapter:write_month",
            OnlineRequest(request, size.entities, only_newer=as_of is None),
        )
    assert isinstance(month, OnlineMonth)
    return OnlineMonth(month.as_of, month.users, month.written, time.perf_counter() - started)


def require_whole(rows: int, absent: tuple[str, ...], request: OnlineRequest) -> None:
    """Check that a month may be served.

    Raises:
        DataError: it has other rows than were counted, or a declared feature has no source column.
    """
    if absent:
        raise DataError(
            f"the sources lack declared features of {request.features.service!r}: {bounded(absent)}",
            allowed="a column for each declared feature",
            remedy="add the columns, or take the features out of the service and apply it again",
        )
    if rows != request.entities:
        raise DataError(
            f"the month {request.features.as_of} had {request.entities} entities, and {rows} when it was read",
            allowed="a month that stays as it is while it is read",
            remedy="run again once the load that is under way has ended",
        )
