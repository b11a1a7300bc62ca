"""The point-in-time join costs ten times as much for ten times the users, not a hundred times."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters
from driftgate.features.types import FeatureRequest
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import EntitySource, Monitor
from tests.conftest import FEATURE_REPO
from tests.features.conftest import sql

FEW, MANY = 2_000, 20_000
MONTH = date(2024, 3, 31)
MONITOR = Monitor(
    name="churn",
    entity=EntitySource(table="subscriptions_profile_snapshots", key="user_id", timestamp="as_of"),
    feature_service="churn_v1",
)
# Each user of the month ten times over, under other names.
GROW = """
INSERT INTO {table} SELECT (t).* FROM (
    SELECT jsonb_populate_record(s, jsonb_build_object('user_id', s.user_id || '-' || n)) AS t
    FROM {table} s, generate_series(1, 9) n WHERE as_of = '2024-03-31'
) grown
"""
ANALYSED = "ANALYZE {table}"
AS_IF_NEW = """
SET allow_system_table_mods = on;
DELETE FROM pg_statistic WHERE starelid = '{table}'::regclass;
UPDATE pg_class SET reltuples = -1 WHERE oid = '{table}'::regclass;
RESET allow_system_table_mods;
"""
TABLES = (
    "subscriptions_profile_snapshots",
    "usage_agg_30d_snapshots",
    "payments_agg_90d_snapshots",
    "support_agg_90d_snapshots",
)


def join_that_was_run(log: str) -> str:
    """The point-in-time query, as the server logged it."""
    statements = re.findall(r"LOG:  statement: (.*?)\n(?=\d{4}-)", log, re.DOTALL)
    (query,) = [item for item in statements if "payments_agg_90d_fv__base" in item]
    return query.replace("\n\t", "\n")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def explain(engine: Engine, query: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        answer = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query.replace('%', '%%')}"
        ).scalar_one()
    plan = answer if isinstance(answer, list) else json.loads(answer)
    return list(nodes(plan[0]["Plan"]))


def rows_touched(plan: list[dict[str, Any]]) -> float:
    """Rows that pass through any node, those that it throws away included."""
    thrown = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + sum(node.get(name, 0) for name in thrown)) for node in plan
    )


def test_the_join_is_linear_in_users(plans: dict[tuple[bool, int], list[dict[str, Any]]]) -> None:
    for analysed in (False, True):
        few, many = plans[analysed, FEW], plans[analysed, MANY]
        for plan in (few, many):
            for node in plan:
                if node["Node Type"] == "Nested Loop":
                    assert min(below["Actual Rows"] for below in node["Plans"]) <= 1, node
        assert (few[0]["Actual Rows"], many[0]["Actual Rows"]) == (FEW, MANY)
        assert rows_touched(many) / rows_touched(few) < 12
        buffers = [plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] for plan in (few, many)]
        assert buffers[1] / buffers[0] < 15


@pytest.fixture
def plans(
    loaded: ConnectionParameters, loaded_engine: Engine, server: ConnectionParameters, tmp_path: Path
) -> dict[tuple[bool, int], list[dict[str, Any]]]:
    """Plans of the join as run, by (analysed, users)."""
    sql(loaded_engine, f"ALTER DATABASE {loaded.dbname} SET log_statement = 'all'")
    log = Path(server.host) / "log"
    found = {}
    with FeatureWorker(loaded) as worker:
        for users in (FEW, MANY):
            if users == MANY:
                for table in TABLES:
                    sql(loaded_engine, GROW.format(table=table))
            size = worker.measure_month(FEATURE_REPO, MONITOR, MONTH)
            assert size.entities == users
            before = log.stat().st_size
            worker.read_month(FeatureRequest(FEATURE_REPO, MONITOR, size, None, tmp_path / "out.arrow"))
            query = join_that_was_run(log.read_text()[before:])
            with loaded_engine.connect() as connection:
                assert connection.execute(text("SHOW enable_nestloop")).scalar_one() == "off"
            for analysed in (False, True):
                for table in TABLES:
                    sql(loaded_engine, (ANALYSED if analysed else AS_IF_NEW).format(table=table))
                found[analysed, users] = explain(loaded_engine, query)
    return found
