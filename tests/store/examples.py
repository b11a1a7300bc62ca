"""Runs whose records and rows lie in `golden/`, as they were written before one model wrote both."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from driftgate.decision import Earlier, History
from driftgate.performance.result import Change, FeatureAuc, Performance, PerformanceState
from driftgate.run import Run
from tests.reports.runs import (
    FEBRUARY,
    JANUARY,
    MARCH,
    NO_TARGET,
    PENDING,
    PENDING_TARGET,
    TARGET,
    column,
    finished,
    lost,
)

GOLDEN = Path(__file__).with_name("golden")

_MEASURED = Performance(
    PerformanceState.MEASURED,
    version="3",
    trained_on=MARCH,
    users_ref=1409,
    users_cur=7043,
    measures={
        "auc": Change(0.8254321, 0.5, -0.3554321, -0.2954321, 0.001),
        "log_loss": Change(0.41, 0.7, 0.28, 0.32, 0.001),
        "calibration_error": Change(0.01, 0.2, 0.15, 0.24, 0.001),
        "brier": Change(0.13, 0.25, 0.11, 0.13, 0.001),
        "positive_rate": Change(0.2654, 0.2415, -0.04, -0.01, 0.001),
    },
    relations=(FeatureAuc("tenure", 0.73, 0.49), FeatureAuc("größe", 1e-05, 0.3)),
)
_PROBE = Performance(
    PerformanceState.MEASURED, "", None, JANUARY, 80, 400, {"auc": Change(0.7, 0.71, -0.02, 0.03, 0.001)}, ()
)

EXAMPLES: dict[str, Run] = {
    "calm": finished(),
    "triggered_by_all": finished(
        column("f00", 0.5),
        column("f01", 0.0000123, method="ks", threshold=0.05, drifted=True, drifted_by="values and missing share"),
        column("f02"),
        target=TARGET,
        months=(FEBRUARY, MARCH),
        compared=1000,
        performance=_MEASURED,
        prediction=column("prediction", 0.21),
        history=History((Earlier(JANUARY, True, False),), champion_trained_on=FEBRUARY),
        decided_at=datetime(2024, 4, 1, 7, 30, 5, 123456, tzinfo=timezone(timedelta(hours=-5))),
        target_threshold=0.02,
        sample_seed=4,
        model="churn",
        retrain="deployment",
        confirmations=2,
        confirmation_window=3,
        cooldown_days=30,
        label={"table": "public.labels", "column": "churn_label", "key": "id", "timestamp": "period_start"},
    ),
    "held_back": finished(months=(FEBRUARY, MARCH), performance=_MEASURED, history=History(champion_trained_on=MARCH)),
    "probe": finished(column("f00"), performance=_PROBE, retrain="off", threshold=0.0),
    "pending": finished(months=(MARCH, date(2024, 4, 30)), performance=PENDING, target=PENDING_TARGET),
    "nothing_computable": finished(
        column("f00"),
        lost("gone"),
        target=NO_TARGET,
        label=None,
        on_incomparable="count_as_drift",
        decided_at=datetime(2024, 4, 1, 12, 0, 0, 5, tzinfo=UTC),
    ),
}


def known(found: Any, golden: Any) -> Any:
    """What was found without the keys that the golden value lacks, in the order found: a new figure changes no file."""
    if isinstance(golden, dict):
        return {key: known(value, golden[key]) for key, value in found.items() if key in golden}
    if isinstance(golden, list) and len(golden) == len(found):
        return [known(*pair) for pair in zip(found, golden, strict=True)]
    return found
