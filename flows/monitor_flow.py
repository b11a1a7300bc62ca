"""The main job: two months in, one retrain decision out. `python monitor_flow.py --help` lists the options."""

if __name__ == "__main__":
    # Before anything slow is imported: the command line starts the slow parts beside each other.
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from flows.cli import main

    main(["monitor", *sys.argv[1:]])

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from driftgate.decision import Decision, Policy, decide
from driftgate.drift.comparison import Comparison, Side, target_drift
from driftgate.drift.ledger import Ledger, build_ledger, require_comparable
from driftgate.drift.result import DriftResult, TargetDrift
from driftgate.errors import DataError, NoVerdictError
from driftgate.features.entities import MonthSize, entity_sql
from driftgate.features.labels import LabelMonth, read_labels
from driftgate.features.types import FeatureMonth, FeatureRequest
from driftgate.planning import Plan, Request, plan_run
from driftgate.publish.files import withdraw_reports, write_atomic
from driftgate.publish.record import Run, record_text
from driftgate.publish.tables import save_run, withdraw_run
from driftgate.publish.text import column_rows, decision_line, target_line, verdict_markdown
from flows import plain_errors
from flows.retries import DATABASE_RETRIES
from flows.runtime import Runtime, drift_worker, feature_worker, start_workers

plain_errors.install()


_STEP: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}


@task(name="plan", **_STEP, **DATABASE_RETRIES)
def plan_step(here: Runtime, request: Request) -> Plan:
    """Months, monitor and report folder, checked."""
    settings = here.settings
    plan = plan_run(here.engine, request, settings.driftgate_monitors, settings.feast_repo, settings.report_dir)
    get_run_logger().info(
        "%s: %s (%s entities) against %s (%s entities)",
        plan.monitor.name,
        plan.ref.as_of,
        f"{plan.ref.entities:,}",
        plan.cur.as_of,
        f"{plan.cur.entities:,}",
    )
    return plan


@task(name="features", task_run_name="features-{size.as_of}", **_STEP, **DATABASE_RETRIES)
def features_step(here: Runtime, plan: Plan, size: MonthSize, previous: date | None, folder: Path) -> FeatureMonth:
    """Point-in-time features of one month's entities, into an Arrow file."""
    month = feature_worker(here.parameters).read_month(
        FeatureRequest(
            repo=plan.repo,
            service=plan.monitor.feature_service,
            key=plan.monitor.entity.feast_key,
            entity_sql=entity_sql(plan.monitor, size),
            as_of=size.as_of,
            previous=previous,
            out=folder / f"features_{size.as_of}.arrow",
        )
    )
    if month.rows != size.compared:
        raise DataError(
            f"the month {size.as_of} had {size.compared} entities to compare when the run began, and {month.rows} when "
            "its features were read",
            allowed="a month that stays as it is while it is judged",
            remedy="run again once the load that is under way has ended",
        )
    get_run_logger().info("%s: %s rows of %d declared features", size.as_of, f"{month.rows:,}", len(month.declared))
    return month


@task(name="labels", task_run_name="labels-{size.as_of}", **_STEP, **DATABASE_RETRIES)
def labels_step(here: Runtime, plan: Plan, size: MonthSize, folder: Path) -> LabelMonth:
    """Labels of one period for that month's entities."""
    return read_labels(here.engine, plan.monitor, size, folder / f"labels_{size.as_of}.arrow")


@task(name="ledger", **_STEP)
def ledger_step(plan: Plan, ref: FeatureMonth, cur: FeatureMonth) -> Ledger:
    """Account for every declared feature, and refuse what cannot be compared."""
    ledger = build_ledger(ref, cur, plan.monitor)
    require_comparable(ledger, plan.monitor)
    return ledger


@task(name="drift", **_STEP)
def drift_step(plan: Plan, ref: Side, cur: Side, ledger: Ledger) -> Comparison:
    """The Evidently report and its scores."""
    return drift_worker().compare(ref, cur, ledger, plan.monitor)


@task(name="target-drift", **_STEP)
def target_step(ref: LabelMonth, cur: LabelMonth) -> TargetDrift:
    """The label's rate then and now."""
    target = target_drift(ref, cur)
    get_run_logger().info(target_line(target))
    return target


