"""The main job: two months in, one retrain decision out."""

from collections.abc import Mapping
from datetime import date

from prefect import flow
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from driftgate.features.state import MonthState
from driftgate.notification import require_addresses
from driftgate.planning import Plan, Reports, Request
from driftgate.pushgateway import MONITOR_FLOW
from driftgate.reports.index import write_index
from driftgate.reports.text import decision_line
from driftgate.run import Run
from driftgate.shared import Shared
from flows.judging import judge
from flows.listeners import Outcome, tell_listeners
from flows.monitor_steps import plan_step, prepare_step
from flows.notification import failures_reported
from flows.retrain_action import require_retraining
from flows.runtime import plain_errors
from flows.runtime.environment import Runtime, monitor_of_run, start_workers
from flows.runtime.pushing import Clock
from flows.runtime.steps import FLOW

plain_errors.install()


def _run_name() -> str:
    ref, cur = (flow_run.parameters.get(name) for name in ("as_of_ref", "as_of_cur"))
    pair = f"{ref or 'month before'} vs {cur or 'newest'}" if ref or cur else "two newest months"
    return f"{monitor_of_run()}: {pair}"


@flow(name=MONITOR_FLOW, flow_run_name=_run_name, **FLOW)
def monitor_month(
    as_of_ref: date | None = None,
    as_of_cur: date | None = None,
    threshold: float | None = None,
    monitor: str | None = None,
    notify: bool = True,
    reports: Reports = Reports.ALL,
) -> Run:
    """Has the data under the model moved, and must it be retrained?

    Args:
        as_of_ref: the month to compare with; by default the newest but one.
        as_of_cur: the month to judge; by default the newest.
        threshold: drift share from which to retrain, in [0, 1]; by default the monitor's own.
        monitor: a heading of monitors.toml; by default the only one.
        notify: whether an event, a retraining, messages and metrics follow the decision. Otherwise it is recorded,
            and that is all.
        reports: all, triggered or none: whether Evidently's report is drawn.

    Returns:
        What was compared, what came out, and where the reports are.

    Raises:
        DriftgateError: there is no verdict; the message says why and what to do.
    """
    runtime = Runtime.from_environment()
    monitor = runtime.monitor_name(monitor)
    start_workers(runtime, draw=reports is Reports.ALL)
    with failures_reported(runtime, monitor, notify=notify) as clock:
        plan = plan_step(runtime, Request(as_of_ref, as_of_cur, threshold, monitor))
        prepare_step(runtime, plan)
        return _run(runtime, plan, notify, reports, clock, {})


# Of the same name, because in Prefect it is the same job: it was only planned before.
@flow(
    name=MONITOR_FLOW,
    flow_run_name="{plan.monitor.name}: {plan.ref.as_of} vs {plan.cur.as_of}",
    **FLOW,
)
def monitor_planned(
    plan: Plan, notify: bool = True, reports: Reports = Reports.ALL, known: dict[date, MonthState] | None = None
) -> Run:
    """`monitor_month` for a request that is resolved already.

    Args:
        plan: by `flows.planning.resolve_plan`, with its places made by `flows.planning.prepare`.
        notify, reports: as for `monitor_month`.
        known: what the sources of the months hold, where that was asked before; by default it is asked now.
    """
    runtime = Runtime.from_environment()
    start_workers(runtime, draw=reports is Reports.ALL)
    with failures_reported(runtime, plan.monitor.name, notify=notify) as clock:
        return _run(runtime, plan, notify, reports, clock, known or {})


def _run(
    runtime: Runtime, plan: Plan, notify: bool, reports: Reports, clock: Clock, known: Mapping[date, MonthState]
) -> Run:
    clock.current = plan.newest
    require_retraining(plan.monitor)
    require_addresses(plan.monitor)
    try:
        with runtime.scratch() as folder:
            run = judge(runtime, plan, reports, Shared(folder), known)
    finally:
        write_index(runtime.settings.report_dir)
    if notify:
        tell_listeners(Outcome(run, runtime.settings, plan.newest, clock.seconds))
    else:
        get_run_logger().info("nobody is told of the decision on %s, and nothing is started", plan.cur.as_of)
    get_run_logger().info(decision_line(run))
    return run
