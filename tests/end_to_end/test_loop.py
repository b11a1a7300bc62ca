"""The loop closed: a model is trained and serves, a month drifts, a challenger takes over, and the alarm is silent."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from driftgate.errors import UsageError
from driftgate.features.online import materialize_month
from driftgate.monitors import read_monitor
from driftgate.performance.promotion import ModelComparison
from driftgate.run import Run
from driftgate.training.registry.models import ModelRegistry
from flows.runtime.environment import Runtime, feature_worker
from flows.runtime.local_server import free_port
from tests.workplace import Workplace

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


@dataclass
class Callers:
    """Two callers who ask without a pause; what they were answered."""

    url: str
    user: str
    stop: threading.Event = field(default_factory=threading.Event)
    versions: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def ask(self) -> dict[str, Any]:
        body = json.dumps({"user_id": self.user}).encode()
        request = urllib.request.Request(f"{self.url}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.versions.append(self.ask()["model_version"])
            except (OSError, urllib.error.HTTPError) as error:
                self.failures.append(str(error))
            time.sleep(0.1)

    def wait_for(self, version: str) -> None:
        deadline = time.monotonic() + 120
        while version not in self.versions[-5:]:
            assert time.monotonic() < deadline, (self.versions[-5:], self.failures[-5:])
            time.sleep(0.1)


@contextmanager
def service(user: str) -> Iterator[Callers]:
    """The prediction service as `driftgate serve` starts it, under load from when it is ready."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "serve", "--port", str(port)],
        env={**os.environ, "API_POLL_SECONDS": "0.5", "API_ACCESS_LOG": "false"},
    )
    callers = Callers(f"http://127.0.0.1:{port}", user)
    threads = [threading.Thread(target=callers.run) for _ in range(2)]
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                callers.ask()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.2)
        for thread in threads:
            thread.start()
        yield callers
    finally:
        callers.stop.set()
        for thread in threads:
            if thread.is_alive():
                thread.join()
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Story:
    """What happened, in order."""

    calm: Run
    stormy: Run
    comparison: ModelComparison
    again: Run
    callers: Callers


def registry(workplace: Workplace) -> ModelRegistry:
    runtime = Runtime.from_environment()
    return ModelRegistry(workplace.parameters, runtime.settings.mlflow_artifacts, "streamflow_churn")


@pytest.fixture(scope="module")
def story(workplace: Workplace) -> Iterator[Story]:
    from flows.monitor import monitor_month
    from flows.retrain_flow import train_and_compare
    from flows.train_flow import train_month

    runtime = Runtime.from_environment()
    monitor = read_monitor(runtime.settings.driftgate_monitors, "churn")
    materialize_month(feature_worker(workplace.parameters), workplace.engine, monitor, runtime.settings.feast_repo)
    with workplace.engine.connect() as connection:
        user = connection.execute(text("SELECT min(user_id) FROM users")).scalar_one()
    train_month(JAN)
    with service(user) as callers:
        callers.wait_for("1")
        calm, stormy = monitor_month(JAN, FEB), monitor_month(FEB, MAR)
        comparison = train_and_compare(MAR)
        callers.wait_for(comparison.challenger)
        again = monitor_month(FEB, MAR)
        callers.stop.set()
        yield Story(calm, stormy, comparison, again, callers)


def test_the_calm_month_needs_nothing_and_the_next_triggers_on_what_the_model_knows(story: Story) -> None:
    assert story.calm.decision.label == "NO_ACTION"
    assert story.calm.performance.version == "1"
    assert story.stormy.decision.label == "RETRAINING_TRIGGERED (SIMULATED)"
    reached = {signal.name for signal in story.stormy.decision.signals if signal.reached}
    assert reached == {"drift_share", "auc_drop"}
    assert story.stormy.performance.version == "1"
    assert story.stormy.performance.drop_interval[0] > 0.1
    assert story.stormy.performance.relations[0].lost > 0.1


def test_the_scores_are_one_more_column_and_not_counted(story: Story) -> None:
    calm, stormy = story.calm.drift.prediction, story.stormy.drift.prediction
    assert calm is not None and stormy is not None
    assert not calm.drifted and stormy.drifted
    assert len(story.stormy.drift.columns) == 14
    assert "prediction" not in {item.name for item in story.stormy.drift.columns}
    assert "The model's own scores have moved" in story.stormy.paths.page.read_text()


def test_the_page_says_the_verdict(story: Story) -> None:
    assert "Nothing to do: the model ranks as well as it did" in story.calm.paths.html.read_text()
    page = story.calm.paths.page.read_text()
    assert "NO_ACTION" in page and "drift_share=0.07 &lt; 0.30" in page


def test_the_challenger_takes_over_and_no_request_fails(story: Story) -> None:
    assert story.comparison.promote and story.comparison.champion == "1"
    assert story.comparison.measures["auc"].low > 0
    assert story.callers.failures == []
    assert set(story.callers.versions) == {"1", story.comparison.challenger}
    switch = story.callers.versions.index(story.comparison.challenger)
    # Two callers: an answer that was under way may come after the first of the new version.
    assert set(story.callers.versions[switch + 2 :]) == {story.comparison.challenger}
    assert len(story.callers.versions) > 50


