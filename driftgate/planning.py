"""A run before it runs: everything that can be checked cheaply is checked here, before anything slow starts."""

import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import Engine

from driftgate.errors import FeastRepositoryError, UsageError
from driftgate.features.entities import MonthSize, choose_months, loaded_months, measure_month
from driftgate.monitors import Monitor, read_monitor
from driftgate.publish.files import ReportPaths, report_paths, require_writable


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
    if threshold is not None and not (math.isfinite(threshold) and 0.0 <= threshold <= 1.0):
        raise UsageError(
            f"threshold {threshold} is not a share",
            allowed="a number from 0 to 1",
            remedy="for 30 percent of the features write 0.3",
        )


def plan_run(engine: Engine, request: Request, monitors: Path, feast_repo: Path, report_dir: Path) -> Plan:
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
    if not (repo / "feature_store.yaml").is_file():
        raise FeastRepositoryError(
            f"there is no Feast repository at {repo} (no feature_store.yaml)",
            remedy="set FEAST_REPO, or feast_repo in monitors.toml, to the folder that holds it",
        )
    months = loaded_months(engine, monitor.entity)
    ref, cur = choose_months(months, request.as_of_ref, request.as_of_cur)
    check_request(Request(ref, cur))
    paths = report_paths(report_dir, monitor, ref, cur)
    require_writable(paths.html.parent)
    return Plan(monitor, repo, measure_month(engine, monitor, ref), measure_month(engine, monitor, cur), paths)
