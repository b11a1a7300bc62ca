"""The main job: two months in, one retrain decision out. `python monitor_flow.py --help` lists the options."""

if __name__ == "__main__":
    # Before anything slow is imported: the command line starts the slow parts beside each other.
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from flows.cli import main

    main(["monitor", *sys.argv[1:]])

from datetime import UTC, date, datetime
from pathlib import Path

from prefect import flow, runtime
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from driftgate.decision import Decision
from driftgate.drift.comparison import Comparison, Side
from driftgate.drift.result import TargetDrift
from driftgate.errors import DataError, NoVerdictError
from driftgate.features.labels import LabelMonth
from driftgate.features.types import FeatureMonth
from driftgate.performance.result import Performance
from driftgate.planning import Plan, Request
from driftgate.pushgateway import MONITOR_FLOW, push_monitor_run
from driftgate.reports.text import decision_line
from driftgate.run import Run
from flows.monitor_steps import (
    decide_step,
    drift_step,
    features_step,
    labels_step,
    ledger_step,
    performance_step,
    plan_step,
    publish_step,
    score_step,
    target_step,
    withdraw_step,
    workspace_step,
)
from flows.retrain_action import act_step, require_retraining
from flows.runtime import plain_errors
from flows.runtime.environment import Runtime, start_workers
from flows.runtime.pushing import failures_pushed

plain_errors.install()


def _run_name() -> str:
    given = runtime.flow_run.parameters
    pair = [str(given.get(name) or "newest") for name in ("as_of_ref", "as_of_cur")]
    return f"{given.get('monitor', 'churn')}: {' vs '.join(pair)}"


@flow(name="monitor_month", flow_run_name=_run_name, persist_result=False)
def monitor_month(
    as_of_ref: date | None = None,
    as_of_cur: date | None = None,
    threshold: float | None = None,
    monitor: str = "churn",
) -> Run:
    """Has the data under the model moved, and must it be retrained?

    Args:
        as_of_ref: the month to compare with; by default the newest but one.
        as_of_cur: the month to judge; by default the newest.
        threshold: drift share from which to retrain, in [0, 1]; by default the monitor's own (0.3 for churn).
        monitor: a heading of monitors.toml.

    Returns:
        What was compared, what came out, and where the reports are.

    Raises:
        DriftgateError: there is no verdict; the message says why and what to do.
    """
    here = Runtime.from_environment()
    start_workers(here.parameters)
    with failures_pushed(here, MONITOR_FLOW, monitor) as clock:
        plan = plan_step(here, Request(as_of_ref, as_of_cur, threshold, monitor))
        clock.current = plan.newest
        run = _run(here, plan)
        if plan.newest:
            push_monitor_run(here.settings.pushgateway_url, run, clock.seconds)
    get_run_logger().info(decision_line(run))
    return run


def _run(here: Runtime, plan: Plan) -> Run:
    require_retraining(plan.monitor)
    try:
        comparison, target, performance, decision = _judge(here, plan)
    except (NoVerdictError, DataError):
        withdraw_step(here, plan)
        raise
    run = Run(plan.monitor, comparison.drift, target, decision, plan.paths, datetime.now(UTC), performance)
    publish_step(here, run, comparison)
    shown = workspace_step(here, run, comparison, return_state=True)
    if not shown.is_completed():
        get_run_logger().warning("the Evidently UI does not show this run; the verdict stands: %s", shown.message)
    act_step(run)
    return run


def _judge(here: Runtime, plan: Plan) -> tuple[Comparison, TargetDrift, Performance, Decision]:
    with here.scratch() as folder:
        ref, cur = _read_both(here, plan, folder)
        ledger = ledger_step(plan, ref.features, cur.features)
        target = target_step(ref.labels, cur.labels)
        scoring = score_step(here, plan, ref, cur, ledger, folder)
        # Beside each other: the report is made in a process of its own.
        drift: PrefectFuture[Comparison] = drift_step.submit(plan, ref, cur, ledger, scoring)
        performance = performance_step(plan, scoring, ref, cur)
        comparison = drift.result()
    decision = decide_step(here, plan, comparison.drift, target, performance)
    return comparison, target, performance, decision


def _read_both(here: Runtime, plan: Plan, folder: Path) -> tuple[Side, Side]:
    """Features and labels of both months, read beside each other."""
    months = [(plan.ref, None), (plan.cur, plan.before_cur)]
    features: list[PrefectFuture[FeatureMonth]] = [
        features_step.submit(here, plan, size, previous, folder) for size, previous in months
    ]
    labels: list[PrefectFuture[LabelMonth]] = [labels_step.submit(here, plan, size, folder) for size, _ in months]
    sides = [
        Side(size, feature.result(), label.result())
        for (size, _), feature, label in zip(months, features, labels, strict=True)
    ]
    return sides[0], sides[1]
