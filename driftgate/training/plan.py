"""The plan to train on a month or to score it. It checks everything that can be checked before the work begins."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from driftgate.drift.ledger import excluded_fields
from driftgate.errors import ConfigurationError, DataError, bounded
from driftgate.features.entities import MonthSize
from driftgate.features.repository import require_repository
from driftgate.features.types import FeatureMonth
from driftgate.features.worker import FeatureWorker, read_features
from driftgate.monitors import Monitor, read_monitor
from driftgate.pairs import chosen_month


@dataclass(frozen=True)
class MonthPlan:
    """A month with all its entities.

    Attributes:
        model: registered model of the monitor.
        previous: the loaded month before; None for the oldest.
    """

    monitor: Monitor
    model: str
    repo: Path
    size: MonthSize
    previous: date | None

    @property
    def key(self) -> str:
        """Join key, the column of entities in files of features and labels."""
        return self.monitor.entity.feast_key

    def read_features(self, worker: FeatureWorker, out: Path) -> FeatureMonth:
        """Read the point-in-time features of every entity of the month, and write them to `out`.

        Raises:
            FeastRepositoryError: the feature service or a source does not exist.
            DataError: the month changed since it was planned.
            DatabaseError: the offline store fails.
        """
        month = read_features(worker, self.monitor, self.repo, self.size, self.previous, out)
        # Otherwise a service that declares the label would let the model read the label.
        excluded = {name for name, _ in excluded_fields(month.declared, self.monitor)}
        return replace(month, declared=tuple(item for item in month.declared if item.name not in excluded))


def plan_month(
    worker: FeatureWorker, name: str | None, as_of: date | None, monitors: Path, feast_repo: Path
) -> MonthPlan:
    """Resolve a month to score; by default the newest.

    Raises:
        UsageError: there is no such monitor, or several where none is named.
        ConfigurationError: the monitor names no model, or monitors.toml or the Feast repository is missing or wrong.
        UnknownMonthError: the month is not loaded.
        DataError: the month has surplus rows.
        DatabaseError: the database refuses or cannot be reached.
    """
    monitor, model = _with_model(read_monitor(monitors, name))
    repo = _repository(monitor, feast_repo)
    months = worker.loaded_months(repo, monitor)
    return _plan(worker, monitor, model, repo, months, chosen_month(months, as_of))


def plan_training(
    worker: FeatureWorker,
    name: str | None,
    as_of: date | None,
    monitors: Path,
    feast_repo: Path,
    scratch: Path,
    leave_one: bool = False,
) -> MonthPlan:
    """Resolve a month to train on; by default the newest whose labels are there.

    Args:
        scratch: folder for the labels that are read to find that month.
        leave_one: by default take the newest that leaves a later labelled month to measure the model on, where there
            is one. A model is never measured on its own month.

    Raises:
        as `plan_month`, and
        ConfigurationError: the monitor has no label that is keyed by period.
        DataError: no month has labels.
    """
    monitor, model = _with_model(read_monitor(monitors, name))
    if monitor.label is None or not monitor.label.keyed_by_period:
        raise ConfigurationError(
            f"the monitor {monitor.name!r} has no label with a timestamp, so that there is nothing to learn",
            remedy="give it a table [NAME.label] in monitors.toml, with source and column, or table and timestamp",
        )
    repo = _repository(monitor, feast_repo)
    months = worker.loaded_months(repo, monitor)
    month = chosen_month(months, as_of)
    if as_of is None:
        month = _newest_labelled(worker, repo, monitor, months, scratch, leave_one)
    return _plan(worker, monitor, model, repo, months, month)


def _with_model(monitor: Monitor) -> tuple[Monitor, str]:
    if monitor.model is None:
        raise ConfigurationError(
            f"the monitor {monitor.name!r} names no model to train or to predict with",
            remedy='give it a key `model = "NAME"` in monitors.toml',
        )
    return monitor, monitor.model


def _repository(monitor: Monitor, feast_repo: Path) -> Path:
    repo = monitor.feast_repo or feast_repo
    require_repository(repo)
    return repo


def _plan(
    worker: FeatureWorker, monitor: Monitor, model: str, repo: Path, months: list[date], as_of: date
) -> MonthPlan:
    earlier = [month for month in months if month < as_of]
    return MonthPlan(monitor, model, repo, _whole(worker, repo, monitor, as_of), earlier[-1] if earlier else None)


def _whole(worker: FeatureWorker, repo: Path, monitor: Monitor, as_of: date) -> MonthSize:
    """Return the month with all its entities, without a sample."""
    size = worker.measure_month(repo, monitor, as_of)
    return replace(size, compared=size.entities)


def _newest_labelled(
    worker: FeatureWorker, repo: Path, monitor: Monitor, months: list[date], scratch: Path, leave_one: bool
) -> date:
    reasons, newest = [], None
    for as_of in reversed(months):
        size = _whole(worker, repo, monitor, as_of)
        labels = worker.read_labels(repo, monitor, size, scratch / f"probe_{as_of}.arrow")
        if labels.path is None:
            reasons.append(f"{as_of}: {labels.reason}")
        elif newest is not None or not leave_one:
            return as_of
        else:
            newest = as_of
    if newest is not None:
        return newest
    raise DataError(
        f"no month can be trained on: {bounded(reasons)}", remedy="load the labels of a month, or name one by --as-of"
    )
