"""Alerts from end to end: real Prometheus, Alertmanager and Pushgateway, a webhook receiver, fired and resolved.

The configuration is the committed one; only addresses and lengths of time are changed, so that a test takes seconds.
"""

import json
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from driftgate.drift.result import ColumnState
from driftgate.performance.result import Change, Performance, PerformanceState
from driftgate.pushgateway import MONITOR_FLOW, push_failure, push_monitor_run
from driftgate.run import Run
from tests.reports.runs import column, finished
from tests.services.daemons import SERVICES, free_port, program, pushgateway, running, wait_until

PROMETHEUS = SERVICES / "prometheus"
DOCS = "https://example.org/driftgate/"
# Longer than ApiDown's, so that the API is known to be down when it would be sent.
SLOW = {"PredictionLogDropping": "8s"}


@dataclass
class Receiver:
    """The webhook: what was sent to which path."""

    port: int
    alerts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def got(self, status: str, path: str, **labels: str) -> list[dict[str, Any]]:
        return [
            alert
            for where, alert in list(self.alerts)
            if where == path and alert["status"] == status and labels.items() <= alert["labels"].items()
        ]

    def expect(self, status: str, path: str, **labels: str) -> dict[str, Any]:
        wait_until(f"{status} {labels} at {path}; got {self.alerts}", lambda: self.got(status, path, **labels))
        return self.got(status, path, **labels)[0]


@dataclass
class Stack:
    prometheus: str
    alertmanager: str
    pushgateway: str
    api_port: int
    receiver: Receiver

    def query(self, expression: str) -> list[dict[str, Any]]:
        found = get(f"{self.prometheus}/api/v1/query?query={quote(expression)}")
        return list(found["data"]["result"])


