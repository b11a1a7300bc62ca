"""The whole path, on a real Prefect server, a real PostgreSQL and a real Feast registry."""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from driftgate.errors import ConfigurationError, UnknownMonthError
from driftgate.planning import Request
from driftgate.reports.text import decision_line, target_line
from driftgate.run import Run
from flows.runtime.environment import Runtime
from tests.workplace import Workplace

MONTHS = [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]


@pytest.fixture(scope="module")
def runs(workplace: Workplace) -> dict[str, Run]:
    """Both pairs of months, and the second again with a bar that nothing reaches."""
    from flows.monitor import monitor_month

    return {
        "calm": monitor_month(MONTHS[0], MONTHS[1]),
        "stormy": monitor_month(),
        "again": monitor_month(threshold=1.0),
    }


def test_two_pairs_end_in_two_verdicts(runs: dict[str, Run], workplace: Workplace) -> None:
    calm, stormy = runs["calm"], runs["stormy"]
    assert calm.decision.label == "NO_ACTION"
    assert (calm.drift.as_of_ref, calm.drift.as_of_cur) == (MONTHS[0], MONTHS[1])
    assert calm.drift.drift_share == 1 / 14
    assert stormy.decision.label == "RETRAINING_TRIGGERED (SIMULATED)"
    assert (stormy.drift.as_of_ref, stormy.drift.as_of_cur) == (MONTHS[1], MONTHS[2])
    assert stormy.target.abs_diff > calm.target.abs_diff
    assert calm.performance.measured and calm.performance.drop < 0.05
    assert stormy.performance.measured and stormy.performance.drop_interval[0] > 0.05
    assert stormy.performance.version is None, "there is no champion, so a probe was trained"
    record = json.loads((workplace.reports / "decision_2024-01-31_vs_2024-02-29.json").read_text())
    assert record["declared_features"] == len(record["columns"]) == 14
    assert record["verdict"] == "NO_ACTION"


def test_a_rerun_replaces_the_run_before(runs: dict[str, Run], workplace: Workplace) -> None:
    with workplace.engine.connect() as connection:
        found = connection.execute(
            text("SELECT verdict, drift_share, threshold, decided_at FROM monitor_runs ORDER BY as_of_cur")
        ).all()
        columns = connection.execute(text("SELECT count(*) FROM monitor_columns")).scalar_one()
    assert [row[:3] for row in found] == [
        ("NO_ACTION", 1 / 14, 0.3),
        ("RETRAINING_TRIGGERED (SIMULATED)", runs["stormy"].drift.drift_share, 1.0),
    ]
    assert found[1].decided_at == runs["again"].decided_at > runs["stormy"].decided_at
    assert columns == 28
    scores = [
        {item.name: (item.score, item.chance) for item in runs[name].drift.columns} for name in ("again", "stormy")
    ]
    assert scores[0] == scores[1], "the same data give the same result"
    assert runs["again"].paths == runs["stormy"].paths
    record = json.loads(runs["again"].paths.record.read_text())
    assert [reason.split("=")[0] for reason in record["reasons"]] == ["auc_drop", "drift_share"]


def test_nothing_is_left_behind(runs: dict[str, Run], workplace: Workplace) -> None:
    names = {path.name for path in workplace.reports.iterdir()}
    reports = {
        path.name
        for run in runs.values()
        for path in (run.paths.html, run.paths.json, run.paths.record, run.paths.page)
    }
    assert names == reports | {"index.html", "monitor.html"}
    assert list((Path(workplace.environment["DRIFTGATE_HOME"]) / "scratch").rglob("run-*")) == []


def test_the_artifacts_show_the_verdict_and_the_columns(runs: dict[str, Run], workplace: Workplace) -> None:
    keys = ["verdict-churn-2024-01-31-2024-02-29", "columns-churn-2024-01-31-2024-02-29"]
    run = workplace.flow_run("churn: 2024-01-31 vs 2024-02-29")
    found = workplace.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    by_key = {item["key"]: item for item in found}
    assert set(by_key) == set(keys) and len(found) == 2
    verdict, columns = (by_key[key] for key in keys)
    assert verdict["type"] == "markdown"
    assert verdict["data"].startswith("# Nothing to do: ") and "`NO_ACTION`" in verdict["data"]
    assert "drift_share=0.07 < 0.30" in verdict["data"]
    rows = json.loads(columns["data"])
    assert [row["feature"] for row in rows] == [item.name for item in runs["calm"].drift.worst_first]
    assert rows[0]["drifted by"] == "values" and {row["drifted by"] for row in rows[1:]} == {"-"}


