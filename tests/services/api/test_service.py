"""From nothing to ready, from one champion to the next, and what a bad one changes."""

import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from sqlalchemy import text

from driftgate.database import connect
from driftgate.errors import ConfigurationError, DatabaseUnavailableError
from driftgate.features.online import materialize_month
from driftgate.features.types import feast_environment
from driftgate.features.worker import FeatureWorker
from driftgate.supervision.part import is_up
from driftgate.training.model import TrainedModel
from driftgate.training.registry.models import ModelRegistry
from tests.conftest import FEATURE_REPO, new_database
from tests.services.api.conftest import CHURN, MODEL, MONTH, THRESHOLD, Month, Versions, live, make_service, wait_for
from tests.services.api.test_metrics import scrape
from tests.services.api.test_routes import problem

Serve = Callable[..., httpx.Client]


class Held(Versions):
    """A registry that gives a model only once it is told to."""

    release = threading.Event()

    def load(self, version: str) -> TrainedModel:
        self.release.wait()
        return super().load(version)


def test_while_it_loads_the_champion_it_is_not_up_and_afterwards_it_can_answer(serve: Serve, month: Month) -> None:
    client = serve(Held(month.versions().models, "1"), ready=False)
    url = str(client.base_url.join("/ready"))
    assert client.get("/health").status_code == 200
    assert problem(client.get("/ready"), 503)["starting"] is True and not is_up(url)
    Held.release.set()
    deadline = time.monotonic() + 60
    while not is_up(url):
        assert time.monotonic() < deadline
    assert client.get("/ready").status_code == 200


def test_nobody_waits_for_a_service_that_waits_for_a_person(serve: Serve, month: Month) -> None:
    client = serve(month.versions(champion=None), ready=False)
    deadline = time.monotonic() + 60
    while not is_up(str(client.base_url.join("/ready"))):
        assert time.monotonic() < deadline
    body = problem(client.get("/ready"), 503)
    assert body["starting"] is False and "driftgate train" in body["reasons"][0]


def test_it_waits_for_a_model_and_then_serves_it(serve: Serve, month: Month) -> None:
    versions = month.versions(champion=None)
    client = serve(versions, ready=False)
    assert client.get("/health").json() == {"status": "alive"}
    deadline = time.monotonic() + 60
    while True:
        answer = client.get("/ready")
        reasons = problem(answer, 503)["reasons"]
        assert int(answer.headers["retry-after"]) >= 1
        if len(reasons) == 1 and "driftgate train" in reasons[0]:
            break
        assert time.monotonic() < deadline, reasons
    answer = client.post("/predict", json={"user_id": month.users[0]})
    assert "/ready" in problem(answer, 503)["detail"] and answer.headers["retry-after"]
    assert client.get(f"/features/{month.users[0]}").status_code == 200
    versions.now = "1"
    ready = wait_for(client, "/ready", 200).json()
    served = {"model": MODEL, "model_version": "1", "as_of": str(MONTH), "threshold": THRESHOLD}
    assert ready == {"status": "ready", **served}
    assert client.post("/predict", json={"user_id": month.users[0]}).status_code == 200


