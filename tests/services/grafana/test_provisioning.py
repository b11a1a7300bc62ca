"""Grafana's provisioning without Grafana: the files fit together, and to those of the services beside it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.database.roles import READER
from tests.conftest import ROOT
from tests.services.grafana.dashboards import DASHBOARDS, DATASOURCES, PROMQL, PROVISIONING, SQL


def test_the_issue_s_dashboards_are_there() -> None:
    assert {"api", "drift", "predictions", "modelmock"} <= set(DASHBOARDS)
    assert set(DATASOURCES) == {"prometheus", "postgres"}
    assert len(SQL) > 10
    assert len(PROMQL) > 10


def test_every_dashboard_has_a_uid_of_its_own_and_none_an_id() -> None:
    assert len({item["uid"] for item in DASHBOARDS.values()}) == len(DASHBOARDS)
    for dashboard in DASHBOARDS.values():
        assert "id" not in dashboard
        assert "__inputs" not in dashboard
        assert dashboard["description"]


def test_every_datasource_is_provisioned() -> None:
    def used(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if isinstance(value.get("datasource"), dict):
                yield value["datasource"]
            for item in value.values():
                yield from used(item)
        elif isinstance(value, list):
            for item in value:
                yield from used(item)

    found = [source for dashboard in DASHBOARDS.values() for source in used(dashboard)]
    assert found
    for source in found:
        assert DATASOURCES[source["uid"]]["type"] == source["type"]


def test_every_variable_is_defined() -> None:
    built_in = {"__all", "__rate_interval", "__interval", "__range", "__timeFilter", "__timeGroupAlias", "__value"}
    for name, dashboard in DASHBOARDS.items():
        # A dollar that ends a regular expression is none.
        names = set(re.findall(r"\$\{?([A-Za-z_]+)", json.dumps(dashboard)))
        assert names <= built_in | {item["name"] for item in dashboard["templating"]["list"]}, name


def test_the_password_comes_from_its_file_and_variables_are_expanded_once() -> None:
    text = (PROVISIONING / "datasources" / "driftgate.yml").read_text(encoding="utf-8")
    assert DATASOURCES["postgres"]["secureJsonData"] == {"password": f"$__file{{/run/secrets/{READER}}}"}
    assert DATASOURCES["postgres"]["user"] == READER
    values = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert "${" not in "\n".join(values)


def test_the_dashboards_folder_is_the_one_that_is_mounted() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "driftgate.yml").read_text(encoding="utf-8"))[
        "providers"
    ]
    assert Path(provider["options"]["path"]) == Path("/etc/grafana/provisioning/dashboards/json")
    assert provider["allowUiUpdates"] is False


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafana_s_schema_knows_every_key(name: str) -> None:
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARDS[name])))
    assert list(lost_between(DASHBOARDS[name], again)) == []


def lost_between(given: Any, again: Any, where: str = "") -> Iterator[str]:
    """What was given and did not come back."""
    if isinstance(given, dict) and isinstance(again, dict):
        for key, value in given.items():
            if key in again:
                yield from lost_between(value, again[key], f"{where}/{key}")
            else:
                yield f"{where}/{key}"
    elif isinstance(given, list) and isinstance(again, list) and len(given) == len(again):
        for position, (one, other) in enumerate(zip(given, again, strict=True)):
            yield from lost_between(one, other, f"{where}/{position}")
    elif given != again:
        yield where


def test_prometheus_scrapes_as_often_as_grafana_believes() -> None:
    config = yaml.safe_load((ROOT / "services" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert DATASOURCES["prometheus"]["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    asked = {job for item in PROMQL for job in re.findall(r'job="(\w+)"', item.values[2]["expr"])}
    assert asked
    assert asked <= jobs


def test_every_alert_that_is_named_exists() -> None:
    rules = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "services" / "prometheus" / "rules").glob("*.yml")
    )
    known = set(re.findall(r"alert: (\w+)", rules))
    text = json.dumps(DASHBOARDS)
    named = set(re.findall(r'alertname=\\+"(\w+)', text)) | set(re.findall(r"alert (Api\w+|Model\w+)", text))
    assert named
    assert named <= known
