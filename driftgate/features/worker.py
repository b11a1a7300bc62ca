"""The process that has feast and ibis imported, and asks the offline store."""

from datetime import date
from pathlib import Path

from driftgate.database import ConnectionParameters
from driftgate.features.entities import MonthSize
from driftgate.features.labels import LabelMonth
from driftgate.features.proposal import RepositoryOffer
from driftgate.features.types import FeatureMonth, FeatureRequest, feast_environment
from driftgate.monitors import Monitor
from driftgate.worker import Worker

_ANSWERS = "driftgate.features.answers"


class FeatureWorker(Worker):
    """A feature process for one database of results; the offline store is what each repository says."""

    def __init__(self, parameters: ConnectionParameters) -> None:
        """Start it; returns at once, while it imports feast."""
        super().__init__("driftgate.features.feast_adapter", feast_environment(parameters))

    def loaded_months(self, repo: Path, monitor: Monitor) -> list[date]:
        """The distinct dates of the entity rows, oldest first; see `entities.loaded_months`."""
        return list(self.call(f"{_ANSWERS}:loaded_months", repo, monitor))

    def measure_month(self, repo: Path, monitor: Monitor, as_of: date) -> MonthSize:
        """Count the entities of a month and check that each has one row; see `entities.measure_month`."""
        size = self.call(f"{_ANSWERS}:measure_month", repo, monitor, as_of)
        assert isinstance(size, MonthSize)
        return size

    def read_labels(self, repo: Path, monitor: Monitor, size: MonthSize, out: Path) -> LabelMonth:
        """Read the labels of a period; see `labels.read_labels`."""
        month = self.call(f"{_ANSWERS}:labels", repo, monitor, size, out)
        assert isinstance(month, LabelMonth)
        return month

    def inspect_repository(self, repo: Path) -> RepositoryOffer:
        """What a repository offers to a monitor; see `inspection.inspect_repository`. Close the worker afterwards."""
        offer = self.call("driftgate.features.inspection:inspect_repository", repo)
        assert isinstance(offer, RepositoryOffer)
        return offer

    def read_month(self, request: FeatureRequest) -> FeatureMonth:
        """Read one month; see `feast_adapter.read_month` for what is written and raised."""
        month = self.call("driftgate.features.feast_adapter:answer", request)
        assert isinstance(month, FeatureMonth)
        return month
