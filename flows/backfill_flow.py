"""Many months judged in one process: a whole history, or what a schedule has missed."""

from dataclasses import dataclass
from datetime import date

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from driftgate.errors import DataError, DriftgateError, NoVerdictError
from driftgate.features.entities import loaded_months
from driftgate.monitors import Monitor, read_monitor
from driftgate.pairs import Pair, due_pairs, pairs_of, parse_reference
from driftgate.publish.history import past_runs
from flows import plain_errors
from flows.monitor_flow import monitor_month
from flows.monitor_steps import STEP
from flows.progress import tracked
from flows.retries import DATABASE_RETRIES
from flows.runtime import Runtime

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


@task(name="choose-pairs", **STEP, **DATABASE_RETRIES)
def choose_step(
    here: Runtime, monitor: Monitor, start: date | None, end: date | None, reference: str, again: bool
) -> list[Pair]:
    """The pairs of a history; those that have a verdict are left out unless they are wanted again."""
    pairs = pairs_of(loaded_months(here.engine, monitor.entity), parse_reference(reference), start, end)
    done = set() if again else {run.pair for run in past_runs(here.engine, monitor.name)}
    get_run_logger().info("%d pairs, %d of them judged before", len(pairs), len(done.intersection(pairs)))
    return [pair for pair in pairs if pair not in done]


@task(name="choose-due-pairs", **STEP, **DATABASE_RETRIES)
def due_step(here: Runtime, monitor: Monitor) -> list[Pair]:
    """The pairs that a schedule has to judge."""
    runs = past_runs(here.engine, monitor.name)
    months = loaded_months(here.engine, monitor.entity)
    return due_pairs(months, [run.pair for run in runs], [run.pair for run in runs if run.pending])


@flow(name="backfill_months", persist_result=False)
def backfill_months(
    start: date | None = None,
    end: date | None = None,
    reference: str = "previous",
    monitor: str = "churn",
    again: bool = False,
) -> list[PairOutcome]:
    """Judge every pair of loaded months that has no verdict yet, oldest first; started again, it goes on.

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
    return _judge_all(choose_step(here, chosen, start, end, reference, again), monitor)


@flow(name="monitor_new_months", persist_result=False)
def monitor_new_months(monitor: str = "churn") -> list[PairOutcome]:
    """Judge what is due: each month since the last verdict, and pairs that were waiting for labels.

    Args:
        monitor: a heading of monitors.toml.

    Raises:
        DriftgateError: a pair has no verdict.
    """
    here = Runtime.from_environment()
    pairs = due_step(here, read_monitor(here.settings.driftgate_monitors, monitor))
    if not pairs:
        get_run_logger().warning("no month has come since the last verdict; nothing is judged")
    return _judge_all(pairs, monitor)


def _judge_all(pairs: list[Pair], monitor: str) -> list[PairOutcome]:
    outcomes = []
    for ref, cur in tracked(pairs, "judging", lambda pair: f"{pair[0]} vs {pair[1]}", get_run_logger()):
        try:
            run = monitor_month(ref, cur, None, monitor)
        except (NoVerdictError, DataError) as error:
            # This pair's data; the next pair may be sound.
            outcomes.append(PairOutcome(ref, cur, "no verdict", str(error), error))
        else:
            outcomes.append(PairOutcome(ref, cur, run.decision.label, "; ".join(run.decision.reasons)))
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


def describe(outcome: PairOutcome) -> str:
    """One line on standard output."""
    return f"[Backfill] {outcome.as_of_ref} vs {outcome.as_of_cur} -> {outcome.verdict} {outcome.detail}"
