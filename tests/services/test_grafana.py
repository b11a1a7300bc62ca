"""Grafana's provisioning, without Grafana: the files fit together, and every panel's query returns rows.

The queries run on a real PostgreSQL, as the role that Grafana uses, and on a real Prometheus that scrapes what the
service, the flows, the mock and Alertmanager expose.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from sqlalchemy import Engine, insert, update

from driftgate.database import ConnectionParameters, connect
from driftgate.decision import History
from driftgate.predictions.log import Prediction, prediction_monitoring, save_predictions
from driftgate.reports.workspace import project_id, snapshot_id
from driftgate.run import Run
from driftgate.store.reader import READER, create_reader
from driftgate.store.tables import monitor_runs, save_run
from tests.conftest import ROOT, new_database
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
NOW = datetime.now(UTC)
PROMETHEUS = shutil.which("prometheus")
AUC = "AUC then and now by month"
MODEL = "How the model does on the newest month of each monitor"


# ---- the files


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


@pytest.mark.parametrize("name", ["api", "predictions", "modelmock", "overview"])
def test_what_is_live_shows_the_last_quarter_of_an_hour_every_five_seconds(name: str) -> None:
    assert DASHBOARDS[name]["refresh"] == "5s"
    assert DASHBOARDS[name]["time"] == {"from": "now-15m", "to": "now"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_row_is_open_and_as_wide_as_the_page(name: str) -> None:
    for panel in DASHBOARDS[name]["panels"]:
        if panel["type"] == "row":
            assert panel["title"]
            assert (panel["collapsed"], panel["panels"]) == (False, [])
            assert (panel["gridPos"]["x"], panel["gridPos"]["w"], panel["gridPos"]["h"]) == (0, 24, 1)


def test_the_drift_dashboard_has_its_rows_in_the_order_of_the_questions() -> None:
    panels = sorted(DASHBOARDS["drift"]["panels"], key=lambda panel: panel["gridPos"]["y"])
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == ["Performance", "Features", "Runs"]


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_explains_itself_and_knows_what_to_say_when_empty(name: str, panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 20
    assert panel["title"]
    assert "noValue" in panel["fieldConfig"]["defaults"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


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


def test_secrets_come_from_the_environment_and_are_expanded_once() -> None:
    text = (PROVISIONING / "datasources" / "driftgate.yml").read_text(encoding="utf-8")
    assert DATASOURCES["postgres"]["secureJsonData"] == {"password": "$GRAFANA_DB_PASSWORD"}
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


# ---- PostgreSQL


@pytest.fixture(scope="module")
def tables(server: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """A database after four runs, one held back and the newest pending, and a few minutes of predictions."""
    with new_database(server) as parameters, filled(parameters, fill):
        yield replace(parameters, user=READER)
    drop_reader(server)


@pytest.fixture
def empty(server: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """A database before the first run, as the owner of its tables."""
    with new_database(server) as parameters, filled(parameters, lambda _: None):
        yield parameters


@pytest.fixture
def no_rows(empty: ConnectionParameters) -> ConnectionParameters:
    """A database before the first run, as Grafana reads it."""
    return replace(empty, user=READER)


def keep(owner: ConnectionParameters, *runs: Run) -> ConnectionParameters:
    """Save the runs; gives back who may read them."""
    engine = connect(owner)
    for run in runs:
        save_run(engine, run)
    engine.dispose()
    return replace(owner, user=READER)


@contextmanager
def filled(parameters: ConnectionParameters, fill: Callable[[Engine], None]) -> Iterator[None]:
    engine = connect(parameters)
    create_reader(engine, "any")
    fill(engine)
    engine.dispose()
    yield


def drop_reader(server: ConnectionParameters) -> None:
    admin = connect(server)
    with admin.begin() as connection:
        connection.exec_driver_sql(f"DROP ROLE IF EXISTS {READER}")
    admin.dispose()


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


def as_grafana_asks(sql: str, name: str) -> str:
    """The statement as Grafana sends it: variables first, then macros; see macros.go of its PostgreSQL source."""
    frm = {"now-15m": timedelta(minutes=15), "now-5y": timedelta(days=5 * 365)}[DASHBOARDS[name]["time"]["from"]]
    start, end = ((NOW - ago).isoformat().replace("+00:00", "Z") for ago in (frm, -timedelta(minutes=1)))
    variables = {"monitor": "churn", "__interval": "15s"} | {
        item["name"]: item["query"] for item in DASHBOARDS[name]["templating"]["list"] if item["type"] == "constant"
    }
    for key, value in variables.items():
        sql = sql.replace(f"${{{key}:sqlstring}}", "'" + value.replace("'", "''") + "'").replace(f"${key}", value)
    sql = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN '{start}' AND '{end}'", sql)
    sql = re.sub(r"\$__timeGroupAlias\(([^,]*),15s\)", r'floor(extract(epoch from \1)/15)*15 AS "time"', sql)
    assert "$" not in sql
    return sql


def ask(parameters: ConnectionParameters, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names and rows of an answer."""
    engine = connect(parameters)
    with engine.connect() as connection:
        answer = connection.exec_driver_sql(sql.replace("%", "%%"))
        names, rows = list(answer.keys()), [tuple(row) for row in answer]
    engine.dispose()
    return names, rows


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


