"""Databases with and without runs and predictions, and a Prometheus that scrapes what the services expose."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from sqlalchemy import Engine, insert

from driftgate.database import ConnectionParameters, connect
from driftgate.decision import History
from driftgate.predictions.log import Prediction, prediction_monitoring, save_predictions
from driftgate.store.tables import save_run
from services.database.roles import READER, set_up_roles
from tests.conftest import new_database
from tests.reports.runs import (
    APRIL,
    FEBRUARY,
    JANUARY,
    MARCH,
    PENDING,
    PENDING_TARGET,
    column,
    finished,
    lost,
    measured,
)
from tests.services.daemons import free_port, program, running
from tests.services.database.stack import PASSWORDS, without_roles
from tests.services.grafana.asking import NOW, answers, wait_for_rows

PREFECT_DATABASE = "prefect_of_dashboards"


@pytest.fixture(scope="module")
def server_without_roles(server: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """The server; the roles, which belong to no single database, are dropped afterwards."""
    with without_roles(server, PREFECT_DATABASE):
        yield server


@pytest.fixture(scope="module")
def tables(server_without_roles: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """A database after four runs, one held back and the newest pending, and a few minutes of predictions."""
    with new_database(server_without_roles) as parameters:
        make(parameters, fill)
        yield replace(parameters, user=READER)


@pytest.fixture
def empty(server_without_roles: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """A database before the first run, as the owner of its tables."""
    with new_database(server_without_roles) as parameters:
        make(parameters, lambda _: None)
        yield parameters


@pytest.fixture
def no_rows(empty: ConnectionParameters) -> ConnectionParameters:
    """A database before the first run, as Grafana reads it."""
    return replace(empty, user=READER)


def make(parameters: ConnectionParameters, fill: Callable[[Engine], None]) -> None:
    """Create the tables and the roles, and fill the tables."""
    engine = connect(parameters)
    set_up_roles(parameters, PASSWORDS, PREFECT_DATABASE)
    fill(engine)
    engine.dispose()


def fill(engine: Engine) -> None:
    scores = [column("prediction", score) for score in (0.02, 0.3, 0.05)]
    runs = [
        finished(target_threshold=0.05, performance=measured(0.82, 0.81), prediction=scores[0]),
        finished(
            column("f00", 0.5),
            column("f01"),
            months=(FEBRUARY, MARCH),
            performance=measured(0.82, 0.5),
            prediction=scores[1],
        ),
        finished(
            column("f00", 0.5),
            column("f01"),
            months=(JANUARY, MARCH),
            performance=measured(0.64, 0.55, version="2"),
            history=History(champion_trained_on=MARCH),
            decided_at=datetime(2024, 4, 1, 13, tzinfo=UTC),
        ),
        finished(
            column("f00", 0.2),
            lost("f01"),
            months=(MARCH, APRIL),
            target=PENDING_TARGET,
            performance=PENDING,
            prediction=scores[2],
            retrain="off",
        ),
    ]
    for run in runs:
        save_run(engine, run)
    save_predictions(engine, [prediction(n) for n in range(60)])
    batches = [
        {"batch_id": uuid.uuid4(), "time": NOW, "as_of": day, "model_version": "2", "count": 7043, "mean": 0.26}
        | {"p05": 0.02, "p50": 0.2, "p95": 0.8, "positive_share": 0.2}
        for day in (JANUARY, FEBRUARY, MARCH)
    ]
    with engine.begin() as connection:
        connection.execute(insert(prediction_monitoring), batches)


def prediction(n: int) -> Prediction:
    probability = n / 59
    batch = n % 2 == 0
    return Prediction(
        prediction_id=uuid.uuid4(),
        time=NOW - timedelta(seconds=10 * n + 5),
        source="batch" if batch else "api",
        entity_key=f"u{n}",
        prediction=int(probability >= 0.5),
        probability=probability,
        model_version=str(1 + n % 3),
        as_of=MARCH if batch else None,
    )


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scrapes the exporters every second and has one alert that fires."""
    binary = program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    with ExitStack() as stack:
        configure(folder, Exporters(stack).ports)
        url = f"http://127.0.0.1:{free_port()}"
        command = [
            binary,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={url.removeprefix('http://')}",
        ]
        stack.enter_context(running(command, folder / "log", f"{url}/-/ready"))
        wait_for_rows(lambda: answers(f"{url}/api/v1", "query", query='ALERTS{alertstate="firing"}'))
        yield f"{url}/api/v1"


def configure(folder: Path, ports: dict[str, int]) -> None:
    """Write the configuration of a Prometheus that scrapes a port for each job."""
    rule = {"alert": "ModelResultHigh", "expr": "model_result > 0.9", "labels": {"severity": "warning"}}
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "mock", "rules": [rule]}]}))
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [
            {"job_name": job, "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for job, port in ports.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


class Exporters:
    """What Prometheus scrapes, with counters that go on counting."""

    def __init__(self, stack: ExitStack) -> None:
        jobs = {job: CollectorRegistry() for job in ("api", "pushgateway", "model_mock", "alertmanager")}
        self.ports: dict[str, int] = {}
        self._live = api_metrics(jobs["api"])
        flow_metrics(jobs["pushgateway"])
        Gauge("model_result", "of the mock", registry=jobs["model_mock"]).set(0.95)
        sent = Counter("alertmanager_notifications", "sent", ["integration"], registry=jobs["alertmanager"])
        failed = Counter("alertmanager_notifications_failed", "not", ["integration"], registry=jobs["alertmanager"])
        self._live.append(lambda: (sent.labels("webhook").inc(), failed.labels("webhook").inc()))
        for job, registry in jobs.items():
            server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            self.ports[job] = server.server_port
        done = threading.Event()
        counting = threading.Thread(target=self._count, args=(done,))
        counting.start()
        stack.callback(counting.join)
        stack.callback(done.set)

    def _count(self, done: threading.Event) -> None:
        while not done.wait(0.1):
            for tick in self._live:
                tick()


def api_metrics(registry: CollectorRegistry) -> list[Callable[[], Any]]:
    labels = ["route", "method", "status"]
    requests = Counter("api_requests", "r", labels, registry=registry)
    latency = Histogram("api_request_latency_seconds", "l", labels, registry=registry)
    predictions = Counter("api_predictions", "p", ["model_version", "prediction"], registry=registry)
    probability = Histogram("api_predicted_probability", "p", buckets=[n / 10 for n in range(1, 11)], registry=registry)
    reads = Histogram("api_feature_read_seconds", "f", registry=registry)
    dropped = Counter("api_prediction_log_dropped", "d", registry=registry)
    Gauge("api_requests_in_flight", "f", registry=registry).set(2)
    Gauge("api_prediction_log_queued", "q", registry=registry).set(3)
    Gauge("api_model_info", "m", ["model", "version"], registry=registry).labels("streamflow_churn", "3").set(1)

    def tick() -> None:
        for status in ("200", "404", "500"):
            requests.labels("/predict", "POST", status).inc()
            latency.labels("/predict", "POST", status).observe(0.02)
        predictions.labels("3", "1").inc()
        probability.observe(0.35)
        reads.observe(0.001)
        dropped.inc()

    return [tick]


def flow_metrics(registry: CollectorRegistry) -> None:
    group = ["job", "flow", "monitor"]
    values = {
        "driftgate_last_success_timestamp_seconds": time.time(),
        "driftgate_last_run_failed": 0,
        "driftgate_run_duration_seconds": 20,
    }
    for name, value in values.items():
        Gauge(name, "n", group, registry=registry).labels("driftgate", "monitor_month", "churn").set(value)