class Api:
    """What Prometheus sees of the API: its metrics by their agreed names."""

    def __init__(self, port: int) -> None:
        registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self.requests = Counter("api_requests", "Requests", labels, registry=registry)
        self.latency = Histogram("api_request_latency_seconds", "Latency", labels, registry=registry)
        self.dropped = Counter("api_prediction_log_dropped", "Dropped", registry=registry)
        for status in ("200", "503"):
            self.requests.labels("/predict", "POST", status)
            self.latency.labels("/predict", "POST", status)
        self._server, self._thread = start_http_server(port, addr="127.0.0.1", registry=registry)

    def answer(self, status: str, times: int) -> None:
        self.requests.labels("/predict", "POST", status).inc(times)
        for _ in range(times):
            self.latency.labels("/predict", "POST", status).observe(0.004)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def get(url: str) -> Any:
    with urlopen(url, timeout=10) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    seen = Receiver(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.alerts += [(self.path, alert) for alert in message["alerts"]]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


def prometheus_config(folder: Path, targets: dict[str, str]) -> Path:
    """The committed configuration with other addresses and shorter times."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] |= {name: "1s" for name in config["global"] if name != "external_labels"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [targets["alertmanager"]]
    for job in config["scrape_configs"]:
        job["static_configs"][0]["targets"] = [targets[job["job_name"]]]
        for name in {"scrape_interval", "scrape_timeout"} & set(job):
            job[name] = "1s"
    (folder / "rules").mkdir()
    for path in (PROMETHEUS / "rules").glob("*.yml"):
        rules = yaml.safe_load(path.read_text())
        for group in rules["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                if not rule["for"].endswith("d"):
                    rule["for"] = SLOW.get(rule["alert"], "2s")
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules))
    target = folder / "prometheus.yml"
    target.write_text(yaml.safe_dump(config))
    return target


def alertmanager_config(folder: Path, receiver: Receiver) -> Path:
    """The committed configuration with the receiver's address for both files, and shorter times."""
    text = (SERVICES / "alertmanager" / "alertmanager.yml").read_text()
    text = re.sub(r"url_file: /etc/alertmanager/addresses/(\w+)", rf"url: http://127.0.0.1:{receiver.port}/\1", text)
    text, changed = re.subn(r"(group_wait|group_interval): \w+", r"\1: 1s", text)
    assert changed == 4
    target = folder / "alertmanager.yml"
    target.write_text(text)
    return target


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("alerts")
    docs = pytest.MonkeyPatch()
    docs.setenv("DRIFTGATE_DOCS_URL", DOCS)
    names = ("api", "model_mock", "prometheus", "alertmanager")
    targets = {name: f"127.0.0.1:{free_port()}" for name in names}
    mock_port = targets["model_mock"].rpartition(":")[2]
    with pushgateway(folder) as gateway:
        targets["pushgateway"] = gateway.removeprefix("http://")
        prometheus = [
            program("prometheus"),
            "--enable-feature=expand-external-labels",
            f"--config.file={prometheus_config(folder, targets)}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={targets['prometheus']}",
        ]
        alertmanager = [
            program("prometheus-alertmanager"),
            f"--config.file={alertmanager_config(folder, receiver)}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={targets['alertmanager']}",
            "--cluster.listen-address=",
        ]
        mock = [sys.executable, SERVICES / "modelmock" / "modelmock.py", "--port", mock_port, "--mode", "high"]
        mock += ["--every-seconds", "0.5", "--high-seconds", "15"]
        with (
            running(alertmanager, folder / "alertmanager.log", f"http://{targets['alertmanager']}/-/ready"),
            running(prometheus, folder / "prometheus.log", f"http://{targets['prometheus']}/-/ready"),
            running(mock, folder / "mock.log", f"http://{targets['model_mock']}/metrics"),
        ):
            yield Stack(
                f"http://{targets['prometheus']}",
                f"http://{targets['alertmanager']}",
                gateway,
                int(targets["api"].rpartition(":")[2]),
                receiver,
            )
    docs.undo()


def test_a_stopped_api_is_one_message_and_its_return_is_told(stack: Stack) -> None:
    alerts = stack.receiver
    api = Api(stack.api_port)
    try:
        jobs = {"api", "pushgateway", "model_mock", "prometheus", "alertmanager"}
        wait_until("every job is up", lambda: {item["metric"]["job"] for item in stack.query("up == 1")} == jobs)
        wait_until("scraped at zero", lambda: stack.query('api_requests_total{status="503"}'))
        api.answer("200", 50)
        api.answer("503", 50)
        error = alerts.expect("firing", "/critical", alertname="ApiErrorRate")
        assert error["annotations"]["runbook_url"] == f"{DOCS}docs/runbook.md#apierrorrate"
        assert "docs" not in error["labels"]
        for question in (
            "rate(api_requests_total[5m]) > 0",
            "rate(api_request_latency_seconds_sum[5m]) / rate(api_request_latency_seconds_count[5m])",
            "histogram_quantile(0.95, sum by (le) (rate(api_request_latency_seconds_bucket[5m])))",
            "histogram_quantile(0.99, sum by (le) (rate(api_request_latency_seconds_bucket[5m])))",
        ):
            (value, *_) = [item["value"][1] for item in stack.query(question) if item["value"][1] != "NaN"]
            assert float(value) > 0, question
        api.dropped.inc(7)
        wait_until("the loss is scraped", lambda: stack.query("api_prediction_log_dropped_total == 7"))
    finally:
        api.close()
    down = alerts.expect("firing", "/critical", alertname="ApiDown")
    assert down["labels"]["instance"] == f"127.0.0.1:{stack.api_port}"
    # Both fire in Prometheus still, because their windows reach back to before the stop, and neither is sent.
    for name in ("ApiErrorRate", "PredictionLogDropping"):
        wait_until(f"{name} is inhibited by ApiDown", lambda name=name: inhibited(stack, name))
    assert not alerts.got("firing", "/warning", alertname="PredictionLogDropping")

    back = Api(stack.api_port)
    try:
        alerts.expect("resolved", "/critical", alertname="ApiDown")
    finally:
        back.close()


def inhibited(stack: Stack, name: str) -> bool:
    alerts = get(f"{stack.alertmanager}/api/v2/alerts")
    return any(alert["labels"]["alertname"] == name and alert["status"]["inhibitedBy"] for alert in alerts)


def test_a_model_result_that_stays_high_is_told_until_it_falls(stack: Stack) -> None:
    alert = stack.receiver.expect("firing", "/warning", alertname="ModelResultHigh")
    assert alert["labels"]["severity"] == "warning"
    stack.receiver.expect("resolved", "/warning", alertname="ModelResultHigh")


def fallen(run: Run, drop: float) -> Run:
    """The run with the champion's AUC fallen by so much."""
    chance = 0.001 if drop > 0.03 else 0.2
    measures = {"auc": Change(0.82, 0.82 - drop, -drop - 0.03, -drop + 0.03, chance)}
    return replace(run, performance=Performance(PerformanceState.MEASURED, version="1", measures=measures))


def test_drift_is_told_until_a_run_without_it(stack: Stack) -> None:
    drifted = finished(*(column(f"f{n}", 0.5 if n < 8 else 0.01) for n in range(14)))
    push_monitor_run(stack.pushgateway, fallen(drifted, 0.31), 12.5)
    alert = stack.receiver.expect("firing", "/warning", alertname="DriftShareHigh", monitor="churn")
    assert alert["annotations"]["description"].startswith("57.14%")
    stack.receiver.expect("firing", "/warning", alertname="PerformanceDrop", monitor="churn")

    push_monitor_run(stack.pushgateway, fallen(finished(), 0.01), 12.5)
    stack.receiver.expect("resolved", "/warning", alertname="DriftShareHigh", monitor="churn")
    stack.receiver.expect("resolved", "/warning", alertname="PerformanceDrop", monitor="churn")


def test_a_failed_run_and_the_column_it_lacked_are_told_until_a_run_succeeds(stack: Stack) -> None:
    run = finished(column("fee"), name="billing")
    states = {"fee": ColumnState.MISSING}
    push_failure(stack.pushgateway, MONITOR_FLOW, "billing", 3, states)
    stack.receiver.expect("firing", "/warning", alertname="MonitorFailed", monitor="billing", flow="monitor_month")
    stack.receiver.expect("firing", "/warning", alertname="ColumnMissingOrNull", column="fee", state="missing")

    push_monitor_run(stack.pushgateway, run, 12.5)
    stack.receiver.expect("resolved", "/warning", alertname="MonitorFailed", monitor="billing")
    stack.receiver.expect("resolved", "/warning", alertname="ColumnMissingOrNull", column="fee", state="missing")