def panel_of(name: str, title: str) -> dict[str, Any]:
    return next(panel for panel in DASHBOARDS[name]["panels"] if panel["title"] == title)


def answer_of(tables: ConnectionParameters, name: str, title: str) -> list[dict[str, Any]]:
    names, rows = ask(tables, as_grafana_asks(panel_of(name, title)["targets"][0]["rawSql"], name))
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_the_drift_dashboard_says_what_the_newest_run_decided(tables: ConnectionParameters) -> None:
    (verdict,) = answer_of(tables, "drift", "Last verdict")
    assert verdict["verdict"] == "RETRAINING_TRIGGERED (RETRAIN OFF)"
    assert [tuple(row.values()) for row in answer_of(tables, "drift", "Last decision")] == [
        ("held back", "no"),
        ("reason", "drift_share=1.00 >= 0.30"),
        ("reason", "auc_drop pending, 43% labelled"),
        ("target drift", "2024-04-30: pending, 43% labelled"),
        ("a trigger", "starts nothing (retrain = off)"),
    ]
    assert answer_of(tables, "drift", "Target drift") == [{"target_drift": "pending"}]
    shares = {row["time"].date(): row["drift share"] for row in answer_of(tables, "drift", "Drift share by month")}
    assert shares == {FEBRUARY: 1 / 14, MARCH: 0.5, APRIL: 1.0}
    states = {row["month"]: row for row in answer_of(tables, "drift", "Features by state and month")}
    assert (states["2024-04-30"]["drifted"], states["2024-04-30"]["missing"]) == (1, 1)
    assert states["2024-02-29"]["not drifted"] == 13


def test_a_decision_that_was_held_back_says_so_and_why(empty: ConnectionParameters) -> None:
    reader = keep(
        empty,
        finished(
            performance=measured(0.64, 0.55),
            history=History(champion_trained_on=MARCH),
            retrain="deployment",
            model="streamflow_churn",
        ),
    )
    assert answer_of(reader, "drift", "Last verdict") == [{"verdict": "NO_ACTION (held back)"}]
    lines = [tuple(row.values()) for row in answer_of(reader, "drift", "Last decision")]
    assert lines[0] == ("held back", "the champion was trained on 2024-03-31 and knows this shift")
    assert lines[-1] == ("a trigger", "starts the retraining (retrain = deployment)")
    assert [what for what, _ in lines] == ["held back", "reason", "reason", "a trigger"]
    (model,) = answer_of(reader, "overview", MODEL)
    assert model["Against the threshold"] == "fallen"
    (decided,) = answer_of(reader, "overview", "What the last check of each monitor decided")
    assert decided["Verdict"] == "NO_ACTION (held back)"


def test_performance_is_drawn_by_month_with_the_champion_that_was_judged(tables: ConnectionParameters) -> None:
    auc = {(row["time"].date(), row["metric"]): row["value"] for row in answer_of(tables, "drift", AUC)}
    # Of two comparisons of March the last counts, and April has no figure yet.
    assert auc == {
        (FEBRUARY, "now, champion v1"): 0.81,
        (FEBRUARY, "then, champion v1"): 0.82,
        (MARCH, "now, champion v2"): 0.55,
        (MARCH, "then, champion v2"): 0.64,
    }
    falls = answer_of(tables, "drift", "Fall of the AUC by month")
    assert [row["time"].date() for row in falls] == [FEBRUARY, MARCH, APRIL]
    figures = [[row[name] for name in ("fall", "lower end", "upper end", "threshold")] for row in falls]
    assert figures[1] == pytest.approx([0.09, 0.06, 0.12, 0.05])
    assert figures[2] == [None, None, None, 0.05]
    scores = answer_of(tables, "drift", "Drift of the champion's scores by month")
    assert [(row["score"], row["threshold"]) for row in scores] == [(0.02, 0.1), (None, None), (0.05, 0.1)]


def test_a_month_whose_labels_are_pending_is_seen_as_such(tables: ConnectionParameters) -> None:
    shares = {row.pop("month"): row for row in answer_of(tables, "drift", "Users with a label by month")}
    seen = {month: {state: share for state, share in row.items() if share is not None} for month, row in shares.items()}
    assert seen == {"2024-02-29": {"measured": 1.0}, "2024-03-31": {"measured": 1.0}, "2024-04-30": {"pending": 0.43}}
    months = answer_of(tables, "drift", "Performance by month")
    assert [row["Month"] for row in months] == ["2024-04-30", "2024-03-31", "2024-03-31", "2024-02-29"]
    assert (months[0]["State"], months[0]["Fall"], months[0]["Labelled"]) == ("pending, 43% labelled", None, 0.43)
    assert (months[1]["Champion"], months[1]["Scores moved"]) == ("v1", "yes")
    assert (months[2]["95% interval"], months[2]["Verdict"]) == ("[0.06, 0.12]", "NO_ACTION (held back)")
    (model,) = answer_of(tables, "overview", MODEL)
    assert (model["State"], model["AUC now"], model["Champion"]) == ("pending, 43% labelled", None, None)