def test_every_step_of_a_good_run_is_in_prefect(runs: dict[str, Run], workplace: Workplace) -> None:
    run = workplace.flow_run("churn: 2024-01-31 vs 2024-02-29")
    assert run["state_type"] == "COMPLETED"
    assert run["parameters"]["as_of_ref"] == "2024-01-31"
    steps = workplace.ask("task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    assert len(steps) == 22
    assert {step["run_count"] for step in steps} == {1}
    log = workplace.logs(run, until="[Evidently] report_html=")
    assert target_line(runs["calm"].target) in log
    assert decision_line(runs["calm"]) in log


def test_a_plan_is_taken_as_it_is(runs: dict[str, Run], workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import monitor_steps
    from flows.monitor import monitor_planned
    from flows.planning import prepare, resolve_plan

    def never(*_: object) -> None:
        raise AssertionError("resolved a second time")

    runtime = Runtime.from_environment()
    plan = resolve_plan(runtime, Request(MONTHS[0], MONTHS[1]))
    prepare(runtime, plan)
    monkeypatch.setattr(monitor_steps, "resolve_plan", never)
    run = monitor_planned(plan)
    assert (run.drift, run.decision) == (runs["calm"].drift, runs["calm"].decision)
    found = workplace.flow_run("churn: 2024-01-31 vs 2024-02-29")
    assert found["parameters"]["plan"]["cur"] == {"as_of": "2024-02-29", "entities": 2000, "compared": 2000}
    assert not {"plan", "prepare"} & set(workplace.task_runs(found))


def test_a_failed_run_is_failed_in_prefect_without_a_traceback_or_a_retry(
    workplace: Workplace, capfd: pytest.CaptureFixture[str]
) -> None:
    from flows.monitor import monitor_month

    with pytest.raises(UnknownMonthError, match="2020-01-31"):
        monitor_month(as_of_ref=date(2020, 1, 31))
    run = workplace.flow_run("churn: 2020-01-31 vs newest")
    assert run["state_type"] == "FAILED"
    steps = workplace.task_runs(run)
    assert [(name, step["state_type"], step["run_count"]) for name, step in steps.items()] == [("plan", "FAILED", 1)]
    log = workplace.logs(run, until="Finished in state Failed")
    assert "no month is loaded for as_of 2020-01-31" in log
    assert "2024-03-31, 2024-02-29, 2024-01-31" in log
    assert "Traceback" not in log
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_session_that_is_ended_in_the_middle_is_tried_again(workplace: Workplace, runs: dict[str, Run]) -> None:
    from flows.monitor import monitor_month

    waiting = text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
        "AND application_name = 'driftgate'"
    )
    with ThreadPoolExecutor(1) as pool, workplace.engine.connect() as lock:
        lock.exec_driver_sql("LOCK TABLE labels")

        def end_one_session() -> bool:
            deadline = time.monotonic() + 60
            with workplace.engine.connect() as look:
                while (pid := look.execute(waiting).scalars().first()) is None:
                    look.rollback()
                    assert time.monotonic() < deadline, "nobody asked for labels"
                    time.sleep(0.05)
                ended = look.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()
            lock.rollback()
            return bool(ended)

        ended = pool.submit(end_one_session)
        run = monitor_month(MONTHS[0], MONTHS[1])
        assert ended.result()
    assert run.drift == runs["calm"].drift and run.target == runs["calm"].target
    flow_run = workplace.flow_run("churn: 2024-01-31 vs 2024-02-29")
    steps = workplace.ask("task_runs/filter", flow_runs={"id": {"any_": [flow_run["id"]]}})
    counts = {step["name"]: step["run_count"] for step in steps}
    assert sorted(counts[f"labels-{month}"] for month in MONTHS[:2]) == [1, 2]
    assert sum(counts.values()) == len(counts) + 1
    assert "Traceback" not in workplace.logs(flow_run, until="[Evidently] report_html=")


CHURN = """
[churn]
feature_service = "churn_v1"
report_folder = "other"
[churn.entity]
table = "subscriptions_profile_snapshots"
key = "user_id"
timestamp = "as_of"
[churn.label]
"""


@pytest.fixture
def label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "monitors.toml"
    monkeypatch.setenv("DRIFTGATE_MONITORS", str(path))
    return path


def test_labels_that_are_not_keyed_by_period_give_no_number(label: Path, workplace: Workplace) -> None:
    from flows.monitor import monitor_month

    label.write_text(CHURN + 'table = "labels"\ncolumn = "churn_label"\n')
    run = monitor_month(MONTHS[0], MONTHS[1])
    assert math.isnan(run.target.abs_diff) and not run.target.computable
    line = target_line(run.target)
    assert line.startswith("[Target drift] ref_rate=nan cur_rate=nan abs_diff=nan (")
    assert "not keyed by period" in line
    assert " -> NO_ACTION drift_share=0.07 < 0.30, auc_drop not computable: " in decision_line(run)
    assert decision_line(run).endswith(" (target_drift=nan)")
    record = json.loads(run.paths.record.read_text())
    assert record["target"]["abs_diff"] is None and "not keyed by period" in record["target"]["reason"]
    with workplace.engine.connect() as connection:
        found = connection.execute(
            text("SELECT target_drift, target_reason FROM monitor_runs WHERE as_of_cur = :day"), {"day": MONTHS[1]}
        ).one()
    assert found.target_drift is None and "not keyed by period" in found.target_reason


def test_a_wrong_configuration_is_not_tried_again(label: Path, workplace: Workplace) -> None:
    from flows.monitor import monitor_month

    label.write_text(CHURN + 'table = "users"\ncolumn = "signup_date"\nkey = "user_id"\ntimestamp = "signup_date"\n')
    with pytest.raises(ConfigurationError, match="signup_date is of type date"):
        monitor_month(MONTHS[0], MONTHS[1])
    flow_run = workplace.flow_run("churn: 2024-01-31 vs 2024-02-29")
    assert flow_run["state_type"] == "FAILED"
    steps = workplace.ask("task_runs/filter", flow_runs={"id": {"any_": [flow_run["id"]]}})
    counts = {step["name"]: step["run_count"] for step in steps if step["name"].startswith("labels")}
    assert set(counts.values()) == {1}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "churn: two newest months"),
        ({"as_of_cur": "2024-03-31"}, "churn: month before vs 2024-03-31"),
        ({"as_of_ref": "2024-01-31"}, "churn: 2024-01-31 vs newest"),
        ({"as_of_ref": "2024-01-31", "as_of_cur": "2024-03-31", "monitor": "own"}, "own: 2024-01-31 vs 2024-03-31"),
    ],
)
def test_a_run_is_named_for_what_it_was_asked(
    given: dict[str, str], name: str, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.runtime import flow_run

    from flows import monitor

    monkeypatch.setattr(flow_run, "parameters", given, raising=False)
    assert monitor._run_name() == name


def test_a_verdict_that_no_longer_holds_is_withdrawn(runs: dict[str, Run], workplace: Workplace) -> None:
    """The last test of this module, because it spoils a month."""
    from driftgate.errors import IncomparableColumnsError
    from flows.monitor import monitor_month

    calm = runs["calm"].paths
    assert calm.record.exists() and calm.html.exists()
    with workplace.engine.begin() as connection:
        connection.execute(text("UPDATE usage_agg_30d_snapshots SET watch_hours_30d = NULL WHERE as_of = '2024-02-29'"))
    with pytest.raises(IncomparableColumnsError):
        monitor_month(MONTHS[0], MONTHS[1])

    with workplace.engine.connect() as connection:
        for table in ("monitor_runs", "monitor_columns"):
            count = text(f"SELECT count(*) FROM {table} WHERE as_of_cur = :day")
            assert connection.execute(count, {"day": MONTHS[1]}).scalar_one() == 0
    assert not any(path.exists() for path in (calm.record, calm.html, calm.json, calm.page))