def test_the_same_pair_does_not_trigger_a_second_time(story: Story) -> None:
    decision = story.again.decision
    assert decision.label == "NO_ACTION" and decision.signalled
    assert decision.held_back == "the champion was trained on 2024-03-31 and knows this shift"
    # The model of before answers, since the champion has learnt from this very month.
    found = story.again.performance
    assert found.version == "1" and found.drop == story.stormy.performance.drop
    passed_over = found.passed_over
    assert passed_over is not None and passed_over.version == story.comparison.challenger
    assert passed_over.text == f"v{passed_over.version} not measured: the champion was trained on this month"


def test_rollback_moves_the_alias_back_and_forth_again(story: Story, workplace: Workplace) -> None:
    versions = registry(workplace)
    assert versions.champion() == story.comparison.challenger
    assert versions.rollback() == "1"
    assert versions.champion() == "1"
    versions.promote(story.comparison.challenger)
    assert versions.champion() == story.comparison.challenger


def test_a_retraining_that_gains_nothing_promotes_nothing(story: Story, workplace: Workplace) -> None:
    from flows.retrain_flow import train_and_compare

    same = train_and_compare(MAR)
    assert not same.promote and "same data" in same.reason
    assert registry(workplace).champion() == story.comparison.challenger


def test_a_challenger_is_judged_by_users_whom_neither_has_seen(story: Story, workplace: Workplace) -> None:
    from flows.retrain_flow import train_and_compare

    # By another seed most validation users of the one were training users of the other; 80 of 2,000 are left.
    other = train_and_compare(MAR, seed=7)
    assert not other.promote and "entities that neither has seen" in other.reason
    assert 40 < other.entities < 120
    assert registry(workplace).champion() == story.comparison.challenger


def test_a_month_before_the_champions_own_is_refused(story: Story, workplace: Workplace) -> None:
    from flows.retrain_flow import train_and_compare

    with pytest.raises(UsageError, match="trained on 2024-03-31, which is later"):
        train_and_compare(FEB)


def test_the_tables_and_the_artifact_hold_the_performance(story: Story, workplace: Workplace) -> None:
    query = "SELECT * FROM monitor_runs WHERE as_of_cur = :day"
    with workplace.engine.connect() as connection:
        row = connection.execute(text(query), {"day": FEB}).mappings().one()
    assert (row["champion_version"], row["performance_state"]) == ("1", "measured")
    assert row["auc_drop"] == pytest.approx(story.calm.performance.drop)
    assert row["auc_drop_low"] <= row["auc_drop"] <= row["auc_drop_high"]
    assert (row["labelled_share_ref"], row["labelled_share_cur"]) == (1.0, 1.0)
    run = workplace.flow_run("churn: 2024-02-29 vs 2024-03-31")
    found = workplace.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    verdict = next(item for item in found if item["key"].startswith("verdict"))
    assert "the earlier model v1" in verdict["data"] and "not measured: the champion was trained on" in verdict["data"]
    assert "What each feature alone says about the label" in verdict["data"]


def test_the_decision_is_an_event(story: Story, workplace: Workplace) -> None:
    deadline = time.monotonic() + 60
    wanted = {"driftgate.decision.retrain", "driftgate.decision.no_action"}
    while True:
        found = workplace.ask("events/filter", filter={"event": {"prefix": ["driftgate."]}}, limit=50)["events"]
        if wanted <= {item["event"] for item in found}:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    event = next(item for item in found if item["event"] == "driftgate.decision.retrain")
    assert event["resource"]["prefect.resource.id"] == "driftgate.monitor.churn"
    assert event["payload"]["as_of_cur"] == "2024-03-31"


@pytest.mark.slow
def test_the_demo_tells_the_same_story(
    story: Story, sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the months that are loaded here, asking the service that runs here; the last test, because it promotes."""
    from flows import demo

    monkeypatch.setenv("DRIFTGATE_DATA", "what the demo sets")
    monkeypatch.setattr(demo, "write_sample_months", lambda out, months: shutil.copytree(sample, out))
    monkeypatch.setattr(demo, "_service", lambda: nullcontext(story.callers.url))
    demo.run_demo(Runtime.from_environment())
    calm, drifted, retraining = re.split(r"={100}\n [123] of 3 ", capsys.readouterr().out)[1:]
    assert re.search(r"-> +churn probability 0\.\d\d by model version 1\n", calm) and "-> NO_ACTION" in calm
    assert "-> RETRAINING_TRIGGERED (SIMULATED)" in drifted and "Furthest moved: " in drifted
    challenger = story.comparison.challenger
    assert f"[Contest] champion=v1 challenger=v{challenger}" in retraining
    assert f"by model version {challenger}\n" in retraining and "-> NO_ACTION" in retraining
    assert "Try next:" in retraining
