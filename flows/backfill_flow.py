"""Many months judged in one process: a whole history, or what a schedule has missed."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from driftgate.errors import DataError, DriftgateError, NoVerdictError
from driftgate.features.state import MonthState
from driftgate.monitors import Monitor, read_monitor
from driftgate.notification import require_addresses
from driftgate.pairs import Pair, due_pairs, history_pairs, parse_reference
from driftgate.planning import Plan, Reports, Request, make_plan
from driftgate.reports.index import write_index
from driftgate.run import Run
from driftgate.shared import Shared
from driftgate.store.history import past_runs
from flows.judging import judge
from flows.monitor import monitor_month, monitor_planned
from flows.notification import failures_reported
from flows.planning import prepare, resolve_plan
from flows.retrain_action import require_retraining
from flows.runtime import plain_errors
from flows.runtime.artifacts import artifact_key
from flows.runtime.environment import Runtime, feature_worker, monitor_of_run, start_workers
from flows.runtime.progress import tracked
from flows.runtime.steps import DATABASE_RETRIES, FLOW, STEP

plain_errors.install()

# So that one that is killed leaves an index that is nearly true.
_INDEX_EVERY = 12


@dataclass(frozen=True)
class PairOutcome:
    """What became of one pair.

    Attributes:
        verdict: as it is printed, or "no verdict".
        detail: the reasons, or why there is none.
        error: where there is none.
    """

    as_of_ref: date
    as_of_cur: date
    verdict: str
    detail: str
    error: DriftgateError | None = None


@task(name="choose-pairs", **STEP, **DATABASE_RETRIES)
def choose_step(
    runtime: Runtime, monitor: Monitor, start: date | None, end: date | None, reference: str, again: bool
) -> tuple[list[Pair], list[date]]:
    """The pairs of a history, less those that have a verdict unless they are wanted again; and all loaded months."""
    months = runtime.months(monitor)
    pairs = history_pairs(months, parse_reference(reference), start, end)
    runs = [] if again else [run for run in past_runs(runtime.engine, monitor.name) if run.pair in pairs]
    done = {run.pair for run in runs}
    get_run_logger().info("%d pairs, %d of them judged before", len(pairs), len(done))
    if monitor.model and (stand_in := sum(run.judged_by_stand_in for run in runs)):
        get_run_logger().warning(
            "%d of them were judged by a stand-in model, as no version of %s was there; --again judges all pairs anew",
            stand_in,
            monitor.model,
        )
    return [pair for pair in pairs if pair not in done], months


@task(name="states", **STEP, **DATABASE_RETRIES)
def states_step(
    runtime: Runtime, monitor: Monitor, months: list[date], pairs: list[Pair]
) -> tuple[dict[date, MonthState], dict[Pair, Plan]]:
    """What the sources of the months of these pairs hold, asked once for all of them, and the plans of the pairs.

    Where one of them cannot be read there is neither, and each pair finds out for itself.
    """
    repo, worker = runtime.repository(monitor), feature_worker(runtime.parameters)
    try:
        states = worker.month_states(repo, monitor, sorted({month for pair in pairs for month in pair}))
    except DataError as error:
        get_run_logger().warning("each pair looks at its months by itself: %s", error)
        return {}, {}
    plans = {
        (ref, cur): make_plan(monitor, repo, months, states[ref].size, states[cur].size, runtime.settings.report_dir)
        for ref, cur in pairs
    }
    prepare(runtime, plans[pairs[0]])
    return states, plans


@task(name="choose-due-pairs", **STEP, **DATABASE_RETRIES)
def due_step(runtime: Runtime, monitor: Monitor, folder: Path) -> list[Pair]:
    """The pairs that a schedule has to judge: new months, and those whose labels have come since."""
    runs = past_runs(runtime.engine, monitor.name)
    months = runtime.months(monitor)
    waiting = [run.pair for run in runs if run.pending and set(run.pair) <= set(months)]
    arrived = [pair for pair in waiting if _labels_arrived(runtime, monitor, pair[1], folder)]
    if still := len(waiting) - len(arrived):
        get_run_logger().info("%d pairs still wait for labels", still)
    return due_pairs(months, [run.pair for run in runs], arrived)


def _labels_arrived(runtime: Runtime, monitor: Monitor, month: date, folder: Path) -> bool:
    try:
        worker, repo = feature_worker(runtime.parameters), runtime.repository(monitor)
        size = worker.measure_month(repo, monitor, month)
        return not worker.read_labels(repo, monitor, size, folder / "labels.arrow").pending
    except DataError:
        # Judging the pair says what is wrong with them.
        return True


@task(name="pair", task_run_name="{pair[0]} vs {pair[1]}", **STEP, **DATABASE_RETRIES)
def pair_step(
    runtime: Runtime,
    monitor: str,
    pair: Pair,
    plan: Plan | None,
    reports: Reports,
    shared: Shared,
    known: Mapping[date, MonthState],
) -> Run:
    """Judge a pair of the past, of which nobody is told."""
    if plan is None:
        plan = resolve_plan(runtime, Request(*pair, monitor=monitor))
        prepare(runtime, plan)
    return judge(runtime, plan, reports, shared, known)


@dataclass(frozen=True)
class Backfill:
    """What is the same for all pairs of a backfill.

    Attributes:
        monitor: its name.
        past: the pairs of which nobody is told.
        plans: of the pairs; one that is not there is planned when its turn comes.
        states: what the sources of the months hold, as far as it was asked.
        shared: what one pair finds and another one needs.
    """

    runtime: Runtime
    monitor: str
    reports: Reports
    past: frozenset[Pair]
    plans: Mapping[Pair, Plan]
    states: Mapping[date, MonthState]
    shared: Shared

    def judge(self, pair: Pair) -> Run:
        """Judge a pair of the past by one task, any other by a flow of its own."""
        plan, known = self.plans.get(pair), {month: self.states[month] for month in pair if month in self.states}
        if pair in self.past:
            return pair_step(self.runtime, self.monitor, pair, plan, self.reports, self.shared, known)
        if plan is None:
            return monitor_month(*pair, None, self.monitor, True, self.reports)
        return monitor_planned(plan, True, self.reports, known)


@flow(name="backfill_months", flow_run_name=lambda: f"{monitor_of_run()}: past months", **FLOW)
def backfill_months(
    start: date | None = None,
    end: date | None = None,
    reference: str = "previous",
    monitor: str | None = None,
    again: bool = False,
    print_lines: bool = False,
    reports: Reports = Reports.TRIGGERED,
) -> list[PairOutcome]:
    """Judge every pair of loaded months that has no verdict yet, oldest first; started again, it goes on.

    No retraining is started for months of the past, and no event is emitted; only for the newest.

    Args:
        start: first current month.
        end: last current month.
        reference: previous, fixed:YYYY-MM-DD or rolling:N.
        monitor: a heading of monitors.toml; by default the only one.
        again: also those that have a verdict.
        print_lines: whether to print each outcome as soon as it is known, whatever the flow ends in.
        reports: all, triggered or none: of which decisions Evidently's report is drawn.

    Raises:
        DriftgateError: the first of the pairs without a verdict, once all others are judged; or what would stop any.
    """
    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    start_workers(runtime, draw=reports is Reports.ALL)
    require_retraining(chosen)
    require_addresses(chosen)
    pairs, months = choose_step(runtime, chosen, start, end, reference, again)
    if not pairs:
        # One that was killed may have left an older one.
        write_index(runtime.settings.report_dir)
        return []
    states, plans = states_step(runtime, chosen, months, pairs)
    past = [pair for pair in pairs if pair[1] != months[-1]]
    with runtime.scratch() as folder:
        backfill = Backfill(runtime, chosen.name, reports, frozenset(past), plans, states, Shared(folder))
        return _run_pairs(pairs, backfill, print_lines)


@flow(name="monitor_new_months", flow_run_name=lambda: f"{monitor_of_run()}: new months", **FLOW)
def monitor_new_months(monitor: str | None = None) -> list[PairOutcome]:
    """Judge what is due: each month since the last verdict, and pairs that were waiting for labels.

    Args:
        monitor: a heading of monitors.toml; by default the only one.

    Raises:
        DriftgateError: a pair has no verdict.
    """
    runtime = Runtime.from_environment()
    monitor = runtime.monitor_name(monitor)
    with failures_reported(runtime, monitor), runtime.scratch() as folder:
        pairs = due_step(runtime, read_monitor(runtime.settings.driftgate_monitors, monitor), folder)
    if not pairs:
        get_run_logger().warning("no month has come since the last verdict; nothing is judged")
    with runtime.scratch() as folder:
        return _run_pairs(pairs, Backfill(runtime, monitor, Reports.ALL, frozenset(), {}, {}, Shared(folder)))


def _run_pairs(pairs: list[Pair], backfill: Backfill, print_lines: bool = False) -> list[PairOutcome]:
    """Judge each pair, and tell the listeners of those that are not past."""
    outcomes: list[PairOutcome] = []
    log, report_dir = get_run_logger(), backfill.runtime.settings.report_dir
    try:
        for pair in tracked(pairs, "judging", _name_pair, log):
            outcomes.append(_outcome(pair, backfill))
            backfill.shared.keep({month for later in pairs[len(outcomes) :] for month in later})
            if len(outcomes) % _INDEX_EVERY == 0:
                write_index(report_dir)
            if print_lines:
                sys.stdout.write(f"{describe(outcomes[-1])}\n")
                sys.stdout.flush()
    finally:
        write_index(report_dir)
    if outcomes:
        create_table_artifact(
            [_row(item) for item in outcomes],
            key=artifact_key("history", backfill.monitor),
            description="Pairs just judged",
        )
    failed = [item.error for item in outcomes if item.error]
    if failed:
        log.error("%d of %d pairs have no verdict", len(failed), len(outcomes))
        raise failed[0]
    return outcomes


def _row(outcome: PairOutcome) -> dict[str, str]:
    return {
        "reference": str(outcome.as_of_ref),
        "current": str(outcome.as_of_cur),
        "verdict": outcome.verdict,
        "why": outcome.detail,
    }


def _name_pair(pair: Pair) -> str:
    return f"{pair[0]} vs {pair[1]}"


def _outcome(pair: Pair, backfill: Backfill) -> PairOutcome:
    try:
        run = backfill.judge(pair)
    except (NoVerdictError, DataError) as error:
        # This pair's data; the next pair may be sound.
        return PairOutcome(*pair, "no verdict", str(error), error)
    return PairOutcome(*pair, run.decision.label, "; ".join(run.decision.reasons))


def describe(outcome: PairOutcome) -> str:
    """One line on standard output."""
    detail = " ".join(outcome.detail.split())
    return f"[Backfill] {outcome.as_of_ref} vs {outcome.as_of_cur} -> {outcome.verdict} {detail}"
