"""Grafana's provisioning as the tests read it: dashboards, panels, queries and data sources."""

import json
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

PROVISIONING = ROOT / "services" / "grafana" / "provisioning"
FILES = sorted((PROVISIONING / "dashboards" / "json").glob("*.json"))
DASHBOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
DATASOURCES = {
    item["uid"]: item
    for item in yaml.safe_load((PROVISIONING / "datasources" / "driftgate.yml").read_text(encoding="utf-8"))[
        "datasources"
    ]
}
# A row is a heading: it asks nothing.
DRAWN = [
    (name, panel) for name, dashboard in DASHBOARDS.items() for panel in dashboard["panels"] if panel["type"] != "row"
]
PANELS = [pytest.param(name, panel, id=f"{name}-{panel['title']}") for name, panel in DRAWN]
TARGETS = [
    pytest.param(name, panel, target, id=f"{name}-{panel['title']}-{target['refId']}")
    for name, panel in DRAWN
    for target in panel["targets"]
]
SQL = [item for item in TARGETS if item.values[2]["datasource"]["uid"] == "postgres"]
PROMQL = [item for item in TARGETS if item.values[2]["datasource"]["uid"] == "prometheus"]


def panel_of(name: str, title: str) -> dict[str, Any]:
    return next(panel for panel in DASHBOARDS[name]["panels"] if panel["title"] == title)
