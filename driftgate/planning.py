"""What a run will compare, and where its results go. Pure: what is in monitors.toml and in the database is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from driftgate.decision import Costs, Policy
from driftgate.features.entities import MonthSize
from driftgate.monitors import Monitor, require_share
from driftgate.pairs import require_order
from driftgate.reports.paths import report_paths
from driftgate.run import ReportPaths


class Reports(StrEnum):
    """Of which decisions Evidently's report is drawn."""

    ALL = "all"
    TRIGGERED = "triggered"
    NONE = "none"


@dataclass(frozen=True)
class Request:
    """What a caller asks for. Dates left out mean the newest months that are loaded.

    Raises:
        UsageError: one month given twice, a reversed pair, or a threshold that is no share.
    """

    as_of_ref: date | None = None
    as_of_cur: date | None = None
    threshold: float | None = None
    monitor: str | None = None

    def __post_init__(self) -> None:
        if self.as_of_ref is not None and self.as_of_cur is not None:
            require_order(self.as_of_ref, self.as_of_cur)
        if self.threshold is not None:
            require_share(self.threshold)


@dataclass(frozen=True)
class Plan:
    """What will be compared, and where the results go. JSON holds it, so that it can be a flow's parameter.

    Attributes:
        repo: Feast repository.
        ref, cur: both months, as they were counted.
        before_cur: the newest loaded month before `cur`: a view whose rows end there has no news, also where `ref` is
            older.
        newest: whether `cur` is the newest loaded month.
    """

    monitor: Monitor
    repo: Path
    ref: MonthSize
    cur: MonthSize
    paths: ReportPaths
    before_cur: date
    newest: bool


def make_plan(
    monitor: Monitor, repo: Path, months: Sequence[date], ref: MonthSize, cur: MonthSize, report_dir: Path
) -> Plan:
    """Plan the comparison of two months.

    Args:
        months: all that are loaded, ascending; both are among them.
        ref, cur: the pair, as it was counted.
        report_dir: folder of all reports.
    """
    return Plan(
        monitor=monitor,
        repo=repo,
        ref=ref,
        cur=cur,
        paths=report_paths(report_dir, monitor, ref.as_of, cur.as_of),
        before_cur=max(month for month in months if month < cur.as_of),
        newest=cur.as_of == months[-1],
    )


def policy_of(monitor: Monitor) -> Policy:
    """When the monitor wants a retraining."""
    return Policy(
        drift_share=monitor.threshold,
        target_drift=monitor.target_threshold,
        performance_drop=monitor.performance_drop,
        retrain=monitor.retrain,
        confirmations=monitor.confirmations,
        window=monitor.confirmation_window,
        cooldown_days=monitor.cooldown_days,
        signal_level=monitor.signal_level,
        require_gain=monitor.require_gain,
        costs=_costs_of(monitor),
    )


def _costs_of(monitor: Monitor) -> Costs | None:
    if monitor.retrain_cost is None or monitor.error_cost is None:
        return None
    return Costs(monitor.retrain_cost, monitor.error_cost, monitor.payback_months)
