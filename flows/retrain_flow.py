"""Retraining: a challenger is trained, held against the champion, and promoted where it surely wins."""

from datetime import date
from pathlib import Path

from prefect import flow, pause_flow_run, task
from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from driftgate.errors import UsageError
from driftgate.monitors import read_monitor
from driftgate.notification import require_addresses
from driftgate.performance.promotion import Floor, ModelComparison, compare_versions, require_delta, unopposed
from driftgate.performance.scoring import require_registry
from driftgate.pushgateway import push_promotion
from driftgate.reports.promotion import comparison_line, comparison_metrics, comparison_rows
from driftgate.training.plan import MonthPlan, plan_month, plan_training
from driftgate.training.registry.models import ModelRegistry
from flows.notification import failures_told, tell_of_promotion
from flows.planning import require_model
from flows.runtime import plain_errors
from flows.runtime.artifacts import artifact_key
from flows.runtime.environment import Runtime, feature_worker, monitor_of_run
from flows.runtime.steps import DATABASE_RETRIES, FLOW, STEP
from flows.train_flow import train_month

plain_errors.install()


@task(name="champion", **STEP, **DATABASE_RETRIES)
def champion_step(runtime: Runtime, monitor: str, as_of: date | None, folder: Path) -> tuple[str | None, date]:
    """The version that serves before the training, None where there is none; and the month to train on.

    Raises:
        UsageError: the champion was trained on a later month, so that a challenger of this one would be a step back.
        ConfigurationError: as `flows.planning.require_model`.
    """
    settings, worker = runtime.settings, feature_worker(runtime.parameters)
    plan = plan_training(worker, monitor, as_of, settings.driftgate_monitors, settings.feast_repo, folder)
    month = plan.size.as_of
    # Otherwise a challenger would be the champion of a model with a typing error in its name.
    require_model(runtime, plan.monitor)
    registry = _registry(runtime, plan)
    version = registry.champion()
    trained_on = registry.version_info(version).as_of if version else None
    if trained_on and month < trained_on:
        raise UsageError(
            f"the champion was trained on {trained_on}, which is later than {month}",
            allowed="that month or a later one, with its labels loaded",
            remedy="to go back to the earlier champion use `driftgate rollback`",
        )
    return version, month


@task(name="contest", **STEP, **DATABASE_RETRIES)
def compare_step(
    runtime: Runtime, champion: str, challenger: str, monitor: str, as_of: date, delta: float, folder: Path
) -> ModelComparison:
    """Both on the same entities, none of which either has seen in training."""
    plan = _plan(runtime, monitor, as_of)
    month = plan.read_features(feature_worker(runtime.parameters), folder / "features.arrow")
    rows = plan.monitor.min_rows
    floor = Floor.of(plan.monitor)
    return compare_versions(_registry(runtime, plan), champion, challenger, month, plan.key, delta, rows, floor)


@task(name="settle", **STEP, **DATABASE_RETRIES)
def settle_step(runtime: Runtime, comparison: ModelComparison, monitor: str, as_of: date) -> None:
    """Record the comparison beside the challenger, and promote it where it won."""
    registry = _registry(runtime, _plan(runtime, monitor, as_of))
    if comparison.champion != comparison.challenger:
        # Otherwise there was no comparison, and the figures of the one that the version has won stay.
        registry.log_metrics(comparison.challenger, comparison_metrics(comparison))
    if comparison.promote and comparison.champion is not None:
        registry.promote(comparison.challenger, over=comparison.champion)
        url, warnings = runtime.settings.pushgateway_url, len(comparison.warnings)
        push_promotion(url, monitor, comparison.challenger, warnings)
    key = artifact_key("contest", monitor, as_of)
    create_table_artifact(comparison_rows(comparison), key=key, description=comparison_line(comparison))
    log = get_run_logger()
    log.info(comparison_line(comparison))
    for warning in comparison.warnings:
        log.warning("version %s: %s", comparison.challenger, warning)


def _run_name() -> str:
    given = flow_run.parameters
    return f"{monitor_of_run()}: train and compare on {given.get('as_of') or 'newest'}"


@flow(name="train_and_compare", flow_run_name=_run_name, **FLOW)
def train_and_compare(
    as_of: date | None = None, delta: float = 0.01, monitor: str | None = None, seed: int = 42
) -> ModelComparison:
    """Train a challenger on a month, and promote it where it beats the champion surely and by delta.

    Args:
        as_of: the month; by default the newest whose labels are there.
        delta: least gain that is worth a change: a difference of the AUC, or a part of the error of a numeric label.
        monitor: a heading of monitors.toml; by default the only one.
        seed: of the split and the trees.

    Returns:
        Who won, and by how much.

    Raises:
        DriftgateError: nothing was promoted; the message says why and what to do.
    """
    require_delta(delta)
    runtime = Runtime.from_environment()
    monitor = runtime.monitor_name(monitor)
    watched = read_monitor(runtime.settings.driftgate_monitors, monitor)
    require_addresses(watched)
    with failures_told(runtime.settings, monitor):
        month, comparison = _contest(runtime, monitor, as_of, delta, seed)
    tell_of_promotion(watched, month, comparison)
    return comparison


def _contest(
    runtime: Runtime, monitor: str, as_of: date | None, delta: float, seed: int
) -> tuple[date, ModelComparison]:
    """The month trained on, and who won."""
    with runtime.scratch() as folder:
        champion, month = champion_step(runtime, monitor, as_of, folder)
    version = train_month(month, seed, monitor).registered.version
    if champion is None:
        comparison = unopposed(version)
    else:
        with runtime.scratch() as folder:
            comparison = compare_step(runtime, champion, version, monitor, month, delta, folder)
    settle_step(runtime, comparison, monitor, month)
    return month, comparison


@flow(
    name="retrain_after_approval",
    flow_run_name=lambda: f"{monitor_of_run()}: wait for approval, then train and compare",
    **FLOW,
)
def retrain_after_approval(
    as_of: date | None = None, monitor: str | None = None, hours: float = 72.0
) -> ModelComparison:
    """Wait until a person presses Resume in the Prefect UI, then train and compare.

    Args:
        as_of: the month; by default the newest whose labels are there.
        monitor: a heading of monitors.toml; by default the only one.
        hours: how long to wait; afterwards the run fails and nothing is trained.
    """
    # A name that is missing would otherwise be noticed after the wait.
    monitor = Runtime.from_environment().monitor_name(monitor)
    get_run_logger().warning("waiting up to %g hours for somebody to resume this run", hours)
    pause_flow_run(timeout=int(hours * 3600))
    return train_and_compare(as_of, monitor=monitor)


def _plan(runtime: Runtime, monitor: str, as_of: date | None) -> MonthPlan:
    settings, worker = runtime.settings, feature_worker(runtime.parameters)
    return plan_month(worker, monitor, as_of, settings.driftgate_monitors, settings.feast_repo)


def _registry(runtime: Runtime, plan: MonthPlan) -> ModelRegistry:
    return require_registry(runtime.parameters, runtime.settings.mlflow_artifacts, plan.monitor)
