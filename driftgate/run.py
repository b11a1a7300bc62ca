"""What one finished run found: everyone who prints, stores or shows it takes this."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from driftgate.decision import Decision, PastDecision
from driftgate.drift.result import DriftResult, TargetDrift
from driftgate.features.skew import SkewCheck
from driftgate.monitors import Monitor
from driftgate.performance.result import Performance, PerformanceState, not_measured


@dataclass(frozen=True)
class ReportPaths:
    """The files of one run; `page` is the verdict for people."""

    html: Path
    json: Path
    record: Path
    page: Path


@dataclass(frozen=True)
class Run:
    """One finished run: what was compared, what came out, where it lies.

    Attributes:
        drawn: whether there is an Evidently report of it.
        earlier: other decisions of the same pair before this one, oldest first; known once the run is kept.
        skew: the last check of the features that are served of the current month; None where there was none. It
            decides nothing, and is known once the run is kept.
    """

    monitor: Monitor
    drift: DriftResult
    target: TargetDrift
    decision: Decision
    paths: ReportPaths
    decided_at: datetime
    performance: Performance = field(default_factory=lambda: not_measured(PerformanceState.OFF, ""))
    earlier: tuple[PastDecision, ...] = ()
    drawn: bool = True
    skew: SkewCheck | None = None

    @property
    def pending(self) -> bool:
        """Whether the current month's labels are not all there yet, so that the pair is to be judged again."""
        return self.target.cur_pending or self.performance.state is PerformanceState.PENDING
