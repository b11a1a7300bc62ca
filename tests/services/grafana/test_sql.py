"""The SQL of every panel, on a real PostgreSQL, as the role that Grafana uses."""

import json
import re
from typing import Any

import pytest

from driftgate.database import ConnectionParameters
from driftgate.reports.workspace import project_id, snapshot_id
from tests.reports.runs import FEBRUARY, JANUARY
from tests.services.grafana.asking import answer_of, as_grafana_asks, ask
from tests.services.grafana.dashboards import DASHBOARDS, SQL, panel_of


@pytest.mark.parametrize(("name", "panel", "target"), SQL)
def test_a_panel_s_sql_returns_what_the_panel_draws(
    tables: ConnectionParameters, name: str, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    names, rows = ask(tables, as_grafana_asks(target["rawSql"], name))
    assert rows
    assert any(value is not None for row in rows for value in row)
    if target["format"] == "time_series":
        assert names[0] == "time"
        assert [row[0] for row in rows] == sorted(row[0] for row in rows), "Grafana wants times in order"
        numbers = [
            value for row in rows for column, value in zip(names, row, strict=True) if column not in ("time", "metric")
        ]
        assert any(value is not None for value in numbers)
        names = sorted({*names, *(row[names.index("metric")] for row in rows)}) if "metric" in names else names
    if panel["type"] == "barchart":
        assert panel["options"]["xField"] == names[0]
    for change in panel.get("transformations", []):
        if change["id"] == "groupingToMatrix":
            assert {change["options"][key] for key in ("columnField", "rowField", "valueField")} == set(names)
    shaded = re.findall(r'"custom.fillBelowTo", "value": "([^"]+)"', json.dumps(panel["fieldConfig"]))
    assert set(shaded) <= set(names)
    for override in panel["fieldConfig"]["overrides"]:
        kind, wanted = override["matcher"]["id"], override["matcher"]["options"]
        assert kind in ("byName", "byRegexp", "byType")
        if kind == "byName":
            assert wanted in names
        if kind == "byRegexp":
            assert any(re.search(wanted, column) for column in names)


@pytest.mark.parametrize(("name", "panel", "target"), SQL)
def test_before_the_first_run_a_panel_is_empty_and_not_broken(
    no_rows: ConnectionParameters, name: str, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    _, rows = ask(no_rows, as_grafana_asks(target["rawSql"], name).replace("'churn'", "''"))
    assert all(value in (None, 0) or panel["type"] == "barchart" for row in rows for value in row)


def test_scores_of_all_methods_are_read_as_times_their_threshold(tables: ConnectionParameters) -> None:
    title = "How far each feature is from its threshold, by month"
    cells = {(row["feature"], row["month"]): row["times"] for row in answer_of(tables, "drift", title)}
    assert cells["f00", "2024-03-31"] == pytest.approx(5.0)
    assert cells["f01", "2024-04-30"] is None


def test_the_links_are_those_of_the_reports_and_of_the_evidently_ui(tables: ConnectionParameters) -> None:
    constants = {item["name"]: item["query"] for item in DASHBOARDS["drift"]["templating"]["list"] if "query" in item}
    sql = panel_of("drift", "Runs and their reports")["targets"][0]["rawSql"]
    sql = sql.replace("${report_root:sqlstring}", "'/reports/'")
    names, rows = ask(tables, as_grafana_asks(sql, "drift"))
    links = [dict(zip(names, row, strict=True)) for row in rows]
    assert links[-1]["Report"] == "drift_2024-01-31_vs_2024-02-29.html"
    wanted = f"projects/{project_id('churn')}/reports/{snapshot_id('churn', JANUARY, FEBRUARY)}"
    assert links[-1]["Evidently"] == wanted
    assert constants["report_root"].endswith("/")


def test_every_score_is_in_one_of_the_ten_ranges(tables: ConnectionParameters) -> None:
    rows = answer_of(tables, "predictions", "Scores in ten ranges")
    assert len(rows) == 10
    assert sum(row["predictions"] for row in rows) == 60
    assert (rows[0]["score"].split(), rows[-1]["score"].split()) == (["0.0", "to", "0.1"], ["0.9", "to", "1.0"])


def test_the_variable_lists_the_monitors(tables: ConnectionParameters) -> None:
    (variable,) = (item for item in DASHBOARDS["drift"]["templating"]["list"] if item["name"] == "monitor")
    assert ask(tables, variable["query"])[1] == [("churn",)]
