"""The main job: two months in, one retrain decision out."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from driftgate.drift.comparison import Side, checked_against
from driftgate.drift.report import DrawnReport
from driftgate.errors import DataError, NoVerdictError
from driftgate.features.labels import LabelMonth
from driftgate.features.state import MonthState
from driftgate.notification import require_addresses
from driftgate.planning import Plan, Reports, Request
from driftgate.pushgateway import MONITOR_FLOW
from driftgate.reports.text import decision_line
from driftgate.run import Run
from flows.listeners import Outcome, tell_listeners
from flows.monitor_steps import (
    decide_step,
    delete_step,
    drift_step,
    explain_step,
    gain_step,
    history_step,
    labels_step,
    ledger_step,
    performance_step,
    plan_step,
    prepare_step,
    profiles_step,
    publish_step,
    report_step,
    score_step,
    target_step,
    workspace_step,
)
from flows.notification import failures_reported
from flows.retrain_action import require_retraining
from flows.runtime import plain_errors
from flows.runtime.environment import Runtime, monitor_of_run, start_workers
from flows.runtime.pushing import Clock

plain_errors.install()


def _run_name() -> str:
    given = flow_run.parameters
    pair = [str(given.get(name) or "newest") for name in ("as_of_ref", "as_of_cur")]
    return f"{monitor_of_run()}: {' vs '.join(pair)}"


@flow(name=MONITOR_FLOW, flow_run_name=_run_name, persist_result=False)
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
    persist_result=False,
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
    log = get_run_logger()
    log.info(
        "%s: %s (%s entities) against %s (%s entities)",
        plan.monitor.name,
        plan.ref.as_of,
        f"{plan.ref.entities:,}",
        plan.cur.as_of,
        f"{plan.cur.entities:,}",
    )
    require_retraining(plan.monitor)
    require_addresses(plan.monitor)
    run, report = _decided(runtime, plan, reports, known)
    run = publish_step(runtime, run, report)
    shown = workspace_step(runtime, run, report, return_state=True)
    if not shown.is_completed():
        log.warning("the Evidently UI does not show this run; the verdict stands: %s", shown.message)
    if notify:
        tell_listeners(Outcome(run, runtime.settings, plan.newest, clock.seconds))
    else:
        log.info("nobody is told of the decision on %s, and nothing is started", plan.cur.as_of)
    log.info(decision_line(run))
    return run


def _decided(
    runtime: Runtime, plan: Plan, reports: Reports, known: Mapping[date, MonthState]
) -> tuple[Run, DrawnReport | None]:
    """The run with its decision; where there can be none, what an earlier run of the pair left is deleted."""
    try:
        with runtime.scratch() as folder:
            return _judged(runtime, plan, reports, folder, known)
    except (NoVerdictError, DataError):
        delete_step(runtime, plan)
        raise


def _judged(
    runtime: Runtime, plan: Plan, reports: Reports, folder: Path, known: Mapping[date, MonthState]
) -> tuple[Run, DrawnReport | None]:
    ref, cur = _read_both(runtime, plan, folder, known)
    ledger = ledger_step(plan, ref, cur)
    target = target_step(ref.labels, cur.labels)
    scoring = score_step(runtime, plan, ref, cur, ledger, folder)
    report: PrefectFuture[DrawnReport] | None = None
    if reports is Reports.ALL:
        # Beside each other: the report is drawn in a process of its own.
        report = report_step.submit(plan, ref, cur, ledger, scoring)
    drift = drift_step(plan, ref, cur, ledger, scoring)
    performance = gain_step(plan, scoring, performance_step(plan, scoring, ref, cur), cur, ledger)
    performance = explain_step(plan, scoring, performance, ref, cur, ledger)
    decision = decide_step(plan, drift, target, performance, history_step(runtime, plan))
    if reports is Reports.TRIGGERED and decision.triggered:
        report = report_step.submit(plan, ref, cur, ledger, scoring)
    drawn = report.result() if report else None
    if drawn:
        drift = checked_against(drift, drawn, ref, cur)
    now = datetime.now(UTC)
    return Run(plan.monitor, drift, target, decision, plan.paths, now, performance, drawn=drawn is not None), drawn


def _read_both(runtime: Runtime, plan: Plan, folder: Path, known: Mapping[date, MonthState]) -> tuple[Side, Side]:
    """What is kept of both months, and their labels, which may have come later."""
    sizes = (plan.ref, plan.cur)
    labels: list[PrefectFuture[LabelMonth]] = [labels_step.submit(runtime, plan, size, folder) for size in sizes]
    months = profiles_step(runtime, plan, folder, known)
    sides = [
        Side(size, features, label.result(), profile)
        for size, (features, profile), label in zip(sizes, months, labels, strict=True)
    ]
    return sides[0], sides[1]
