"""The process that imports feast and ibis, and asks the offline store."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from driftgate.database import ConnectionParameters
from driftgate.features.entities import MonthSize, require_unchanged
from driftgate.features.labels import LabelMonth
from driftgate.features.proposal import RepositoryOffer
from driftgate.features.state import MonthState
from driftgate.features.types import FeatureMonth, FeatureRequest, feast_environment
from driftgate.monitors import Monitor
from driftgate.worker import Worker

if TYPE_CHECKING:
    from driftgate.features.engines.engine import Fold

ANSWERS = "driftgate.features.answers"
"""The module that answers what needs no join, and imports no feast."""


class FeatureWorker(Worker):
    """A feature process for one database of results; the offline store is what each repository says."""

    def __init__(self, parameters: ConnectionParameters, joins: bool = True, lender: Path | None = None) -> None:
        """Start the process and return at once, while it imports what it needs.

        Args:
            parameters: database of the results.
            joins: whether a join is to come, so that it imports feast now; otherwise it does so when it is asked for
                one.
            lender: socket of a process that may have imported what answers without a join.
        """
        module = "driftgate.features.feast_adapter" if joins else ANSWERS
        super().__init__(module, feast_environment(parameters), lender)

    def loaded_months(self, repo: Path, monitor: Monitor) -> list[date]:
        """Return the distinct dates of the entity rows, oldest first; see `entities.loaded_months`."""
        return list(self.call(f"{ANSWERS}:loaded_months", repo, monitor))

    def measure_month(self, repo: Path, monitor: Monitor, as_of: date) -> MonthSize:
        """Count the entities of a month and check that each has one row; see `entities.measure_month`."""
        size = self.call(f"{ANSWERS}:measure_month", repo, monitor, as_of)
        assert isinstance(size, MonthSize)
        return size

    def table_of(self, repo: Path, source: str) -> str:
        """Return the table, or the query in parentheses, that a data source reads; empty where it reads files."""
        return str(self.call(f"{ANSWERS}:describe_source", repo, source).sql)

    def month_states(self, repo: Path, monitor: Monitor, months: Sequence[date]) -> dict[date, MonthState]:
        """Return what the sources of some months hold now; see `state.read_states`."""
        return dict(self.call(f"{ANSWERS}:month_states", repo, monitor, list(months)))

    def read_labels(self, repo: Path, monitor: Monitor, size: MonthSize, out: Path) -> LabelMonth:
        """Read the labels of a period; see `labels.read_labels`."""
        month = self.call(f"{ANSWERS}:labels", repo, monitor, size, out)
        assert isinstance(month, LabelMonth)
        return month

    def inspect_repository(self, repo: Path) -> RepositoryOffer:
        """Return what a repository offers to a monitor; see `inspection.inspect_repository`.

        Close the worker afterwards.
        """
        offer = self.call("driftgate.features.inspection:inspect_repository", repo)
        assert isinstance(offer, RepositoryOffer)
        return offer

    def read_month(self, request: FeatureRequest) -> FeatureMonth:
        """Read one month; see `feast_adapter.read_month` for what is written and raised."""
        month = self.call("driftgate.features.feast_adapter:answer", request)
        assert isinstance(month, FeatureMonth)
        return month

    def fold_month(self, request: FeatureRequest, fold: "Fold") -> list[bytes]:
        """Fold every row of a month where the offline store has it; see `feast_adapter.fold_month`."""
        return list(self.call("driftgate.features.feast_adapter:fold_answer", request, fold))


def read_features(
    worker: FeatureWorker,
    monitor: Monitor,
    repo: Path,
    size: MonthSize,
    previous: date | None,
    out: Path,
) -> FeatureMonth:
    """Read the point-in-time features of the entities of a month, or of its sample, and write them to `out`.

    Args:
        worker: the feature process.
        monitor: says which feature service and which entities.
        repo: Feast repository.
        size: of the month, as it was counted.
        previous: the loaded month before, exclusive start of what counts as news; None skips that question.
        out: Arrow IPC file to write.

    Raises:
        FeastRepositoryError: the feature service or a source does not exist.
        DataError: the month changed since it was counted.
        DatabaseError: the offline store fails.
    """
    month = worker.read_month(FeatureRequest(repo, monitor, size, previous, out))
    require_unchanged(size.as_of, size.compared, month.rows)
    return month
