"""Many months judged in one process: a whole history, or what a schedule has missed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from driftgate.errors import DataError, DriftgateError, NoVerdictError
from driftgate.monitors import Monitor, read_monitor
from driftgate.pairs import Pair, due_pairs, history_pairs, parse_reference
from driftgate.pushgateway import MONITOR_FLOW
from driftgate.store.history import past_runs
from flows.monitor_flow import monitor_month
from flows.retrain_action import acting_only_on
from flows.runtime import plain_errors
from flows.runtime.environment import Runtime, feature_worker
from flows.runtime.progress import tracked
from flows.runtime.pushing import failures_pushed
from flows.runtime.retries import DATABASE_RETRIES, STEP

plain_errors.install()


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


_tell: ContextVar[Callable[[PairOutcome], None] | None] = ContextVar("_tell", default=None)


@contextmanager
def told(tell: Callable[[PairOutcome], None]) -> Iterator[None]:
    """Within the block `tell` is called with each outcome as soon as it is known, whatever the flow ends in."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


@task(name="choose-pairs", **STEP, **DATABASE_RETRIES)
def choose_step(
    here: Runtime, monitor: Monitor, start: date | None, end: date | None, reference: str, again: bool
) -> tuple[list[Pair], date]:
    """The pairs of a history, less those that have a verdict unless they are wanted again; and the newest month."""
    months = here.months(monitor)
    pairs = history_pairs(months, parse_reference(reference), start, end)
    done = set() if again else {run.pair for run in past_runs(here.engine, monitor.name)}
    get_run_logger().info("%d pairs, %d of them judged before", len(pairs), len(done.intersection(pairs)))
    return [pair for pair in pairs if pair not in done], months[-1]


@task(name="choose-due-pairs", **STEP, **DATABASE_RETRIES)
def due_step(here: Runtime, monitor: Monitor, folder: Path) -> list[Pair]:
    """The pairs that a schedule has to judge: new months, and those whose labels have come since."""
    runs = past_runs(here.engine, monitor.name)
    months = here.months(monitor)
    waiting = [run.pair for run in runs if run.pending and set(run.pair) <= set(months)]
    arrived = [pair for pair in waiting if _labels_arrived(here, monitor, pair[1], folder)]
    if still := len(waiting) - len(arrived):
        get_run_logger().info("%d pairs still wait for labels", still)
    return due_pairs(months, [run.pair for run in runs], arrived)


def _labels_arrived(here: Runtime, monitor: Monitor, month: date, folder: Path) -> bool:
    try:
        worker, repo = feature_worker(here.parameters), here.repository(monitor)
        size = worker.measure_month(repo, monitor, month)
        return not worker.read_labels(repo, monitor, size, folder / "labels.arrow").pending
    except DataError:
        # Judging the pair says what is wrong with them.
        return True


@flow(name="backfill_months", persist_result=False)
def backfill_months(
    start: date | None = None,
    end: date | None = None,
    reference: str = "previous",
    monitor: str = "churn",
    again: bool = False,
) -> list[PairOutcome]:
    """Judge every pair of loaded months that has no verdict yet, oldest first; started again, it goes on.

    No retraining is started for months of the past, and no event is emitted; only for the newest.

    Args:
        start: first current month.
        end: last current month.
        reference: previous, fixed:YYYY-MM-DD or rolling:N.
        monitor: a heading of monitors.toml.
        again: also those that have a verdict.

    Raises:
        DriftgateError: the first of the pairs without a verdict, once all others are judged; or what would stop any.
    """
    here = Runtime.from_environment()
    chosen = read_monitor(here.settings.driftgate_monitors, monitor)
    pairs, newest = choose_step(here, chosen, start, end, reference, again)
    with acting_only_on(newest):
        return _judge_all(pairs, monitor)


@flow(name="monitor_new_months", persist_result=False)
def monitor_new_months(monitor: str = "churn") -> list[PairOutcome]:
    """Judge what is due: each month since the last verdict, and pairs that were waiting for labels.

    Args:
        monitor: a heading of monitors.toml.

    Raises:
        DriftgateError: a pair has no verdict.
    """
    here = Runtime.from_environment()
    with failures_pushed(here, MONITOR_FLOW, monitor), here.scratch() as folder:
        pairs = due_step(here, read_monitor(here.settings.driftgate_monitors, monitor), folder)
    if not pairs:
        get_run_logger().warning("no month has come since the last verdict; nothing is judged")
    return _judge_all(pairs, monitor)


def _judge_all(pairs: list[Pair], monitor: str) -> list[PairOutcome]:
    outcomes = []
    for ref, cur in tracked(pairs, "judging", lambda pair: f"{pair[0]} vs {pair[1]}", get_run_logger()):
        outcome = _judge(ref, cur, monitor)
        outcomes.append(outcome)
        if tell := _tell.get():
            tell(outcome)
    if outcomes:
        rows = [
            {
                "reference": str(item.as_of_ref),
                "current": str(item.as_of_cur),
                "verdict": item.verdict,
                "why": item.detail,
            }
            for item in outcomes
        ]
        create_table_artifact(rows, key=f"history-{monitor}".lower().replace("_", "-"), description="Pairs just judged")
    failed = [item.error for item in outcomes if item.error]
    if failed:
        get_run_logger().error("%d of %d pairs have no verdict", len(failed), len(outcomes))
        raise failed[0]
    return outcomes


def _judge(ref: date, cur: date, monitor: str) -> PairOutcome:
    try:
        run = monitor_month(ref, cur, None, monitor)
    except (NoVerdictError, DataError) as error:
        # This pair's data; the next pair may be sound.
        return PairOutcome(ref, cur, "no verdict", str(error), error)
    return PairOutcome(ref, cur, run.decision.label, "; ".join(run.decision.reasons))


def describe(outcome: PairOutcome) -> str:
    """One line on standard output."""
    detail = " ".join(outcome.detail.split())
    return f"[Backfill] {outcome.as_of_ref} vs {outcome.as_of_cur} -> {outcome.verdict} {detail}"
