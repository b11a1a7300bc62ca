"""The process that imports Evidently and draws its reports.

A module of its own, as `driftgate.features.worker` is: who starts the process imports none of what it imports.
"""

from collections.abc import Collection
from pathlib import Path

from driftgate.drift.comparison import Side
from driftgate.drift.ledger import Ledger
from driftgate.drift.report import DrawnReport
from driftgate.monitors import Monitor
from driftgate.worker import Worker

ADAPTER = "driftgate.drift.evidently_adapter"
"""The module that imports Evidently."""


class DriftWorker(Worker):
    """A process that draws reports."""

    def __init__(self, lender: Path | None = None) -> None:
        """Start the process and return at once, while it imports Evidently.

        Args:
            lender: socket of a process that may have it imported already.
        """
        super().__init__(ADAPTER, lender=lender)

    def draw(
        self,
        ref: Side,
        cur: Side,
        ledger: Ledger,
        monitor: Monitor,
        scores: tuple[Path, Path] | None = None,
        only: Collection[str] | None = None,
    ) -> DrawnReport:
        """Draw the report of two months; see `report.draw` for what is raised."""
        features, labels = (ref.features, cur.features), (ref.labels, cur.labels)
        report = self.call("driftgate.drift.report:draw", features, labels, ledger, monitor, scores, only)
        assert isinstance(report, DrawnReport)
        return report
