"""The automation that retrains on an event, on a Prefect server with its triggers on; and the wait for approval."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from driftgate.errors import UnknownMonthError
from flows.runtime.local_server import LocalServer
from tests.conftest import ROOT
from tests.workplace import Workplace

pytestmark = pytest.mark.slow

# Its own process: Prefect sends events to the server whose address it saw first.
SCRIPT = """
import json, math, sys
from dataclasses import replace
from datetime import date
from driftgate.decision import Policy, decide
from driftgate.errors import ConfigurationError
from flows.automations import make_automation
from flows.deploy import deploy
from flows.retrain_action import announce
from prefect.automations import Automation
from tests.reports.runs import FEBRUARY, MARCH, TARGET, column, finished

def run(name, retrain, target=TARGET, score=0.9):
    made = finished(column("fee", score), name=name, retrain=retrain, target=target, months=(FEBRUARY, MARCH))
    return replace(made, decision=decide(made.drift, made.target, Policy(0.3, retrain=retrain)))

said = {}
try:
    make_automation(False)
except ConfigurationError as error:
    said["refused"] = str(error)
sys.stdout, out = sys.stderr, sys.stdout
deploy("pool")
made = [make_automation(True), make_automation(False)]
said["ids"] = [str(item.id) for item in made]
switched_off = Automation.read(name=made[0].name)
switched_off.disable()
make_automation(False)
said["stays off"] = not Automation.read(name=made[0].name).enabled
switched_off.enable()
early = replace(TARGET, cur=math.nan, labelled_cur=0.4, reason="pending, 40% labelled", pending=True)
announce(run("early", "off", early))
announce(run("told", "simulated"))
announce(run("calm", "off", score=0.01))
announce(run("quiet-1", "off"))
out.write(json.dumps(said))
"""

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def triggering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(
        PREFECT_HOME=str(tmp_path_factory.mktemp("prefect-with-triggers")),
        PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED="true",
    ) as started:
        started.wait()
        yield started


@pytest.fixture(scope="module")
def ask(triggering: LocalServer) -> Ask:
    def post(what: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{triggering.url}/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    return post


@pytest.fixture(scope="module")
def said(triggering: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = {
        **os.environ,
        "PREFECT_API_URL": triggering.url,
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect-of-the-script")),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def until(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 120
    while not (result := found()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return result


def test_without_the_deployment_it_says_how_to_make_it(said: dict[str, Any]) -> None:
    assert "no deployment train_and_compare/retrain-model" in said["refused"]
    assert "python -m flows.deploy" in said["refused"]


def test_made_again_it_is_still_one_and_stays_switched_off(said: dict[str, Any], ask: Ask) -> None:
    (automation,) = ask("automations/filter")
    assert said["ids"] == [automation["id"]] * 2 and said["stays off"]
    assert automation["enabled"], "it was switched on again by hand"


def test_an_event_of_a_monitor_that_is_off_starts_the_deployment(said: dict[str, Any], ask: Ask) -> None:
    """The last of four events; those before it are of labels that are pending, of a simulation, and of a calm month."""

    def begun() -> Any:
        return ask("flow_runs/filter", flow_runs={"deployment_id": {"is_null_": False}})

    until(begun, "no run of the deployment")

    def all_arrived() -> bool:
        events = ask("events/filter", filter={"event": {"prefix": ["driftgate."]}}, limit=50)["events"]
        return len(events) == 4

    until(all_arrived, "not every event arrived")
    # Events are worked off in order, so that the earlier ones would have started theirs before.
    (run,) = begun()
    assert run["parameters"] == {"as_of": "2024-03-31", "monitor": "quiet-1"}
    (deployment,) = ask("deployments/filter", deployments={"name": {"any_": ["retrain-model"]},
                        "id": {"any_": [run["deployment_id"]]}})  # fmt: skip
    assert deployment["entrypoint"] == "flows.retrain_flow.train_and_compare"


def test_with_approval_it_is_the_flow_that_waits(said: dict[str, Any], triggering: LocalServer, ask: Ask) -> None:
    environment = {**os.environ, "PREFECT_API_URL": triggering.url}
    command = [sys.executable, "-m", "flows.automations", "--approval"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[Automation] Driftgate: retrain on a trigger\n"
    (automation,) = ask("automations/filter")
    (action,) = automation["actions"]
    (deployment,) = ask("deployments/filter", deployments={"id": {"any_": [action["deployment_id"]]}})
    assert deployment["entrypoint"] == "flows.retrain_flow.retrain_after_approval"


def test_after_approval_it_goes_on_and_not_before(workplace: Workplace, tmp_path: Path) -> None:
    """A month that is not loaded shows that it goes on, and saves the training."""
    from flows.retrain_flow import retrain_after_approval

    ended: list[BaseException] = []

    def wait_and_go_on() -> None:
        try:
            retrain_after_approval(date(2020, 1, 31), "churn", 1.0)
        except UnknownMonthError as error:
            ended.append(error)

    def waiting() -> Any:
        runs = workplace.ask("flow_runs/filter", flows={"name": {"any_": ["retrain_after_approval"]}})
        return next((run for run in runs if run["state_type"] == "PAUSED"), None)

    thread = threading.Thread(target=wait_and_go_on)
    thread.start()
    paused = until(waiting, "it does not wait")

    def compared() -> Any:
        return workplace.ask("flow_runs/filter", flow_runs={"parent_flow_run_id": {"any_": [paused["id"]]}})

    assert compared() == [] and not ended
    workplace.ask(f"flow_runs/{paused['id']}/resume")
    thread.join(timeout=120)
    assert len(ended) == 1 and "2020-01-31" in str(ended[0])
    (run,) = compared()
    assert run["parameters"]["as_of"] == "2020-01-31" and run["parameters"]["monitor"] == "churn"
