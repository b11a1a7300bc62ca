"""A served month, trained models, and real uvicorn servers around them, in this process or in others."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
import sklearn
import uvicorn
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters, connect
from driftgate.features.online import materialize_month
from driftgate.features.types import FeatureRequest, feast_environment
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import read_monitor
from driftgate.predictions.spool import Spool
from driftgate.training.features import ModelFeature, model_features
from driftgate.training.model import TrainedModel
from driftgate.training.pipeline import PARAMETERS, fit_pipeline
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.registry.versions import Training
from services.api.app import create_app, log_engine
from services.api.protocol import BoundedProtocol
from services.api.service import Service
from services.api.settings import ApiSettings
from tests.conftest import FEATURE_REPO, ROOT, new_database, user_environment

MONTH = date(2024, 3, 31)
MODEL = "streamflow_churn"
# Of every version; another than that of versions without one.
THRESHOLD = 0.3
CHURN = read_monitor(ROOT / "flows" / "monitors.toml", "churn")
DEADLINE_SECONDS = 120


@dataclass
class Versions:
    """A registry in memory, for tests that are about the API."""

    models: dict[str, TrainedModel] = field(default_factory=dict)
    now: str | None = None

    def champion(self) -> str | None:
        """The version that was put there."""
        return self.now

    def load(self, version: str) -> TrainedModel:
        """One of the models."""
        return self.models[version]


@dataclass(frozen=True)
class Month:
    """A database whose online store holds MONTH, and what the point-in-time join says of it.

    Attributes:
        rows: features by user.
        inputs: of the models.
        pipelines: two, fitted on the month with different seeds.
    """

    parameters: ConnectionParameters
    engine: Engine
    rows: dict[str, dict[str, Any]]
    inputs: tuple[ModelFeature, ...]
    pipelines: tuple[Any, Any]

    @property
    def users(self) -> list[str]:
        return list(self.rows)

    def model(self, version: str) -> TrainedModel:
        """Version 1 or 2; others are the same as one of them."""
        names = tuple(item.name for item in self.inputs)
        return TrainedModel(MODEL, version, names, self.pipelines[(int(version) - 1) % 2], threshold=THRESHOLD)

    def probabilities(self, version: str, users: list[str]) -> list[float]:
        """As the model gives them on the offline features."""
        columns = {item.name: [self.rows[user][item.name] for user in users] for item in self.inputs}
        return self.model(version).scores(columns).tolist()

    def versions(self, champion: str | None = "1") -> Versions:
        return Versions({version: self.model(version) for version in "12"}, champion)


@pytest.fixture(scope="session")
def month(
    server: ConnectionParameters, _loaded_template: ConnectionParameters, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Month]:
    """The third sample month, served."""
    with new_database(server, _loaded_template.dbname) as parameters, pytest.MonkeyPatch.context() as patch:
        # What Feast's repository is filled from in this process.
        for name, value in feast_environment(parameters).items():
            patch.setenv(name, value)
        engine = connect(parameters)
        path = tmp_path_factory.mktemp("offline") / "month.arrow"
        with FeatureWorker(parameters) as worker:
            request = FeatureRequest(FEATURE_REPO, CHURN, worker.measure_month(FEATURE_REPO, CHURN, MONTH), None, path)
            inputs = model_features(worker.read_month(request))
            materialize_month(worker, engine, CHURN, FEATURE_REPO)
        rows = {row.pop("user_id"): row for row in pa.ipc.open_file(pa.memory_map(str(path))).read_all().to_pylist()}
        columns = {item.name: [row[item.name] for row in rows.values()] for item in inputs}
        with engine.connect() as connection:
            query = text("SELECT user_id, churn_label FROM labels WHERE period_start = :day")
            labels = dict(connection.execute(query, {"day": MONTH}).all())
        target = np.array([int(labels[user]) for user in rows])
        # The second learns the opposite, so that their answers are told apart.
        pipelines = tuple(fit_pipeline(columns, goal, inputs, seed=0) for goal in (target, 1 - target))
        yield Month(parameters, engine, rows, inputs, pipelines)
        engine.dispose()


def open_reader(month: Month) -> Callable[[], Any]:
    """What a service opens its reader with."""

    def run() -> Any:
        from driftgate.features import online_adapter

        return online_adapter.open_reader(FEATURE_REPO, CHURN.feature_service, CHURN.entity.feast_key)

    return run


def make_service(
    month: Month,
    versions: Any,
    parameters: ConnectionParameters | None = None,
    spool: Spool | None = None,
    **settings: Any,
) -> Service:
    """A service on the month's database."""
    chosen = ApiSettings(**{"poll_seconds": 0.1, "log_flush_seconds": 0.05, **settings})
    engine = log_engine(parameters or month.parameters, chosen)
    return Service(chosen, versions, open_reader(month), engine, CHURN.entity.feast_key, spool=spool)


