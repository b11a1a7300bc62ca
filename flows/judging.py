"""The judgement of a pair of months: its steps in order, for the flow of one pair and for a backfill of many."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from prefect.logging import get_run_logger

from driftgate.drift.comparison import Side, checked_against
from driftgate.drift.report import DrawnReport, is_wide, worst_names
from driftgate.errors import DataError, NoVerdictError
from driftgate.features.state import MonthState
from driftgate.planning import Plan, Reports
from driftgate.run import Run
from driftgate.shared import Shared
from flows.monitor_steps import (
    decide_step,
    delete_step,
    drift_step,
    estimate_step,
    explain_step,
    gain_step,
    history_step,
    labels_step,
    ledger_step,
    performance_step,
    profiles_step,
    publish_step,
    report_step,
    score_step,
    target_step,
    workspace_step,
)
from flows.runtime.environment import Runtime
from flows.runtime.steps import Awaited


def judge(runtime: Runtime, plan: Plan, reports: Reports, shared: Shared, known: Mapping[date, MonthState]) -> Run:
    """Decide a pair, and keep the decision; the caller writes the index afterwards, also where there is none.

    Args:
        runtime: where.
        plan: the pair, with its places made.
        reports: whether Evidently's report is drawn.
        shared: what was found for other pairs of the same job.
        known: what the sources of the months hold, where that was asked before.

    Raises:
        NoVerdictError, DataError: there is no decision; what an earlier run of the pair left is deleted.
        DriftgateError: there is no decision.
    """
    log, name = get_run_logger(), plan.monitor.name
    ref, cur = (f"{size.as_of} ({size.entities:,} entities)" for size in (plan.ref, plan.cur))
    log.info("%s: %s against %s", name, ref, cur)
    try:
        run, report = _decided(runtime, plan, reports, shared, known)
    except (NoVerdictError, DataError):
        delete_step(runtime, plan)
        raise
    run = publish_step(runtime, run, report)
    try:
        workspace_step(runtime, run, report)
    except Exception as error:
        log.warning("the Evidently UI does not show this run; the verdict stands: %s", error)
    return run


def _decided(
    runtime: Runtime, plan: Plan, reports: Reports, shared: Shared, known: Mapping[date, MonthState]
) -> tuple[Run, DrawnReport | None]:
    ref, cur = _read_both(runtime, plan, shared, known)
    ledger = ledger_step(plan, ref, cur)
    target = target_step(plan, ref.labels, cur.labels)
    scoring = score_step(runtime, plan, ref, cur, ledger, shared)
    report: Awaited[DrawnReport] | None = None
    wide = is_wide(ledger)
    if reports is Reports.ALL and not wide:
        # Beside each other: the report is drawn in a process of its own.
        report = report_step.submit(plan, ref, cur, ledger, scoring)
    drift = drift_step(plan, ref, cur, ledger, scoring)
    performance = performance_step(plan, scoring, ref, cur)
    performance = estimate_step(plan, scoring, performance, ref, cur, ledger)
    performance = gain_step(plan, scoring, performance, cur, ledger)
    performance = explain_step(plan, scoring, performance, ref, cur, ledger)
    history = history_step(runtime, plan, ref, cur, drift, target, shared)
    decision = decide_step(plan, drift, target, performance, history)
    if report is None and (reports is Reports.ALL or (reports is Reports.TRIGGERED and decision.triggered)):
        report = report_step.submit(plan, ref, cur, ledger, scoring, worst_names(drift) if wide else None)
    drawn = report.result() if report else None
    if drawn:
        drift = checked_against(drift, drawn, ref, cur)
    now = datetime.now(UTC)
    return Run(plan.monitor, drift, target, decision, plan.paths, now, performance, drawn=drawn is not None), drawn


def _read_both(runtime: Runtime, plan: Plan, shared: Shared, known: Mapping[date, MonthState]) -> tuple[Side, Side]:
    """What is kept of both months, and their labels, which may have come later."""
    sizes = (plan.ref, plan.cur)
    labels = [labels_step.submit(runtime, plan, size, shared) for size in sizes]
    months = profiles_step(runtime, plan, shared, known)
    sides = [
        Side(size, features, label.result(), profile)
        for size, (features, profile), label in zip(sizes, months, labels, strict=True)
    ]
    return sides[0], sides[1]
