"""What the feature process answers without a point-in-time join: months, their sources and labels of a repository."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from driftgate.features import entities
from driftgate.features.described import service_of, source_of
from driftgate.features.engines import open_engine
from driftgate.features.entities import MonthSize
from driftgate.features.labels import LabelMonth, read_labels
from driftgate.features.sources import Source
from driftgate.features.state import MonthState, read_states
from driftgate.monitors import Monitor


def loaded_months(repo: Path, monitor: Monitor) -> list[date]:
    """See `entities.loaded_months`."""
    with open_engine(repo) as engine:
        return entities.loaded_months(engine, monitor)


def measure_month(repo: Path, monitor: Monitor, as_of: date) -> MonthSize:
    """See `entities.measure_month`."""
    with open_engine(repo) as engine:
        return entities.measure_month(engine, monitor, as_of)


def labels(repo: Path, monitor: Monitor, size: MonthSize, out: Path) -> LabelMonth:
    """See `labels.read_labels`."""
    with open_engine(repo) as engine:
        return read_labels(engine, monitor, size, out)


def month_states(repo: Path, monitor: Monitor, months: Sequence[date]) -> dict[date, MonthState]:
    """See `state.read_states`."""
    service = service_of(repo, monitor.feature_service)
    with open_engine(repo) as engine:
        return read_states(engine, service, monitor, months)


def describe_source(repo: Path, name: str) -> Source:
    """See `described.source_of`."""
    return source_of(repo, name)
