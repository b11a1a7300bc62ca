"""The check that what is served is what a model learns from."""

from datetime import UTC, date, datetime

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from driftgate.features.skew import Skew, SkewCheck, SkewVerdict
from driftgate.monitors import read_monitor
from driftgate.predictions.skew import check_skew as compare
from driftgate.pushgateway import SKEW_FLOW, push_skew
from driftgate.reports.skew import skew_lines, skew_markdown
from driftgate.snapshots.unfinished import find_unfinished
from driftgate.store.skew_checks import save_check
from flows.runtime import plain_errors
from flows.runtime.artifacts import artifact_key
from flows.runtime.environment import Runtime, feature_worker, monitor_of_run
from flows.runtime.pushing import failures_pushed
from flows.runtime.steps import DATABASE_RETRIES, FLOW, STEP

plain_errors.install()


@task(name="compare-rows", **STEP, **DATABASE_RETRIES)
def compare_step(runtime: Runtime, as_of: date | None, monitor: str) -> Skew:
    """The features of the same entities, from the offline join, the online store and the log."""
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    worker, repo = feature_worker(runtime.parameters), runtime.repository(chosen)
    for load in find_unfinished(runtime.engine):
        get_run_logger().warning(load.text)
    with runtime.scratch() as folder:
        return compare(worker, runtime.engine, chosen, repo, folder, as_of)


@task(name="save-check", **STEP, **DATABASE_RETRIES)
def save_step(runtime: Runtime, check: SkewCheck) -> None:
    """What was found, for the record of the next verdict on the month."""
    save_check(runtime.engine, check)


def _run_name() -> str:
    return f"skew {monitor_of_run()}: {flow_run.parameters.get('as_of') or 'month served'}"


@flow(name=SKEW_FLOW, flow_run_name=_run_name, **FLOW)
def check_skew(as_of: date | None = None, monitor: str | None = None) -> Skew:
    """Are the features that are served those of the offline join? Rows are compared, for a sample of the entities.

    Args:
        as_of: the month, which must be the one that the online store holds; by default that month.
        monitor: a heading of monitors.toml; by default the only one.

    Returns:
        The entities and features that differ, with examples.

    Raises:
        DriftgateError: nothing was compared; the message says why and what to do.
    """
    runtime = Runtime.from_environment()
    monitor = runtime.monitor_name(monitor)
    with failures_pushed(runtime, SKEW_FLOW, monitor) as clock:
        skew = compare_step(runtime, as_of, monitor)
        now = datetime.now(UTC)
        save_step(runtime, SkewCheck(skew, now))
        head, *_ = lines = skew_lines(skew)
        key = artifact_key("skew", monitor, skew.as_of)
        create_markdown_artifact(skew_markdown(skew), key=key, description=head)
        push_skew(runtime.settings.pushgateway_url, skew, clock.seconds, now)
    log = get_run_logger()
    for line in lines:
        (log.warning if skew.verdict is SkewVerdict.SKEW else log.info)(line)
    return skew
