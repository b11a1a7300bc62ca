"""Training the watched model: a month's features and labels in, a registered version out."""

from datetime import UTC, date, datetime
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from driftgate.errors import UsageError
from driftgate.features.labels import LabelMonth
from driftgate.features.types import FeatureMonth
from driftgate.pushgateway import TRAIN_FLOW, Champion, push_training
from driftgate.training.dataset import TrainingSet, build_training_set
from driftgate.training.fit import Evaluation, FittedModel, evaluate_model, example_of, fit_model, read_pipeline
from driftgate.training.plan import MonthPlan, plan_training
from driftgate.training.registry.models import ModelRegistry, TrainedVersion
from driftgate.training.text import training_line, training_markdown
from flows.runtime import plain_errors
from flows.runtime.artifacts import artifact_key
from flows.runtime.environment import Runtime, feature_worker, monitor_of_run
from flows.runtime.pushing import failures_pushed
from flows.runtime.steps import DATABASE_RETRIES, FLOW, STEP

plain_errors.install()


@task(name="plan", **STEP, **DATABASE_RETRIES)
def plan_step(runtime: Runtime, as_of: date | None, monitor: str, folder: Path) -> MonthPlan:
    """The month and the model, checked."""
    settings, worker = runtime.settings, feature_worker(runtime.parameters)
    plan = plan_training(
        worker, monitor, as_of, settings.driftgate_monitors, settings.feast_repo, folder, leave_one=True
    )
    get_run_logger().info("%s: %s, %s entities", plan.model, plan.size.as_of, f"{plan.size.entities:,}")
    return plan


@task(name="features", **STEP, **DATABASE_RETRIES)
def features_step(runtime: Runtime, plan: MonthPlan, folder: Path) -> FeatureMonth:
    """Point-in-time features of every entity of the month, into an Arrow file."""
    return plan.read_features(feature_worker(runtime.parameters), folder / "features.arrow")


@task(name="labels", **STEP, **DATABASE_RETRIES)
def labels_step(runtime: Runtime, plan: MonthPlan, folder: Path) -> LabelMonth:
    """Labels of the same period, into an Arrow file."""
    out = folder / "labels.arrow"
    return feature_worker(runtime.parameters).read_labels(plan.repo, plan.monitor, plan.size, out)


@task(name="dataset", **STEP)
def dataset_step(plan: MonthPlan, features: FeatureMonth, labels: LabelMonth, folder: Path) -> TrainingSet:
    """Both joined on the entity, into an Arrow file."""
    out, group = folder / "training.arrow", plan.monitor.entity.group or ""
    data = build_training_set(features, labels, plan.key, plan.monitor.min_rows, out, group)
    get_run_logger().info(
        "%s labelled entities, %s; %s without a label are left out",
        f"{data.rows:,}",
        data.spread,
        f"{data.unlabelled:,}",
    )
    return data


@task(name="fit", **STEP)
def fit_step(data: TrainingSet, seed: int, folder: Path) -> FittedModel:
    """The pipeline fitted on the training entities, into a file."""
    return fit_model(data, seed, folder / "model.pkl")


@task(name="evaluate", **STEP)
def evaluate_step(plan: MonthPlan, data: TrainingSet, fitted: FittedModel, folder: Path) -> Evaluation:
    """Metrics on the validation entities; the scores of all entities into an Arrow file."""
    return evaluate_model(data, fitted, plan.monitor.name, folder / "judged.arrow")


@task(name="register", **STEP, **DATABASE_RETRIES)
def register_step(
    runtime: Runtime, plan: MonthPlan, data: TrainingSet, fitted: FittedModel, evaluation: Evaluation
) -> tuple[TrainedVersion, Champion]:
    """A version in MLflow, and a page in Prefect; returns the version that serves now as well."""
    registry = ModelRegistry(runtime.parameters, runtime.settings.mlflow_artifacts, plan.model)
    try:
        registered = registry.register(evaluation.training, read_pipeline(fitted), example_of(data), evaluation.judged)
        champion = registry.version_info(registry.require_champion())
    finally:
        registry.close()
    trained = TrainedVersion(plan.model, evaluation.training, registered)
    key = artifact_key("training", plan.monitor.name, plan.size.as_of)
    create_markdown_artifact(
        training_markdown(trained, evaluation.calibration),
        key=key,
        description=f"{plan.model} version {registered.version}",
    )
    return trained, Champion(champion.version, champion.metrics)


def _run_name() -> str:
    given = flow_run.parameters
    return f"train {monitor_of_run()}: {given.get('as_of') or 'newest'} seed {given.get('seed', 42)}"


@flow(name="train_month", flow_run_name=_run_name, **FLOW)
def train_month(as_of: date | None = None, seed: int = 42, monitor: str | None = None) -> TrainedVersion:
    """Train the monitor's model on one month and register it; safe to repeat.

    Args:
        as_of: the month; by default the newest with labels that leaves a later one to measure the model on.
        seed: of the split into training and validation entities, and of the trees; not negative.
        monitor: a heading of monitors.toml; by default the only one.

    Returns:
        The version, its alias, whether it is new, and its metrics. The first version becomes the champion, later ones
        challengers.

    Raises:
        DriftgateError: nothing was registered; the message says why and what to do.
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"the seed is {seed}", allowed="a whole number from 0 to 4294967295")
    runtime = Runtime.from_environment()
    monitor = runtime.monitor_name(monitor)
    feature_worker(runtime.parameters)
    with failures_pushed(runtime, TRAIN_FLOW, monitor) as clock:
        trained, champion = _run(runtime, as_of, seed, monitor)
        push_training(runtime.settings.pushgateway_url, monitor, clock.seconds, datetime.now(UTC), champion)
    get_run_logger().info(training_line(trained))
    return trained


def _run(runtime: Runtime, as_of: date | None, seed: int, monitor: str) -> tuple[TrainedVersion, Champion]:
    with runtime.scratch() as folder:
        plan = plan_step(runtime, as_of, monitor, folder)
        reading = features_step.submit(runtime, plan, folder)
        labels = labels_step(runtime, plan, folder)
        data = dataset_step(plan, reading.result(), labels, folder)
        fitted = fit_step(data, seed, folder)
        evaluation = evaluate_step(plan, data, fitted, folder)
        return register_step(runtime, plan, data, fitted, evaluation)
