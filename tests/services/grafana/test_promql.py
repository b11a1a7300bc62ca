"""The PromQL of every panel, on a real Prometheus that scrapes what the services expose."""

import re
import time
from typing import Any

import pytest

from tests.services.grafana.asking import answers, legend, promql, wait_for_rows
from tests.services.grafana.dashboards import DASHBOARDS, PROMQL


@pytest.mark.parametrize(("name", "panel", "target"), PROMQL)
def test_a_panel_s_promql_returns_numbers(
    prometheus: str, name: str, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    expr = promql(target["expr"])

    def found() -> list[Any]:
        if target["instant"]:
            return [item for item in answers(prometheus, "query", query=expr) if item["value"][1] != "NaN"]
        now = time.time()
        series = answers(prometheus, "query_range", query=expr, start=now - 30, end=now, step=1)
        return [item for item in series if any(value != "NaN" for _, value in item["values"])]

    series = wait_for_rows(found)
    # A label that the legend names and the series lacks would be drawn as its bare name.
    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
        assert all(label in item["metric"] for item in series)
    legends = {legend(target["legendFormat"], item["metric"]) for item in series}
    given = {other["legendFormat"] for other in panel["targets"]} | legends | set(series[0]["metric"])
    renamed = {
        new for change in panel.get("transformations", []) for new in change["options"].get("renameByName", {}).values()
    }
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byName":
            assert override["matcher"]["options"] in given | renamed


def test_the_route_variable_lists_the_routes(prometheus: str) -> None:
    (variable,) = DASHBOARDS["api"]["templating"]["list"]
    selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
    assert wait_for_rows(lambda: answers(prometheus, f"label/{label}/values", **{"match[]": selector})) == ["/predict"]
