"""Entities that depend on each other, from the rows to the verdict: flights of days that share their weather.

900 flights a month on 30 days. Weather comes by days, and what makes flights late besides; from month to month nothing
changes. By rows that stand alone the months would drift.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from driftgate.database import ConnectionParameters
from driftgate.features.applying import ensure_applied
from driftgate.performance.result import PerformanceState
from driftgate.performance.scoring import require_registry
from driftgate.run import Run
from tests.end_to_end.own_repo import own_repo
from tests.workplace import Workplace

pytestmark = pytest.mark.slow

DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Float64

flight = Entity(name="flight", join_keys=["flight"], value_type=ValueType.STRING)
planned = FeatureView(
    name="planned", entities=[flight], ttl=timedelta(days=20), online=False,
    schema=[Field(name="wind", dtype=Float64), Field(name="snow", dtype=Float64), Field(name="hour", dtype=Float64)],
    source=PostgreSQLSource(name="planned", table="planned", timestamp_field="at"),
)
delays = FeatureService(name="delays", features=[planned])
"""

MONITOR = """
[{name}]
feature_service = "delays"
model = "{name}"
feast_repo = "flights"
entity = {{ table = "planned", key = "flight", timestamp = "at"{group} }}
label = {{ table = "arrived", column = "late", key = "flight", timestamp = "at" }}
"""

MONTHS = tuple(date(2025, month, 28) for month in (1, 2, 3))
JAN, FEB, MAR = MONTHS
DAYS, PER_DAY = 30, 30


def rows(number: int) -> list[dict[str, object]]:
    random = np.random.default_rng(number + 10)
    day = np.repeat(np.arange(DAYS), PER_DAY)
    wind, snow = (random.normal(size=(2, DAYS)))[:, day] + random.normal(size=(2, len(day))) * 0.5
    hour = random.normal(size=len(day))
    late = (random.normal(size=DAYS))[day] + wind + hour + random.logistic(size=len(day)) > 1.0
    return [
        {
            "flight": f"f{number}-{at}",
            "at": f"{MONTHS[number]} 00:00+00",
            "day": f"2025-{number + 1:02}-{day[at] + 1:02}",
            "wind": float(wind[at]),
            "snow": float(snow[at]),
            "hour": float(hour[at]),
            "late": bool(late[at]),
        }
        for at in range(len(day))
    ]


@pytest.fixture(scope="module")
def place(
    server: ConnectionParameters, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("flights")
    monitors = MONITOR.format(name="by_day", group=', group = "day"') + MONITOR.format(name="alone", group="")
    with own_repo(server, prefect_api, folder, "flights", DEFINITIONS, monitors) as made:
        columns = "flight text, at timestamptz, day text, wind float8, snow float8, hour float8"
        with made.engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE TABLE planned ({columns})")
            connection.exec_driver_sql("CREATE TABLE arrived (flight text, at timestamptz, late boolean)")
            for number in range(len(MONTHS)):
                month = rows(number)
                connection.execute(text("INSERT INTO planned VALUES (:flight, :at, :day, :wind, :snow, :hour)"), month)
                connection.execute(text("INSERT INTO arrived VALUES (:flight, :at, :late)"), month)
        ensure_applied(made.engine, made.parameters, folder / "flights")
        yield made


@pytest.fixture(scope="module")
def runs(place: Workplace) -> dict[str, Run]:
    """The same two months, with groups and without, by a probe; then by a champion of the first month."""
    from flows.monitor import monitor_month
    from flows.train_flow import train_month

    found = {name: monitor_month(FEB, MAR, monitor=name) for name in ("by_day", "alone")}
    train_month(JAN, monitor="by_day")
    return found | {"champion": monitor_month(FEB, MAR, monitor="by_day")}


def test_calm_months_of_days_that_differ_do_not_drift(runs: dict[str, Run]) -> None:
    alone, by_day = runs["alone"].drift, runs["by_day"].drift
    assert [item.name for item in alone.drifted] == ["snow"], "dealt out by rows, the days themselves drift"
    assert by_day.drifted == () and (by_day.groups_ref, by_day.groups_cur) == (DAYS, DAYS)
    assert [item.score for item in by_day.columns] == [item.score for item in alone.columns]
    assert runs["by_day"].target.p_value > runs["alone"].target.p_value
    assert runs["by_day"].decision.label == "NO_ACTION"


def test_the_champion_is_validated_on_days_that_it_has_not_seen(runs: dict[str, Run], place: Workplace) -> None:
    found = runs["champion"]
    assert (found.performance.state, found.performance.version) == (PerformanceState.MEASURED, "1")
    assert found.decision.label == "NO_ACTION"
    registry = require_registry(place.parameters, Path(place.environment["MLFLOW_ARTIFACTS"]), found.monitor)
    info = registry.version_info("1")
    registry.close()
    assert (info.group, info.validation_rows, info.train_rows) == ("day", 10 * PER_DAY, 20 * PER_DAY)
    assert found.performance.gain.computed


def test_page_and_record_say_what_was_dealt_out(runs: dict[str, Run]) -> None:
    record = json.loads(runs["champion"].paths.record.read_text())
    assert record["inputs"]["group"] == {"column": "day", "ref": DAYS, "cur": DAYS}
    assert "Entities of one day depend on each other" in runs["champion"].paths.page.read_text()
