"""The process that imports Evidently and compares months."""

from pathlib import Path

from driftgate.drift.comparison import Comparison, Side
from driftgate.drift.ledger import Ledger
from driftgate.monitors import Monitor
from driftgate.worker import Worker


class DriftWorker(Worker):
    """A process that compares months."""

    def __init__(self) -> None:
        """Start the process and return at once, while it imports Evidently."""
        super().__init__("driftgate.drift.evidently_adapter")

    def compare(
        self, ref: Side, cur: Side, ledger: Ledger, monitor: Monitor, scores: tuple[Path, Path] | None = None
    ) -> Comparison:
        """Compare two months; see `comparison.compare` for what is raised."""
        comparison = self.call("driftgate.drift.comparison:compare", ref, cur, ledger, monitor, scores)
        assert isinstance(comparison, Comparison)
        return comparison
