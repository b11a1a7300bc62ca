"""Batch prediction: every entity of a month scored by the champion, into files and tables."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from driftgate.database import create_tables
from driftgate.features.types import FeatureMonth
from driftgate.predictions.batch import (
    Batch,
    BatchSummary,
    batch_line,
    batch_markdown,
    batch_path,
    require_prediction_folder,
    save_batch,
    save_batch_summary,
    write_batch_csv,
)
from driftgate.pushgateway import PREDICT_FLOW, push_predictions
from driftgate.training.features import require_features
from driftgate.training.plan import MonthPlan, plan_month
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.registry.versions import VersionInfo
from driftgate.training.scoring import score_month
from flows.runtime import plain_errors
from flows.runtime.artifacts import artifact_key
from flows.runtime.environment import Runtime, feature_worker, monitor_of_run
from flows.runtime.pushing import failures_pushed
from flows.runtime.steps import DATABASE_RETRIES, FLOW, STEP

plain_errors.install()


@task(name="plan", **STEP, **DATABASE_RETRIES)
def plan_step(runtime: Runtime, as_of: date | None, monitor: str) -> tuple[MonthPlan, VersionInfo]:
    """The month, and the version that serves; folder and tables are there before anything is scored."""
    settings, worker = runtime.settings, feature_worker(runtime.parameters)
    plan = plan_month(worker, monitor, as_of, settings.driftgate_monitors, settings.feast_repo)
    registry = ModelRegistry(runtime.parameters, settings.mlflow_artifacts, plan.model)
    try:
        champion = registry.version_info(registry.require_champion())
    finally:
        registry.close()
    require_prediction_folder(batch_path(settings.prediction_dir, plan.monitor, datetime.now(UTC)))
    create_tables(runtime.engine)
    get_run_logger().info(
        "%s version %s: %s, %s entities", plan.model, champion.version, plan.size.as_of, f"{plan.size.entities:,}"
    )
    return plan, champion


@task(name="features", **STEP, **DATABASE_RETRIES)
def features_step(runtime: Runtime, plan: MonthPlan, folder: Path) -> FeatureMonth:
    """Point-in-time features of every entity of the month, into an Arrow file."""
    return plan.read_features(feature_worker(runtime.parameters), folder / "features.arrow")


@task(name="score", **STEP, **DATABASE_RETRIES)
def score_step(runtime: Runtime, plan: MonthPlan, version: str, features: FeatureMonth, folder: Path) -> Path:
    """A probability, a number or the probabilities of classes for each row, into an Arrow file."""
    registry = ModelRegistry(runtime.parameters, runtime.settings.mlflow_artifacts, plan.model)
    try:
        model, info = registry.load(version), registry.version_info(version)
    finally:
        registry.close()
    require_features(info.features, features, f"{model.name} version {model.version}")
    out = folder / "scores.arrow"
    score_month(model, info.features, features, plan.key, out)
    return out


@task(name="write-csv", **STEP)
def csv_step(batch: Batch) -> None:
    """The batch's file, and the same as latest.csv."""
    write_batch_csv(batch)


@task(name="write-rows", **STEP, **DATABASE_RETRIES)
def rows_step(runtime: Runtime, batch: Batch) -> None:
    """The batch's rows in `predictions`."""
    save_batch(runtime.engine, batch)


@task(name="summarise", **STEP, **DATABASE_RETRIES)
def summary_step(runtime: Runtime, batch: Batch) -> BatchSummary:
    """The batch's row in `prediction_monitoring`: last, because it says that everything else is there."""
    summary = save_batch_summary(runtime.engine, batch)
    key = artifact_key("predictions", batch.monitor, batch.as_of)
    create_markdown_artifact(batch_markdown(batch, summary), key=key, description=batch_line(batch, summary))
    return summary


def _run_name() -> str:
    given = flow_run.parameters
    return f"predict {monitor_of_run()}: {given.get('as_of') or 'newest'}"


@flow(name="predict_month", flow_run_name=_run_name, **FLOW)
def predict_month(as_of: date | None = None, monitor: str | None = None) -> tuple[Batch, BatchSummary]:
    """Score every entity of a month with the champion. Each run is a batch of its own.

    Args:
        as_of: the month; by default the newest.
        monitor: a heading of monitors.toml; by default the only one.

    Returns:
        What was scored, with its files, and its summary.

    Raises:
        DriftgateError: there is no summary row, so the batch does not count; the message says why and what to do.
    """
    runtime = Runtime.from_environment()
    monitor = runtime.monitor_name(monitor)
    feature_worker(runtime.parameters)
    with failures_pushed(runtime, PREDICT_FLOW, monitor) as clock:
        batch, summary = _run(runtime, as_of, monitor)
        push_predictions(runtime.settings.pushgateway_url, monitor, clock.seconds, datetime.now(UTC))
    get_run_logger().info(batch_line(batch, summary))
    return batch, summary


def _run(runtime: Runtime, as_of: date | None, monitor: str) -> tuple[Batch, BatchSummary]:
    plan, champion = plan_step(runtime, as_of, monitor)
    with runtime.scratch() as folder:
        features = features_step(runtime, plan, folder)
        scores = score_step(runtime, plan, champion.version, features, folder)
        moment = _free_second(runtime, plan)
        batch = Batch(
            monitor=plan.monitor.name,
            key=plan.key,
            as_of=plan.size.as_of,
            model_version=champion.version,
            time=moment,
            scores=scores,
            rows=features.rows,
            path=batch_path(runtime.settings.prediction_dir, plan.monitor, moment),
            kind=champion.label_kind,
            threshold=champion.threshold,
        )
        csv_step(batch)
        rows_step(runtime, batch)
        return batch, summary_step(runtime, batch)


def _free_second(runtime: Runtime, plan: MonthPlan) -> datetime:
    """Now, in whole seconds; the next second where a batch of this one is there already, as files are named by it."""
    while True:
        moment = datetime.now(UTC).replace(microsecond=0)
        if not batch_path(runtime.settings.prediction_dir, plan.monitor, moment).exists():
            return moment
        # At most a second, also where the clock is set back meanwhile.
        time.sleep(min(1.0, max(0.0, (moment + timedelta(seconds=1) - datetime.now(UTC)).total_seconds())))
