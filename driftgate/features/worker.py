"""The process that imports feast and reads features."""

from driftgate.database import ConnectionParameters
from driftgate.features.types import FeatureMonth, FeatureRequest, feast_environment
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
