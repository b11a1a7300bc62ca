"""What follows a decision: when a signal is held back, what a trigger starts, and what it needs to start it."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from driftgate.decision import HeldBack, Policy, decide
from driftgate.errors import ConfigurationError
from driftgate.monitors import read_monitor
from driftgate.performance.result import NoGain, PerformanceState
from driftgate.planning import Reports
from driftgate.reports.text import result_lines
from driftgate.run import Run
from driftgate.settings import Settings
from driftgate.snapshots.folders import month_folders
from driftgate.snapshots.ingest import ingest_month
from driftgate.training.registry.models import ModelRegistry
from streamflow.source_tables import SOURCE_TABLES
from tests.reports.runs import TARGET, column, finished
from tests.workplace import Workplace

pytestmark = pytest.mark.slow

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)

# In both pairs a feature drifts, so that with a bar this low both signal.
BOTH = "threshold = 0.05"
VARIANTS = {
    "confirmed": [BOTH, "confirmations = 2", "confirmation_window = 2", 'retrain = "deployment"'],
    "cooling": [BOTH, "cooldown_days = 60", 'retrain = "off"'],
    "lenient": ['on_incomparable = "count_as_drift"'],
    "covariates": ['performance = "off"'],
}


@pytest.fixture(scope="module")
def monitors(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Beside `churn` monitors of the same tables, each with a policy of its own."""
    churn = Path(workplace.environment["DRIFTGATE_MONITORS"]).read_text()
    path = tmp_path_factory.mktemp("monitors") / "monitors.toml"
    path.write_text(churn + "".join(variant(churn, name, lines) for name, lines in VARIANTS.items()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTGATE_MONITORS", str(path))
        yield


def variant(churn: str, name: str, lines: list[str]) -> str:
    kept = [line for line in churn.splitlines() if not line.startswith(("threshold", "report_folder"))]
    return "\n".join(kept).replace("[churn]", "\n".join([f"[{name}]", *lines])).replace("[churn.", f"[{name}.") + "\n"


def retrainings(workplace: Workplace) -> list[dict[str, Any]]:
    """Runs of the deployment that were created, oldest first."""
    return list(
        workplace.ask(
            "flow_runs/filter",
            flow_runs={"deployment_id": {"is_null_": False}},
            flows={"name": {"any_": ["train_and_compare"]}},
            sort="START_TIME_ASC",
        )
    )


@dataclass(frozen=True)
class Runs:
    """Each pair in turn, and the second once more; `started` are the retrainings after each of them."""

    feb: Run
    mar: Run
    again: Run
    started: tuple[int, int, int]


def judge(workplace: Workplace, monitor: str) -> Runs:
    from flows.monitor import monitor_month

    runs, started = [], []
    for pair in ((JAN, FEB), (FEB, MAR), (FEB, MAR)):
        runs.append(monitor_month(*pair, monitor=monitor))
        started.append(len(retrainings(workplace)))
    return Runs(*runs, started=(started[0], started[1], started[2]))


def test_without_the_deployment_nothing_slow_begins(workplace: Workplace, monitors: None) -> None:
    from flows.monitor import monitor_month

    with pytest.raises(ConfigurationError, match="has no train_and_compare/retrain-model") as caught:
        monitor_month(JAN, FEB, monitor="confirmed")
    assert "python -m flows.deploy" in caught.value.remedy
    run = workplace.flow_run("confirmed: 2024-01-31 vs 2024-02-29")
    assert set(workplace.task_runs(run)) == {"plan", "prepare"}


@pytest.fixture(scope="module")
def deployed(workplace: Workplace) -> Iterator[None]:
    from prefect.client.orchestration import get_client

    from flows.deploy import deploy

    deploy("test-pool")
    yield
    # The server is shared with other tests.
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        client.delete_work_pool("test-pool")


@pytest.fixture(scope="module")
def confirmed(workplace: Workplace, monitors: None, deployed: None) -> Runs:
    return judge(workplace, "confirmed")


@pytest.fixture(scope="module")
def cooling(workplace: Workplace, monitors: None, confirmed: Runs) -> Runs:
    return judge(workplace, "cooling")


def test_a_signal_waits_for_its_confirmation(confirmed: Runs) -> None:
    held = "1 of the last 2 runs signals, 2 needed"
    assert (confirmed.feb.decision.label, confirmed.feb.decision.held_back) == ("NO_ACTION", held)
    assert confirmed.feb.decision.reasons[0] == f"held back: {held}" and confirmed.feb.decision.signalled
    assert (confirmed.mar.decision.label, confirmed.mar.decision.held_back) == ("RETRAINING_TRIGGERED", "")
    assert confirmed.again.decision == confirmed.mar.decision, "its own earlier run is no confirmation, nor a trigger"


def test_after_a_trigger_there_is_a_cooldown(cooling: Runs) -> None:
    assert cooling.feb.decision.label == "RETRAINING_TRIGGERED (RETRAIN OFF)"
    held = "2024-02-29 triggered 31 days before, cooldown_days is 60"
    assert (cooling.mar.decision.label, cooling.mar.decision.held_back) == ("NO_ACTION", held)
    assert cooling.again.decision == cooling.mar.decision


@pytest.mark.parametrize("name", ["confirmed", "cooling"])
def test_why_it_is_held_back_is_in_the_record_and_the_tables(
    name: str, request: pytest.FixtureRequest, workplace: Workplace
) -> None:
    runs: Runs = request.getfixturevalue(name)
    held = next(run for run in (runs.feb, runs.mar) if run.decision.held_back)
    record = json.loads(held.paths.record.read_text())
    assert record["held_back"] == held.decision.held_back and record["signalled"]
    assert record["reasons"][0] == f"held back: {held.decision.held_back}"
    query = text("SELECT verdict, signalled, held_back FROM monitor_runs WHERE monitor = :name AND as_of_cur = :cur")
    with workplace.engine.connect() as connection:
        row = connection.execute(query, {"name": name, "cur": held.drift.as_of_cur}).one()
    assert row == ("NO_ACTION", True, held.decision.held_back)
    from driftgate.reports.terminal import run_lines
    from driftgate.store.record import RunRecord

    lines = run_lines(RunRecord.model_validate(record))
    assert "no threshold would flip it: a signal is there, and it is held back" in lines


def test_a_trigger_starts_one_retraining_and_a_rerun_none(confirmed: Runs, workplace: Workplace) -> None:
    assert confirmed.started == (0, 1, 1)
    (run,) = retrainings(workplace)[:1]
    assert run["parameters"] == {"as_of": "2024-03-31", "monitor": "confirmed"}
    assert run["work_pool_name"] == "test-pool" and run["parent_task_run_id"] is None
    log = workplace.logs(workplace.flow_run("confirmed: 2024-02-29 vs 2024-03-31"), until="retraining started")
    assert run["name"] in log


def test_off_starts_nothing(cooling: Runs, confirmed: Runs) -> None:
    assert cooling.started == (1, 1, 1), "that of the other monitor"


def stormy(retrain: str, **overrides: Any) -> Run:
    """A finished run that triggers, of another champion each time it is asked for another name."""
    run = finished(column("fee", 0.9), retrain=retrain, model="m", months=(FEB, MAR), **overrides)
    decision = decide(run.drift, run.target, Policy(0.3, retrain=retrain))
    return replace(run, decision=decision)


def act(run: Run) -> None:
    """What follows the decision alone, in a flow."""
    from prefect import flow

    from flows.listeners import Outcome, tell_listeners

    @flow(name="act", persist_result=False)
    def act_flow() -> None:
        tell_listeners(Outcome(run, Settings.load(), newest=True, seconds=1.0))

    act_flow()


@pytest.mark.parametrize("retrain", ["simulated", "off"])
def test_neither_a_message_nor_an_event_starts_anything(retrain: str, workplace: Workplace, deployed: None) -> None:
    before = len(retrainings(workplace))
    act(stormy(retrain))
    assert len(retrainings(workplace)) == before


def test_a_retraining_waits_for_the_labels_it_learns_from(workplace: Workplace, deployed: None) -> None:
    before = len(retrainings(workplace))
    early = replace(TARGET, cur=math.nan, labelled_cur=0.4, reason="2024-03-31: pending, 40% labelled", pending=True)
    act(stormy("deployment", name="late", target=early))
    assert len(retrainings(workplace)) == before
    act(stormy("deployment", name="late"))
    assert len(retrainings(workplace)) == before + 1


def test_another_champion_may_be_retrained_on_the_same_pair(workplace: Workplace, deployed: None) -> None:
    before = len(retrainings(workplace))
    run = stormy("deployment", name="served")
    for version in ("1", "1", "2", "2"):
        act(replace(run, performance=replace(run.performance, version=version)))
    assert len(retrainings(workplace)) == before + 2


@pytest.fixture(scope="module")
def champion(workplace: Workplace, confirmed: Runs, cooling: Runs) -> str:
    """A champion that was trained on the newest month."""
    from flows.train_flow import train_month

    return train_month(MAR, monitor="churn").registered.version


def test_a_champion_of_a_later_month_leaves_the_pair_to_a_probe_and_holds_it_back(
    workplace: Workplace, monitors: None, champion: str, cooling: Runs
) -> None:
    from flows.monitor import monitor_month

    run = monitor_month(JAN, FEB, monitor="cooling")
    assert run.performance.measured and run.performance.version is None and run.performance.trained_on == JAN
    assert run.drift.prediction is None, "there are no scores of a champion"
    assert cooling.feb.decision.triggered
    assert run.decision.held_back == "the champion was trained on 2024-03-31 and knows this shift"
    assert run.performance.passed_over is not None
    assert run.performance.gain.code is NoGain.CHAMPION_KNOWS and cooling.feb.performance.gain.computed
    known = replace(run.performance, passed_over=None, gain=cooling.feb.performance.gain)
    assert known == cooling.feb.performance


def test_a_champion_is_not_measured_on_the_month_it_was_trained_on(
    workplace: Workplace, monitors: None, champion: str
) -> None:
    """It replaced no other, so that a probe answers; the drop is not hidden by what the champion has learnt."""
    from driftgate.reports.text import performance_line
    from flows.monitor import monitor_month

    run = monitor_month(FEB, MAR, monitor="churn")
    assert run.performance.version is None and run.performance.trained_on == FEB
    assert run.performance.drop_interval[0] > 0.05
    line = performance_line(run.performance)
    assert line.startswith("[Performance] champion=none (probe) ref_auc=")
    assert line.endswith(f" (v{champion} not measured: the champion was trained on this month)")


@pytest.fixture(scope="module")
def of_february(workplace: Workplace, champion: str) -> str:
    """A champion that may be measured on the newest month."""
    from flows.runtime.environment import Runtime
    from flows.train_flow import train_month

    version = train_month(FEB, monitor="churn").registered.version
    artifacts = Runtime.from_environment().settings.mlflow_artifacts
    registry = ModelRegistry(workplace.parameters, artifacts, "streamflow_churn")
    registry.promote(version)
    registry.close()
    return version


def test_a_champion_whose_files_are_gone_gives_no_verdict_and_takes_none_back(
    workplace: Workplace, monitors: None, of_february: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The months are as they were when the earlier verdict was reached, so it still holds."""
    from flows.monitor import monitor_month

    query = text("SELECT * FROM monitor_runs WHERE monitor = 'churn'")
    with workplace.engine.connect() as connection:
        before = connection.execute(query).all()
    monkeypatch.setenv("MLFLOW_ARTIFACTS", str(tmp_path))
    with pytest.raises(ConfigurationError, match=f"version {of_february} has no file") as caught:
        monitor_month(FEB, MAR, monitor="churn")
    assert "MLFLOW_ARTIFACTS" in caught.value.remedy
    with workplace.engine.connect() as connection:
        assert before and connection.execute(query).all() == before
    assert workplace.flow_run("churn: 2024-02-29 vs 2024-03-31")["state_type"] == "FAILED"
    # No model is touched where performance is off.
    run = monitor_month(FEB, MAR, monitor="covariates")
    assert run.performance.state is PerformanceState.OFF and run.drift.prediction is None
    assert not [line for line in result_lines(run) if "Performance" in line]
    assert [signal.name for signal in run.decision.signals] == ["drift_share"]


@pytest.mark.parametrize(
    ("spoil", "mend", "state"),
    [
        ("RENAME COLUMN watch_hours_30d TO gone", "RENAME COLUMN gone TO watch_hours_30d", "missing"),
        (
            "ALTER COLUMN watch_hours_30d TYPE text USING watch_hours_30d::text || ' h'",
            "ALTER COLUMN watch_hours_30d TYPE double precision USING rtrim(watch_hours_30d, ' h')::double precision",
            "retyped",
        ),
    ],
)
def test_a_champion_that_lost_a_feature_is_not_measured_and_there_is_a_verdict(
    workplace: Workplace, monitors: None, of_february: str, spoil: str, mend: str, state: str
) -> None:
    from flows.monitor import monitor_month

    with workplace.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE usage_agg_30d_snapshots {spoil}"))
    try:
        run = monitor_month(FEB, MAR, monitor="lenient")
    finally:
        with workplace.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE usage_agg_30d_snapshots {mend}"))
    assert run.drift.worst_first[0].name == "watch_hours_30d" and run.drift.worst_first[0].state == state
    assert run.performance.state is PerformanceState.NOT_COMPUTABLE
    why = f"not computable: champion v{of_february} reads features that are absent or retyped: watch_hours_30d"
    assert run.performance.reason == why and f"[Performance] {why}" in result_lines(run)
    assert run.decision.signalled and f"auc_drop {why}" in run.decision.reasons


def test_what_happened_a_year_before_too_is_no_news(workplace: Workplace, monitors: None, sample: Path) -> None:
    from flows.monitor import monitor_month
    from flows.runtime.environment import Runtime

    # With the months of the year before, a March as this one is there already.
    then = [(folder, day.replace(year=2023, day=28)) for folder, day in month_folders(sample) if day in (FEB, MAR)]
    for folder, day in then:
        ingest_month(workplace.engine, SOURCE_TABLES, folder, day)
    runtime = Runtime.from_environment()
    monitor = read_monitor(runtime.settings.driftgate_monitors, "covariates")
    runtime.landing(monitor, print).land([day for _, day in then])
    decision = monitor_month(FEB, MAR, monitor="covariates", notify=False, reports=Reports.NONE).decision
    assert decision.signals[0].reached and (decision.label, decision.held_back_code) == ("NO_ACTION", HeldBack.SEASONAL)
    assert decision.held_back == "seasonal: against 2023-03-28, a year before, drift_share=0.00 < 0.30"