@task(name="decide", **_STEP)
def decide_step(plan: Plan, drift: DriftResult, target: TargetDrift) -> Decision:
    """The verdict, by a pure function."""
    return decide(drift, target, Policy(plan.monitor.threshold, plan.monitor.target_threshold))


@task(name="publish", **_STEP, **DATABASE_RETRIES)
def publish_step(here: Runtime, run: Run, comparison: Comparison) -> None:
    """Report files, record, tables and artifacts; nothing of an earlier run is touched before there is a decision."""
    write_atomic(run.paths.html, comparison.html)
    write_atomic(run.paths.json, comparison.json)
    write_atomic(run.paths.record, record_text(run))
    save_run(here.engine, run)
    key = f"{run.monitor.name}-{run.drift.as_of_ref}-{run.drift.as_of_cur}".lower().replace("_", "-")
    create_markdown_artifact(verdict_markdown(run), key=f"verdict-{key}", description=run.decision.label)
    create_table_artifact(
        column_rows(run.drift.worst_first), key=f"columns-{key}", description="Every declared feature, worst first"
    )


@task(name="withdraw", **_STEP, **DATABASE_RETRIES)
def withdraw_step(here: Runtime, plan: Plan) -> None:
    """An earlier verdict on data that can no longer be judged must not stay and look current."""
    withdraw_run(here.engine, plan.monitor.name, plan.ref.as_of, plan.cur.as_of)
    withdraw_reports(plan.paths)
    get_run_logger().warning("no verdict; what an earlier run of this pair left is removed")


def _run_name() -> str:
    given = runtime.flow_run.parameters
    pair = [str(given.get(name) or "newest") for name in ("as_of_ref", "as_of_cur")]
    return f"{given.get('monitor', 'churn')}: {' vs '.join(pair)}"


@flow(name="monitor_month", flow_run_name=_run_name, persist_result=False)
def monitor_month(
    as_of_ref: date | None = None,
    as_of_cur: date | None = None,
    threshold: float | None = None,
    monitor: str = "churn",
) -> Run:
    """Has the data under the model moved, and must it be retrained?

    Args:
        as_of_ref: the month to compare with; by default the newest but one.
        as_of_cur: the month to judge; by default the newest.
        threshold: drift share from which to retrain, in [0, 1]; by default the monitor's own (0.3 for churn).
        monitor: a heading of monitors.toml.

    Returns:
        What was compared, what came out, and where the reports are.

    Raises:
        DriftgateError: there is no verdict; the message says why and what to do.
    """
    here = Runtime.from_environment()
    start_workers(here.parameters)
    plan = plan_step(here, Request(as_of_ref, as_of_cur, threshold, monitor))
    try:
        comparison, target, decision = _judge(here, plan)
    except (NoVerdictError, DataError):
        withdraw_step(here, plan)
        raise
    run = Run(plan.monitor, comparison.drift, target, decision, plan.paths, datetime.now(UTC))
    publish_step(here, run, comparison)
    get_run_logger().info(decision_line(run))
    return run


def _judge(here: Runtime, plan: Plan) -> tuple[Comparison, TargetDrift, Decision]:
    with here.scratch() as folder:
        ref, cur = _read_both(here, plan, folder)
        ledger = ledger_step(plan, ref.features, cur.features)
        comparison = drift_step(plan, ref, cur, ledger)
        target = target_step(ref.labels, cur.labels)
    return comparison, target, decide_step(plan, comparison.drift, target)


def _read_both(here: Runtime, plan: Plan, folder: Path) -> tuple[Side, Side]:
    """Features and labels of both months, read beside each other."""
    months = [(plan.ref, None), (plan.cur, plan.before_cur)]
    features: list[PrefectFuture[FeatureMonth]] = [
        features_step.submit(here, plan, size, previous, folder) for size, previous in months
    ]
    labels: list[PrefectFuture[LabelMonth]] = [labels_step.submit(here, plan, size, folder) for size, _ in months]
    sides = [
        Side(size, feature.result(), label.result())
        for (size, _), feature, label in zip(months, features, labels, strict=True)
    ]
    return sides[0], sides[1]
