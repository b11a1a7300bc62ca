"""What the feature process answers: months, sizes, labels and features of one repository."""

from datetime import date
from pathlib import Path

from driftgate.features import entities
from driftgate.features.engines import open_engine
from driftgate.features.entities import MonthSize
from driftgate.features.labels import LabelMonth, read_labels
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
