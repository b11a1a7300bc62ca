"""The process that imports feast and reads features."""

from datetime import date
from pathlib import Path

from driftgate.database import ConnectionParameters
from driftgate.features.entities import MonthSize, entity_sql, require_unchanged
from driftgate.features.types import FeatureMonth, FeatureRequest, feast_environment
from driftgate.monitors import Monitor
from driftgate.worker import Worker


class FeatureWorker(Worker):
    """A feature process for one database."""

    def __init__(self, parameters: ConnectionParameters) -> None:
        """Start the process and return at once, while it imports feast."""
        super().__init__("driftgate.features.feast_adapter", feast_environment(parameters))

    def read_month(self, request: FeatureRequest) -> FeatureMonth:
        """Read one month; see `feast_adapter.read_month` for what is written and raised."""
        month = self.call("driftgate.features.feast_adapter:answer", request)
        assert isinstance(month, FeatureMonth)
        return month


def read_features(
    worker: FeatureWorker, monitor: Monitor, repo: Path, size: MonthSize, previous: date | None, out: Path
) -> FeatureMonth:
    """Read the point-in-time features of the entities of a month that are compared, and write them to `out`.

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
    month = worker.read_month(
        FeatureRequest(
            repo=repo,
            service=monitor.feature_service,
            key=monitor.entity.feast_key,
            entity_sql=entity_sql(monitor, size),
            as_of=size.as_of,
            previous=previous,
            out=out,
        )
    )
    require_unchanged(size.as_of, size.compared, month.rows)
    return month
