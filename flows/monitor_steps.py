"""The steps of the monitor. They hand files and small records to each other, never frames."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.logging import get_run_logger

from driftgate.decision import Decision, History, decide
from driftgate.drift.comparison import Side, compare
from driftgate.drift.ledger import Ledger, build_ledger, require_comparable
from driftgate.drift.report import DrawnReport
from driftgate.drift.result import DriftResult, TargetDrift
from driftgate.drift.seasons import Past, PastMonth, explain_signals
from driftgate.drift.target import target_drift
from driftgate.features.entities import MonthSize, require_unchanged
from driftgate.features.labels import LabelMonth
from driftgate.features.state import MonthState
from driftgate.features.types import FeatureMonth
from driftgate.files import write_atomic
from driftgate.performance.estimate import estimate_of
from driftgate.performance.explain import explain
from driftgate.performance.gain import gain_of
from driftgate.performance.result import Performance
from driftgate.performance.scoring import Scoring, measure, open_registry, score_months
from driftgate.planning import Plan, Request, policy_of
from driftgate.profiles.landing import LandedMonth
from driftgate.profiles.profile import Profile
from driftgate.profiles.store import measured_months
from driftgate.reports.banner import with_banner
from driftgate.reports.index import write_verdict
from driftgate.reports.paths import delete_drawn, delete_reports
from driftgate.reports.text import (
    causes_text,
    column_rows,
    estimate_text,
    gain_line,
    performance_line,
    segments_text,
    target_line,
    verdict_markdown,
)
from driftgate.reports.workspace import add_snapshot, delete_snapshot
from driftgate.run import Run
from driftgate.shared import Shared
from driftgate.store.decisions import earlier_decisions
from driftgate.store.history import earlier_runs, past_pairs
from driftgate.store.record import record_text
from driftgate.store.skew_checks import last_check
from driftgate.store.tables import delete_run, pair_lock, save_run
from flows.planning import prepare, resolve_plan
from flows.runtime.artifacts import artifact_key
from flows.runtime.environment import Runtime, drift_worker, feature_worker
from flows.runtime.steps import DATABASE_RETRIES, step


@step("plan", **DATABASE_RETRIES)
def plan_step(runtime: Runtime, request: Request) -> Plan:
    """Months and monitor, checked."""
    return resolve_plan(runtime, request)


@step("prepare", **DATABASE_RETRIES)
def prepare_step(runtime: Runtime, plan: Plan) -> None:
    """The report folder and the tables, there and writable."""
    prepare(runtime, plan)


@step("profiles", **DATABASE_RETRIES)
def profiles_step(
    runtime: Runtime, plan: Plan, shared: Shared, known: Mapping[date, MonthState]
) -> list[tuple[FeatureMonth, Profile]]:
    """What is kept of both months, measured now where it is missing or no longer holds: a sample, and the profile."""
    landing = runtime.landing(plan.monitor, get_run_logger().info, known)
    landed = shared.each([plan.ref.as_of, plan.cur.as_of], "landed", landing.land)
    found = []
    for size, previous in ((plan.ref, None), (plan.cur, plan.before_cur)):
        month = landed[size.as_of]
        require_unchanged(size.as_of, size.entities, month.state.size.entities)
        found.append((_features(month, shared, previous), month.profile))
    return found


def _features(month: LandedMonth, shared: Shared, previous: date | None) -> FeatureMonth:
    as_of = month.state.size.as_of
    written = shared.once(as_of, "features", lambda: month.features(None, shared.file(as_of, "features.arrow")))
    return replace(written, stale_views=month.state.stale_views(previous))


@step("labels", task_run_name="labels-{size.as_of}", **DATABASE_RETRIES)
def labels_step(runtime: Runtime, plan: Plan, size: MonthSize, shared: Shared) -> LabelMonth:
    """Labels of one period for that month's entities."""
    worker, out = feature_worker(runtime.parameters), shared.file(size.as_of, "labels.arrow")
    return shared.once(size.as_of, "labels", lambda: worker.read_labels(plan.repo, plan.monitor, size, out))