@contextmanager
def live(service: Service, hosts: str = "") -> Iterator[httpx.Client]:
    """A uvicorn server of this process, and a client of it; not yet ready."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(service, hosts),
            http=BoundedProtocol,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
            timeout_keep_alive=30,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as client:
                wait_for(client, "/health", 200)
                yield client
        finally:
            server.should_exit = True
            thread.join()


def wait_for(client: httpx.Client, path: str, status: int) -> httpx.Response:
    """Ask until the status is that one."""
    answer = None
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            answer = client.get(path)
            if answer.status_code == status:
                return answer
        time.sleep(0.05)
    raise AssertionError(f"{path} is not {status}: {answer and answer.text}")


@pytest.fixture(scope="session")
def client(month: Month) -> Iterator[httpx.Client]:
    """A server that is ready, for tests that only ask."""
    with live(make_service(month, month.versions())) as client:
        wait_for(client, "/ready", 200)
        yield client


@pytest.fixture
def serve(month: Month) -> Iterator[Callable[..., httpx.Client]]:
    """Start servers of the test's own: `serve(versions, ready=True, **settings)`."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(versions: Any = None, ready: bool = True, **settings: Any) -> httpx.Client:
            client = stack.enter_context(live(make_service(month, versions or month.versions(), **settings)))
            if ready:
                wait_for(client, "/ready", 200)
            return client

        yield start


@dataclass(frozen=True)
class Command:
    """A `driftgate serve` process."""

    process: "subprocess.Popen[str]"
    client: httpx.Client
    log: Path


@pytest.fixture(scope="session")
def registered(month: Month, tmp_path_factory: pytest.TempPathFactory) -> ModelRegistry:
    """A champion in the real registry."""
    folder = tmp_path_factory.mktemp("registered")
    registry = ModelRegistry(month.parameters, folder, MODEL)
    for seed, pipeline in enumerate(month.pipelines):
        training = Training(
            "churn",
            MONTH,
            seed,
            0.2,
            "f" * 64,
            month.inputs,
            PARAMETERS,
            {"auc": 0.8},
            9,
            9,
            0,
            sklearn.__version__,
            threshold=THRESHOLD,
        )
        example = {item.name: [row[item.name] for row in list(month.rows.values())[:5]] for item in month.inputs}
        registry.register(training, pipeline, example)
    return registry


@pytest.fixture
def command(month: Month, registered: ModelRegistry, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start `driftgate serve` as a user would, ready."""
    started: list[Command] = []

    def start(*arguments: str, **variables: str) -> Command:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            **user_environment(month.parameters, tmp_path),
            "MLFLOW_ARTIFACTS": str(registered.artifacts),
            "API_POLL_SECONDS": "0.2",
            **variables,
        }
        log = tmp_path / f"{port}.log"
        line = [sys.executable, "-m", "flows.cli", "serve", "--port", str(port), *arguments]
        with log.open("w") as output:
            process = subprocess.Popen(line, env=environment, cwd=ROOT, stdout=output, stderr=output, text=True)
        made = Command(process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60), log)
        started.append(made)
        try:
            wait_for(made.client, "/ready", 200)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text()[-3000:]}") from error
        return made

    yield start
    for made in started:
        made.client.close()
        made.process.terminate()
        made.process.wait(timeout=60)


def logged(engine: Engine, **where: Any) -> list[Any]:
    """Rows of the table `predictions`."""
    conditions = " AND ".join(f"{name} = :{name}" for name in where) or "true"
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT * FROM predictions WHERE {conditions}"), where).mappings())


def other_database(month: Month, name: str) -> ConnectionParameters:
    """A database of another name on the same server."""
    return replace(month.parameters, dbname=name)
