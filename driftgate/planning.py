"""A run before it runs: everything that can be checked cheaply is checked here, before anything slow starts."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import Engine

from driftgate.decision import Policy
from driftgate.errors import UsageError
from driftgate.features.entities import MonthSize, choose_months
from driftgate.features.repository import require_repository
from driftgate.features.worker import FeatureWorker
from driftgate.files import require_writable
from driftgate.monitors import Monitor, read_monitor, require_share
from driftgate.reports.paths import report_paths
from driftgate.run import ReportPaths
from driftgate.store.tables import create_result_tables


@dataclass(frozen=True)
class Request:
    """What a caller asks for. Dates left out mean the newest months that are loaded."""

    as_of_ref: date | None = None
    as_of_cur: date | None = None
    threshold: float | None = None
    monitor: str = "churn"


@dataclass(frozen=True)
class Plan:
    """What will be compared, and where the results go."""

    monitor: Monitor
    repo: Path
    ref: MonthSize
    cur: MonthSize
    paths: ReportPaths
    before_cur: date
    """The newest loaded month before `cur`: a view whose rows end there has no news, also where `ref` is older."""
    newest: bool
    """Whether `cur` is the newest loaded month."""


def check_request(request: Request) -> None:
    """Check what needs no database.

    Raises:
        UsageError: one month given twice, a reversed pair, or a threshold that is no share.
    """
    ref, cur, threshold = request.as_of_ref, request.as_of_cur, request.threshold
    if ref is not None and ref == cur:
        raise UsageError(
            f"as_of_ref and as_of_cur are both {ref}", remedy="give two different months, the older as as_of_ref"
        )
    if ref is not None and cur is not None and ref > cur:
        raise UsageError(
            f"as_of_ref {ref} is later than as_of_cur {cur}",
            allowed="the reference month is the older one",
            remedy=f"swap them: as_of_ref={cur} as_of_cur={ref}",
        )
    if threshold is not None:
        require_share(threshold)


def plan_run(
    engine: Engine, worker: FeatureWorker, request: Request, monitors: Path, feast_repo: Path, report_dir: Path
) -> Plan:
    """Resolve a request against monitors.toml and the database.

    Raises:
        UsageError: the request is wrong.
        ConfigurationError: monitors.toml or the Feast repository is missing or wrong.
        UnknownMonthError: a month is not loaded or empty.
        DataError: a month has surplus rows.
        DatabaseError: the database refuses or cannot be reached.
        OutputError: the report folder is not writable.
    """
    check_request(request)
    monitor = read_monitor(monitors, request.monitor).with_threshold(request.threshold)
    repo = monitor.feast_repo or feast_repo
    require_repository(repo)
    months = worker.loaded_months(repo, monitor)
    ref, cur = choose_months(months, request.as_of_ref, request.as_of_cur)
    check_request(Request(ref, cur))
    paths = report_paths(report_dir, monitor, ref, cur)
    sizes = [worker.measure_month(repo, monitor, month) for month in (ref, cur)]
    before = max(month for month in months if month < cur)
    plan = Plan(monitor, repo, sizes[0], sizes[1], paths, before, cur == months[-1])
    require_writable(paths.html.parent)
    create_result_tables(engine)
    return plan


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
    )