def test_the_overview_holds_the_newest_month_against_the_reference(empty: ConnectionParameters) -> None:
    reader = keep(
        empty,
        finished(performance=measured(0.82, 0.81)),
        finished(name="orders", performance=measured(0.8, 0.6, version=None)),
    )
    churn, orders = answer_of(reader, "overview", MODEL)
    assert (churn["AUC now"], churn["AUC reference"], churn["Champion"]) == (0.81, 0.82, "v1")
    assert (churn["State"], churn["Against the threshold"]) == ("measured", "holds")
    assert (orders["Monitor"], orders["Champion"], orders["Against the threshold"]) == ("orders", "probe", "fallen")


def test_a_fall_that_may_be_chance_is_none(empty: ConnectionParameters) -> None:
    reader = keep(empty, finished(performance=measured(0.82, 0.7, margin=0.2)))
    (model,) = answer_of(reader, "overview", MODEL)
    assert (model["95% interval"], model["Against the threshold"]) == ("[-0.08, 0.32]", "holds")


def test_runs_from_before_performance_was_measured_are_shown_all_the_same(empty: ConnectionParameters) -> None:
    reader = keep(empty, finished())
    engine = connect(empty)
    names = [item.name for item in monitor_runs.columns]
    new = names[names.index("record") + 1 :]
    with engine.begin() as connection:
        connection.execute(update(monitor_runs).values({**dict.fromkeys(new), "record": {"target": {}}}))
    engine.dispose()
    for name, _, target in (item.values for item in SQL):
        ask(reader, as_grafana_asks(target["rawSql"], name))
    assert answer_of(reader, "drift", "Last verdict") == [{"verdict": "NO_ACTION"}]
    lines = dict(tuple(row.values()) for row in answer_of(reader, "drift", "Last decision"))
    assert (lines["held back"], lines["a trigger"]) == ("not recorded", "not recorded")
    assert answer_of(reader, "drift", AUC) == []
    (month,) = answer_of(reader, "drift", "Performance by month")
    assert (month["State"], month["Champion"], month["Verdict"]) == ("not recorded", None, "NO_ACTION")
    (model,) = answer_of(reader, "overview", MODEL)
    assert (model["State"], model["Against the threshold"]) == ("not recorded", None)


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


# ---- Prometheus


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


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scrapes the exporters every second, with the rules of this project."""
    if PROMETHEUS is None:
        if os.environ.get("DRIFTGATE_TEST_SERVICES") == "required":
            pytest.fail("the Debian package prometheus is not installed")
        pytest.skip("the Debian package prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    with ExitStack() as stack:
        ports = Exporters(stack).ports
        port = free_port()
        rule = {"alert": "ModelResultHigh", "expr": "model_result > 0.9", "labels": {"severity": "warning"}}
        (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "mock", "rules": [rule]}]}))
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [
                {"job_name": job, "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{of_job}"]}]}
                for job, of_job in ports.items()
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        log = stack.enter_context((folder / "log").open("w"))
        process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        url = f"http://127.0.0.1:{port}/api/v1"
        wait_until(lambda: answers(url, "query", query='ALERTS{alertstate="firing"}'), folder / "log")
        yield url


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def answers(url: str, kind: str, **parameters: Any) -> list[Any]:
    """What Prometheus answers, or nothing while it does not."""
    try:
        with urllib.request.urlopen(f"{url}/{kind}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
            found = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return []
        raise AssertionError(error.read().decode()) from error
    except OSError:
        return []
    return list(found["result"] if isinstance(found, dict) else found)


def wait_until(found: Callable[[], list[Any]], log: Path | None = None) -> list[Any]:
    deadline = time.monotonic() + 120
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < deadline, log.read_text()[-3000:] if log else "no rows"
        time.sleep(0.3)


def promql(expr: str) -> str:
    """The expression as Grafana sends it: a scrape interval of 10 s, and All chosen where there is a choice."""
    for name, value in {"$__rate_interval": "40s", "$__range": "900s", "$route": ".*"}.items():
        expr = expr.replace(name, value)
    # `$` may end a regular expression within the query.
    assert "$_" not in expr
    return expr


def legend(pattern: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels[match[1]], pattern)


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

    series = wait_until(found)
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
    assert wait_until(lambda: answers(prometheus, f"label/{label}/values", **{"match[]": selector})) == ["/predict"]


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
