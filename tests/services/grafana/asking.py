"""Queries as Grafana sends them, to PostgreSQL and to Prometheus."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from driftgate.database import ConnectionParameters, connect
from driftgate.run import Run
from driftgate.store.tables import save_run
from services.database.roles import READER
from tests.services.grafana.dashboards import DASHBOARDS, panel_of

NOW = datetime.now(UTC)


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


def answer_of(tables: ConnectionParameters, name: str, title: str) -> list[dict[str, Any]]:
    names, rows = ask(tables, as_grafana_asks(panel_of(name, title)["targets"][0]["rawSql"], name))
    return [dict(zip(names, row, strict=True)) for row in rows]


def keep(owner: ConnectionParameters, *runs: Run) -> ConnectionParameters:
    """Save the runs; gives back who may read them."""
    engine = connect(owner)
    for run in runs:
        save_run(engine, run)
    engine.dispose()
    return replace(owner, user=READER)


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


def wait_for_rows(found: Callable[[], list[Any]]) -> list[Any]:
    """Ask again until there is something in the answer."""
    deadline = time.monotonic() + 120
    while not (result := found()):
        assert time.monotonic() < deadline, "no rows"
        time.sleep(0.3)
    return result


def promql(expr: str) -> str:
    """The expression as Grafana sends it: a scrape interval of 10 s, and All chosen where there is a choice."""
    for name, value in {"$__rate_interval": "40s", "$__range": "900s", "$route": ".*"}.items():
        expr = expr.replace(name, value)
    # `$` may end a regular expression within the query.
    assert "$_" not in expr
    return expr


def legend(pattern: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels[match[1]], pattern)