@step("ledger")
def ledger_step(plan: Plan, ref: Side, cur: Side) -> Ledger:
    """Account for every declared feature, and refuse what cannot be compared."""
    months = cur.features
    ledger = build_ledger((ref.profile, cur.profile), months.declared, plan.monitor, months.stale_views)
    require_comparable(ledger, plan.monitor)
    return ledger


@step("score", **DATABASE_RETRIES)
def score_step(runtime: Runtime, plan: Plan, ref: Side, cur: Side, ledger: Ledger, shared: Shared) -> Scoring:
    """Score both months with the champion, or train a probe on the reference month."""
    registry = open_registry(runtime.parameters, runtime.settings.mlflow_artifacts, plan.monitor)
    return score_months(registry, plan.monitor, ref, cur, ledger, shared)


@step("performance")
def performance_step(plan: Plan, scoring: Scoring, ref: Side, cur: Side) -> Performance:
    """The scores held against the labels, then and now."""
    found = measure(scoring, plan.monitor, ref, cur)
    get_run_logger().info(performance_line(found))
    return found


@step("estimate")
def estimate_step(
    plan: Plan, scoring: Scoring, performance: Performance, ref: Side, cur: Side, ledger: Ledger
) -> Performance:
    """The performance with what labels to come are expected to give, where it was not measured without them."""
    found = replace(performance, estimate=estimate_of(scoring, performance, plan.monitor, ref, cur, ledger))
    if found.estimate.computed:
        get_run_logger().info("%s", estimate_text(found.estimate))
    return found


@step("gain")
def gain_step(plan: Plan, scoring: Scoring, performance: Performance, cur: Side, ledger: Ledger) -> Performance:
    """The performance with what retraining on the current month would bring."""
    found = replace(performance, gain=gain_of(scoring, performance, plan.monitor, cur, ledger))
    get_run_logger().info(gain_line(found.gain))
    return found


@step("explain")
def explain_step(
    plan: Plan, scoring: Scoring, performance: Performance, ref: Side, cur: Side, ledger: Ledger
) -> Performance:
    """The performance with why the model is worse and where, if it surely is."""
    found = explain(scoring, performance, plan.monitor, ref, cur, ledger)
    if found.causes.split:
        get_run_logger().info(causes_text(found.causes))
    if found.segments.searched:
        get_run_logger().info("%s", segments_text(found))
    return found


@step("drift")
def drift_step(plan: Plan, ref: Side, cur: Side, ledger: Ledger, scoring: Scoring) -> DriftResult:
    """The scores of both profiles, and what chance explains of them."""
    return compare(ref, cur, ledger, plan.monitor, scoring.champion_paths)


@step("report")
def report_step(
    plan: Plan, ref: Side, cur: Side, ledger: Ledger, scoring: Scoring, only: tuple[str, ...] | None = None
) -> DrawnReport:
    """The Evidently report and its scores, of all features that can be compared or of some."""
    return drift_worker().draw(ref, cur, ledger, plan.monitor, scoring.champion_paths, only)


@step("target-drift")
def target_step(plan: Plan, ref: LabelMonth, cur: LabelMonth) -> TargetDrift:
    """The label's rate, mean or classes then and now."""
    target = target_drift(ref, cur, plan.monitor.signal_level)
    get_run_logger().info(target_line(target))
    return target


@step("history", **DATABASE_RETRIES)
def history_step(
    runtime: Runtime, plan: Plan, ref: Side, cur: Side, drift: DriftResult, target: TargetDrift, shared: Shared
) -> History:
    """What was decided of earlier months, what they explain, and which version serves since which month."""
    registry = open_registry(runtime.parameters, runtime.settings.mlflow_artifacts, plan.monitor)
    champion = registry.champion_info() if registry else None
    return History(
        earlier_runs(runtime.engine, plan.monitor.name, plan.cur.as_of),
        champion.as_of if champion else None,
        champion.version if champion else None,
        explain_signals(ref, cur, drift, target, plan.monitor, _past(runtime, plan, shared)),
    )