def test_a_promoted_version_is_served_without_a_failed_request(serve: Serve, month: Month) -> None:
    versions = month.versions()
    client = serve(versions)
    user = month.users[0]
    [first], [second] = month.probabilities("1", [user]), month.probabilities("2", [user])
    assert first != second
    seen: list[tuple[int, str, float]] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            while not stop.is_set():
                answer = own.post("/predict", json={"user_id": user})
                body = answer.json()
                seen.append((answer.status_code, body["model_version"], body["probability"]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for version in ("2", "1", "2"):
            at = len(seen)
            versions.now = version
            deadline = time.monotonic() + 30
            while not any(item[1] == version for item in seen[at:]) or len(seen) < at + 50:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(seen) == {(200, "1", first), (200, "2", second)}
    deadline = time.monotonic() + 30
    while True:
        info = {where: value for (name, where), value in scrape(client).items() if name == "api_model_info"}
        if info == {(("model", MODEL), ("version", "2")): 1}:
            break
        assert time.monotonic() < deadline, info


def test_a_promotion_in_the_real_registry_is_picked_up(serve: Serve, month: Month, registered: ModelRegistry) -> None:
    registered.promote("1")
    client = serve(registered)
    assert client.get("/ready").json()["model_version"] == "1"
    registered.promote("2")
    deadline = time.monotonic() + 30
    while client.get("/ready").json()["model_version"] != "2":
        assert time.monotonic() < deadline
    [expected] = month.probabilities("2", month.users[:1])
    assert client.post("/predict", json={"user_id": month.users[0]}).json()["probability"] == expected
    registered.promote("1")


class Failing(Versions):
    """A registry some of whose answers are errors, which a real one gives only when it is broken."""

    fault: Exception | None = None
    broken: tuple[str, ...] = ()
    asked = 0

    def champion(self) -> str | None:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return self.now

    def load(self, version: str) -> TrainedModel:
        if version in self.broken:
            raise ConfigurationError("the file is another than was registered")
        return self.models[version]

    def wait(self) -> None:
        """Until it was asked twice more."""
        asked, deadline = self.asked, time.monotonic() + 30
        while self.asked < asked + 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_bad_champion_leaves_the_one_before_in_service(serve: Serve, month: Month) -> None:
    versions = Failing({version: month.model(version) for version in "12"}, "1")
    lacking = TrainedModel(MODEL, "3", ("no_such_feature",), month.pipelines[0])
    versions.models["3"] = lacking
    client = serve(versions)
    body = {"user_id": month.users[0]}
    versions.broken = ("2",)
    for version in ("2", "3"):
        versions.now = version
        versions.wait()
        assert client.post("/predict", json=body).json()["model_version"] == "1"
        assert client.get("/ready").status_code == 200
    versions.fault = DatabaseUnavailableError("away")
    versions.wait()
    assert client.post("/predict", json=body).json()["model_version"] == "1"
    versions.fault, versions.broken, versions.now = None, (), "2"
    deadline = time.monotonic() + 30
    while client.post("/predict", json=body).json()["model_version"] != "2":
        assert time.monotonic() < deadline


def test_a_first_champion_that_cannot_be_loaded_is_told_of(serve: Serve, month: Month) -> None:
    versions = Failing({"1": month.model("1")}, "1")
    versions.broken = ("1",)
    client = serve(versions, ready=False)
    deadline = time.monotonic() + 60
    while "ConfigurationError" not in str(problem(client.get("/ready"), 503)["reasons"]):
        assert time.monotonic() < deadline
    versions.broken = ()
    wait_for(client, "/ready", 200)


@pytest.fixture
def empty(month: Month, server: object, _loaded_template: object) -> Iterator[Month]:
    """A month that is loaded, and not in the online store."""
    with new_database(server, _loaded_template.dbname) as parameters, pytest.MonkeyPatch.context() as patch:
        for name, value in feast_environment(parameters).items():
            patch.setenv(name, value)
        engine = connect(parameters)
        yield Month(parameters, engine, month.rows, month.inputs, month.pipelines)
        engine.dispose()


def test_without_a_month_it_is_not_ready_and_nobody_is_unknown(empty: Month) -> None:
    with live(make_service(empty, empty.versions())) as client:
        deadline = time.monotonic() + 60
        while True:
            reasons = problem(client.get("/ready"), 503)["reasons"]
            if len(reasons) == 1 and "driftgate materialize" in reasons[0]:
                break
            assert time.monotonic() < deadline, reasons
        answer = client.post("/predict", json={"user_id": empty.users[0]})
        assert "no month" in problem(answer, 503)["detail"]
        with FeatureWorker(empty.parameters) as worker:
            materialize_month(worker, empty.engine, CHURN, FEATURE_REPO)
        assert wait_for(client, "/ready", 200).json()["as_of"] == str(MONTH)
        assert client.post("/predict", json={"user_id": empty.users[0]}).status_code == 200
        with empty.engine.begin() as connection:
            connection.execute(text("UPDATE streamflow_usage_agg_30d_fv SET event_ts = '2024-01-31 00:00+00'"))
        answer = client.post("/predict", json={"user_id": empty.users[0]})
        assert "several months" in problem(answer, 503)["detail"]
