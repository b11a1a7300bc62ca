"""Finished runs, made without comparing anything."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from driftgate.decision import History, decide
from driftgate.drift.result import ClassShare, ColumnResult, ColumnState, DriftResult, TargetDrift
from driftgate.features.skew import Mismatch, Served, Skew, SkewCheck, SourceSkew
from driftgate.monitors import Monitor
from driftgate.performance.findings import FeatureCost, ScoreBin, Segment, SegmentDrop, SegmentKind, Segments
from driftgate.performance.interval import Interval
from driftgate.performance.result import Change, Estimate, Performance, PerformanceState, not_measured
from driftgate.planning import policy_of
from driftgate.reports.paths import report_paths
from driftgate.run import Run

JANUARY, FEBRUARY, MARCH, APRIL = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)
TARGET = TargetDrift(ref=1869 / 7043, cur=1701 / 7043, labelled_ref=1.0, labelled_cur=1.0, p_value=0.001)
NO_TARGET = TargetDrift(math.nan, 0.24, 0.0, 1.0, "2024-01-31: no labels for the period 2024-01-31 in labels")
CLASS_TARGET = TargetDrift(
    math.nan,
    math.nan,
    1.0,
    1.0,
    p_value=0.0004,
    chance=0.021,
    classes=(
        ClassShare("late", 0.2, 0.36),
        ClassShare("early", 0.2, 0.1),
        ClassShare("on time", 0.6, 0.54),
    ),
)
PENDING_TARGET = TargetDrift(
    1869 / 7043, math.nan, 1.0, 0.43, "2024-04-30: pending, 43% labelled", pending=True, cur_pending=True
)
UNMEASURED = not_measured(PerformanceState.OFF, "")
FIBER = Segment("net_service", SegmentKind.CATEGORY, "<Fiber>")
NEW = Segment("months_active", SegmentKind.RANGE, upper=9.0)
SEGMENTS = Segments(
    (
        SegmentDrop(FIBER, 570, 2890, 0.4071, 0.4104, 0.81, 0.44, Interval(0.37, 0.3, 0.44), 0.05, 0.0001),
        SegmentDrop(NEW, 340, 1700, 0.2429, 0.2414, 0.77, 0.6, Interval(0.17, 0.1, 0.24), -0.001, 0.004),
    ),
    tested=39,
    too_few=3,
)
PENDING = not_measured(PerformanceState.PENDING, "pending, 43% labelled")
ESTIMATED = replace(PENDING, estimate=Estimate(0.8, 0.77, 0.83, 0.82, 5600, 1200))
COSTS = (
    FeatureCost("f03", Interval(0.121, 0.08, 0.16)),
    FeatureCost("f01", Interval(-0.002, -0.01, 0.006)),
    FeatureCost("f02", reason="13% of the values are of no entity of the reference"),
)
SCORE_BINS = tuple(
    ScoreBin(
        number / 10 if number else None,
        (number + 1) / 10 if number < 9 else None,
        140,
        14 * number,
        number / 10 + 0.05,
        700 - 30 * number,
        250 - 10 * number,
        number / 10 + 0.04,
    )
    for number in range(10)
)
CHECKED_AT = datetime(2024, 4, 1, 8, 30, tzinfo=UTC)
PERMUTED = SourceSkew(Served.ONLINE, 2000, 2, mismatches=(Mismatch("watch_hours_30d", 2, ("<u1>", "u2")),))


def checked(
    *sources: SourceSkew, as_of: date = FEBRUARY, threshold: float = 0.0, checked_at: datetime = CHECKED_AT
) -> SkewCheck:
    """A check of served features; by default nothing differs in the online store, and nothing was logged."""
    sources = sources or (SourceSkew(Served.ONLINE, 2000), SourceSkew(Served.LOG, 0))
    return SkewCheck(Skew("churn", as_of, 7043, threshold, sources), checked_at)


def monitor(**overrides: Any) -> Monitor:
    """The monitor `churn`; keywords replace its fields."""
    return Monitor.model_validate(
        {
            "name": "churn",
            "feature_service": "churn_v1",
            "report_folder": ".",
            "entity": {"table": "entities", "key": "user_id", "timestamp": "as_of"},
            "label": {"table": "labels", "column": "churn_label", "timestamp": "period_start"},
            **overrides,
        }
    )


def column(name: str, score: float = 0.01, **overrides: Any) -> ColumnResult:
    """A compared column that drifts from 0.1 on."""
    drifted = score >= 0.1
    fields: dict[str, Any] = {
        "values_ref": 100,
        "values_cur": 90,
        "missing_ref": 0.0,
        "missing_cur": 0.1,
        "method": "wasserstein",
        "score": score,
        "threshold": 0.1,
        "drifted": drifted,
        "drifted_by": "values" if drifted else "",
    }
    return ColumnResult(name, "view", "FLOAT64", ColumnState.COMPARED, **(fields | overrides))


def lost(name: str) -> ColumnResult:
    """A column that could not be compared."""
    return ColumnResult(
        name, "view", "INT64", ColumnState.MISSING, detail="no such column", drifted=True, drifted_by="not comparable"
    )


def measured(ref: float, cur: float, margin: float = 0.03, version: str | None = "1") -> Performance:
    """An AUC then and now; the interval of the difference is `margin` to either side."""
    auc = Change(ref, cur, cur - ref - margin, cur - ref + margin, 0.001 if ref - cur > margin else 0.2)
    return Performance(PerformanceState.MEASURED, "", version, JANUARY, 1400, 7043, {"auc": auc})


def erring(ref: float, cur: float, margin: float = 0.05, version: str | None = "1") -> Performance:
    """An RMSE then and now; the interval of its rise is `margin`, in parts of the reference, to either side."""
    rise, p_value = (cur - ref) / ref, 0.001 if cur - ref > margin * ref else 0.2
    low, high = rise - margin, rise + margin
    rmse = Change(ref, cur, low * ref, high * ref, p_value, low, high)
    mae = Change(ref / 2, cur / 2, low * ref / 2, high * ref / 2, p_value, low, high)
    measures = {"rmse": rmse, "mae": mae, "bias": Change(0.1, 0.2, 0.05, 0.15, 0.2)}
    return Performance(PerformanceState.MEASURED, "", version, JANUARY, 1400, 7043, measures=measures, measure="rmse")


def finished(
    *columns: ColumnResult,
    target: TargetDrift = TARGET,
    months: tuple[date, date] = (JANUARY, FEBRUARY),
    compared: int = 7043,
    performance: Performance = UNMEASURED,
    prediction: ColumnResult | None = None,
    history: History | None = None,
    decided_at: datetime = datetime(2024, 4, 1, 12, tzinfo=UTC),
    **overrides: Any,
) -> Run:
    """A run over these columns; by default fourteen, of which one drifts. Other keywords are the monitor's fields."""
    policy = monitor(**overrides)
    columns = columns or tuple(column(f"f{n:02d}", 0.5 if n == 3 else 0.01) for n in range(14))
    drift = DriftResult(*months, 7043, 7043, compared, compared, columns, (("user_id", "identifier"),), prediction)
    if compared < 7043:
        drift = replace(drift, sample_rows_ref=compared, sample_rows_cur=compared)
    return decided(drift, policy, target, performance, history, decided_at)


def decided(
    drift: DriftResult,
    policy: Monitor,
    target: TargetDrift = TARGET,
    performance: Performance = UNMEASURED,
    history: History | None = None,
    decided_at: datetime = datetime(2024, 4, 1, 12, tzinfo=UTC),
) -> Run:
    """The run that ends in these results."""
    return Run(
        monitor=policy,
        drift=drift,
        target=target,
        decision=decide(drift, target, policy_of(policy), performance, history),
        paths=report_paths(Path("/reports"), policy, drift.as_of_ref, drift.as_of_cur),
        decided_at=decided_at,
        performance=performance,
    )