def _past(runtime: Runtime, plan: Plan, shared: Shared) -> Past:
    """What is kept of the monitor's months and pairs."""
    name, log = plan.monitor.name, get_run_logger()
    landing = runtime.landing(plan.monitor, log.info)

    def measured(months: Collection[date]) -> dict[date, PastMonth]:
        landed = shared.each(list(months), "landed", landing.land)
        return {month: PastMonth(found.profile, found.rows) for month, found in landed.items()}

    return Past(
        lambda: measured_months(runtime.engine, name),
        measured,
        lambda: past_pairs(runtime.engine, name, plan.cur.as_of),
        log.warning,
    )


@step("decide")
def decide_step(
    plan: Plan, drift: DriftResult, target: TargetDrift, performance: Performance, history: History
) -> Decision:
    """The verdict, by a pure function of the results, the policy and what was decided before."""
    return decide(drift, target, policy_of(plan.monitor), performance, history)


@step("publish", **DATABASE_RETRIES)
def publish_step(runtime: Runtime, run: Run, report: DrawnReport | None) -> Run:
    """Report files, record, tables and artifacts, of the run with what is known beside its decision; it is returned.

    That is the earlier decisions of its pair, and the last check of the features that are served of its month: they
    are read where there is a decision already. Nothing of an earlier run is touched before.
    """
    with pair_lock(runtime.engine, run.monitor.name, run.drift.as_of_ref, run.drift.as_of_cur):
        skew = last_check(runtime.engine, run.monitor.name, run.drift.as_of_cur)
        run = replace(run, earlier=earlier_decisions(runtime.engine, run), skew=skew)
        _write_report(run, report)
        write_atomic(run.paths.record, record_text(run))
        write_verdict(runtime.settings.report_dir, run.paths.record)
        save_run(runtime.engine, run)
    about = (run.monitor.name, run.drift.as_of_ref, run.drift.as_of_cur)
    create_markdown_artifact(verdict_markdown(run), key=artifact_key("verdict", *about), description=run.decision.label)
    create_table_artifact(
        column_rows(run.drift.worst_first),
        key=artifact_key("columns", *about),
        description="Every declared feature, worst first",
    )
    return run


def _write_report(run: Run, report: DrawnReport | None) -> None:
    if report is None:
        # One of an earlier run would be about other data.
        delete_drawn(run.paths)
        return
    write_atomic(run.paths.html, with_banner(report.html, run, report.scores))
    write_atomic(run.paths.json, report.json)


@step("workspace")
def workspace_step(runtime: Runtime, run: Run, report: DrawnReport | None) -> None:
    """The run in the Evidently workspace, beside the verdict, which does not hang on it."""
    workspace = runtime.settings.evidently_workspace
    if report is None:
        delete_snapshot(workspace, run.monitor.name, run.drift.as_of_ref, run.drift.as_of_cur)
    else:
        add_snapshot(workspace, run, report.snapshot)


@step("delete", **DATABASE_RETRIES)
def delete_step(runtime: Runtime, plan: Plan) -> None:
    """An earlier verdict on data that can no longer be judged must not stay and look current."""
    with pair_lock(runtime.engine, plan.monitor.name, plan.ref.as_of, plan.cur.as_of):
        delete_run(runtime.engine, plan.monitor.name, plan.ref.as_of, plan.cur.as_of)
        delete_reports(plan.paths)
    delete_snapshot(runtime.settings.evidently_workspace, plan.monitor.name, plan.ref.as_of, plan.cur.as_of)
    get_run_logger().warning("no verdict; what an earlier run of this pair left is removed")
