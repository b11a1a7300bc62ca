"""The configuration of Prometheus and Alertmanager, checked by their own tools, and the alerts against the runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from driftgate.pushgateway import METRICS
from tests.services.daemons import ROOT, SERVICES, program

PROMETHEUS = SERVICES / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
API_METRICS = {
    "api_requests_total",
    "api_request_latency_seconds_bucket",
    "api_request_latency_seconds_count",
    "api_prediction_log_dropped_total",
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


ALERTS: list[dict[str, Any]] = [rule for path in RULES for group in load(path)["groups"] for rule in group["rules"]]
NAMES = sorted({alert["alert"] for alert in ALERTS})


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def test_the_configuration_is_valid() -> None:
    checked = run(program("promtool"), "check", "config", PROMETHEUS / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rule files found" in checked.stdout


def test_the_rules_pass_the_linter() -> None:
    checked = run(program("promtool"), "check", "rules", "--lint=all", "--lint-fatal", *RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alertmanager_takes_its_configuration(tmp_path: Path) -> None:
    amtool = program("amtool")
    committed = SERVICES / "alertmanager" / "alertmanager.yml"
    checked = run(amtool, "check-config", committed)
    if "field url_file not found" in checked.stdout + checked.stderr:
        # The amtool of Debian 12 (0.25) knows addresses, but not yet files with addresses in them.
        plain = tmp_path / "alertmanager.yml"
        plain.write_text(re.sub(r"url_file: \S+", "url: http://127.0.0.1/", committed.read_text()))
        checked = run(amtool, "check-config", plain)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 receivers" in checked.stdout
    assert "1 inhibit rules" in checked.stdout


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_every_alert_fires_stays_silent_and_ends(path: Path) -> None:
    tested = run(program("promtool"), "test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def _expectations(name: str) -> list[list[bool]]:
    """For each unit test of an alert, whether it is expected to fire, in the order of time."""
    return [
        [bool(item["exp_alerts"]) for item in case["alert_rule_test"] if item["alertname"] == name]
        for path in UNIT_TESTS
        for case in load(path)["tests"]
        if any(item["alertname"] == name for item in case["alert_rule_test"])
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_unit_test_in_which_it_comes_and_goes(name: str) -> None:
    assert [False, True, False] in [_turns(case) for case in _expectations(name)]


def _turns(case: list[bool]) -> list[bool]:
    return [now for before, now in zip([None, *case], case, strict=False) if now is not before]


@pytest.mark.parametrize("expression", ["vector(0) > 1", "vector(1)"], ids=["never", "always"])
@pytest.mark.parametrize("index", range(len(ALERTS)), ids=lambda index: f"{ALERTS[index]['alert']}-{index}")
def test_the_unit_tests_notice_a_rule_that_is_wrong(index: int, expression: str, tmp_path: Path) -> None:
    promtool = program("promtool")
    wrong = ALERTS[index]
    (tmp_path / "rules").mkdir()
    for path in RULES:
        document = load(path)
        for group in document["groups"]:
            for rule in group["rules"]:
                if rule == wrong:
                    rule["expr"] = expression
        (tmp_path / "rules" / path.name).write_text(yaml.safe_dump(document))
    shutil.copytree(PROMETHEUS / "tests", tmp_path / "tests")
    files = [
        path
        for path in sorted((tmp_path / "tests").glob("*.yml"))
        if f"alertname: {wrong['alert']}" in path.read_text()
    ]
    assert files
    assert any(run(promtool, "test", "rules", path).returncode for path in files)


def test_the_alerts_are_those_that_were_agreed() -> None:
    assert set(NAMES) == {
        "DriftShareHigh",
        "TargetDriftHigh",
        "PerformanceDrop",
        "RetrainingBringsNoGain",
        "PromotedWithWarning",
        "MonitorFailed",
        "MonitorStale",
        "ColumnMissingOrNull",
        "FeatureSkew",
        "ApiDown",
        "ApiErrorRate",
        "ApiLatencyHigh",
        "PredictionLogDropping",
        "ModelResultHigh",
    }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_says_how_grave_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["for"]
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    base, _, link = alert["annotations"]["runbook_url"].partition("}}")
    assert base == "{{ $externalLabels.docs "
    path, _, anchor = link.partition("#")
    assert anchor == alert["alert"].lower()
    headings = re.findall(r"^## (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.M)
    assert anchor in [heading.strip().lower().replace(" ", "-") for heading in headings]


def test_the_runbook_has_no_section_without_an_alert() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.M)
    assert sorted(headings) == NAMES


def test_the_rules_read_metrics_that_exist() -> None:
    for alert in ALERTS:
        read = set(re.findall(r"\b(?:driftgate|api)_[a-z_0-9]+", alert["expr"]))
        assert read <= set(METRICS) | API_METRICS, alert["alert"]


def test_every_part_is_scraped() -> None:
    jobs = {job["job_name"]: job for job in load(PROMETHEUS / "prometheus.yml")["scrape_configs"]}
    targets = {name: job["static_configs"][0]["targets"] for name, job in jobs.items()}
    assert targets == {
        "api": ["api:8000"],
        "pushgateway": ["pushgateway:9091"],
        "model_mock": ["modelmock:5001"],
        "prometheus": ["localhost:9090"],
        "alertmanager": ["alertmanager:9093"],
    }
    assert jobs["pushgateway"]["honor_labels"] is True
    assert jobs["model_mock"]["scrape_interval"] == "5s"
    assert load(PROMETHEUS / "prometheus.yml")["global"]["scrape_interval"] == "10s"


def test_each_severity_has_its_route_and_ends_are_told() -> None:
    config = load(SERVICES / "alertmanager" / "alertmanager.yml")
    receivers = {item["name"]: item["webhook_configs"] for item in config["receivers"]}
    assert config["route"]["receiver"] == "warning"
    assert {"alertname", "monitor", "instance"} <= set(config["route"]["group_by"])
    assert [(route["matchers"], route["receiver"]) for route in config["route"]["routes"]] == [
        (['severity="critical"'], "critical")
    ]
    for name, (webhook,) in receivers.items():
        assert webhook["send_resolved"] is True
        assert webhook["url_file"] == f"/etc/alertmanager/addresses/{name}"
        assert (SERVICES / "alertmanager" / "addresses" / name).read_text().startswith("http://alert-log:8080/")
