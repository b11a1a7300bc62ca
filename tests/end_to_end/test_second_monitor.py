"""Another domain by configuration alone: delivery depots, in a database that has never heard of StreamFlow."""

import json
from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import text

from driftgate.database import ConnectionParameters
from driftgate.drift.result import ColumnState
from driftgate.features.applying import ensure_applied
from driftgate.reports.text import target_line
from driftgate.run import Run
from tests.end_to_end.own_repo import own_repo
from tests.workplace import Workplace

DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Bool, Float64, Int32, String

depot = Entity(name="depot", join_keys=["depot_code"], value_type=ValueType.INT64)

def view(name, table, **features):
    return FeatureView(
        name=name, entities=[depot], ttl=timedelta(days=20), online=False,
        schema=[Field(name=feature, dtype=dtype) for feature, dtype in features.items()],
        source=PostgreSQLSource(name=table, table=table, timestamp_field="measured_at"),
    )

fleet = view("fleet", "ops.fleet", vans=Int32, diesel_share=Float64, electric=Bool)
weather = view("weather", "ops.weather", rain_mm=Float64, region=String)
delays_v3 = FeatureService(name="delays_v3", features=[fleet, weather])
"""

# 600 depots, counted every fortnight at 06:30. In the second fortnight it rains, and deliveries are late.
TABLES = """
CREATE SCHEMA ops;
CREATE TABLE ops.depots AS
SELECT 7000 + n AS "Depot No", moment AS "Counted At"
FROM generate_series(1, 600) n, (VALUES (timestamptz '2025-05-01 06:30+00'), ('2025-05-15 06:30+00')) m (moment);
CREATE TABLE ops.fleet AS
SELECT "Depot No"::int AS depot_code, "Counted At" - interval '5 minutes' AS measured_at,
       (5 + "Depot No" % 11)::int AS vans, ("Depot No" % 17) / 17.0::double precision AS diesel_share,
       "Depot No" % 3 = 0 AS electric
FROM ops.depots;
CREATE TABLE ops.weather AS
SELECT "Depot No"::int AS depot_code, "Counted At" - interval '1 hour' AS measured_at,
       ("Depot No" % 13 + CASE WHEN "Counted At" > '2025-05-10' THEN 20 ELSE 0 END)::double precision AS rain_mm,
       'region ' || "Depot No" % 4 AS region
FROM ops.depots;
CREATE TABLE ops.outcomes AS
SELECT "Depot No" AS depot, "Counted At" AS of,
       CASE WHEN "Counted At" > '2025-05-10' THEN 12.5 ELSE 8.25 END::numeric(8, 3) AS minutes_late
FROM ops.depots WHERE "Depot No" % 2 = 0;
"""

MONITORS = """
[parcel-delays]
feature_service = "delays_v3"
threshold = 0.2
target_threshold = 4.0
min_label_share = 0.5
feast_repo = "parcels"

[parcel-delays.entity]
table = "ops.depots"
key = "Depot No"
join_key = "depot_code"
timestamp = "Counted At"

[parcel-delays.label]
table = "ops.outcomes"
column = "minutes_late"
key = "depot"
timestamp = "of"

[parcel-delays.columns.vans]
method = "psi"
threshold = 0.25
"""


@pytest.fixture(scope="module")
def place(
    server: ConnectionParameters, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("parcels")
    with own_repo(server, prefect_api, folder, "parcels", DEFINITIONS, MONITORS) as made:
        with made.engine.begin() as connection:
            connection.exec_driver_sql(TABLES.replace("%", "%%"))
        ensure_applied(made.engine, made.parameters, folder / "parcels")
        yield made


@pytest.fixture(scope="module")
def run(place: Workplace) -> Run:
    from flows.monitor import monitor_month

    return monitor_month(monitor="parcel-delays")


def test_the_verdict(run: Run) -> None:
    assert (run.drift.as_of_ref, run.drift.as_of_cur) == (date(2025, 5, 1), date(2025, 5, 15))
    assert run.decision.label == "RETRAINING_TRIGGERED (SIMULATED)"
    assert run.decision.reasons == (
        "drift_share=0.20 >= 0.20",
        "target_drift=4.25 >= 4.00",
        "rmse_rise not computable: every label of 2025-05-01 is 8.25",
    )
    assert (run.drift.rows_ref, run.drift.rows_cur) == (600, 600)


def test_the_columns(run: Run) -> None:
    worst = run.drift.worst_first[0]
    assert (worst.name, worst.drifted, worst.state) == ("rain_mm", True, ColumnState.COMPARED)
    assert {item.name: item.dtype for item in run.drift.columns} == {
        "vans": "INT32",
        "diesel_share": "FLOAT64",
        "electric": "BOOL",
        "rain_mm": "FLOAT64",
        "region": "STRING",
    }
    assert [item.name for item in run.drift.drifted] == ["rain_mm"]
    assert {item.missing_ref for item in run.drift.columns} == {item.missing_cur for item in run.drift.columns} == {0.0}
    (vans,) = (item for item in run.drift.columns if item.name == "vans")
    assert (vans.method, vans.threshold) == ("psi", 0.25)


def test_the_numeric_label(run: Run) -> None:
    assert (run.target.ref, run.target.cur, run.target.abs_diff) == (8.25, 12.5, 4.25)
    assert (run.target.labelled_ref, run.target.labelled_cur) == (0.5, 0.5)
    assert target_line(run.target) == "[Target drift] ref_rate=8.2500 cur_rate=12.5000 abs_diff=4.2500"


def test_the_reports_and_tables(run: Run, place: Workplace) -> None:
    assert run.paths.html.parent == place.reports / "parcel-delays"
    assert "rain_mm" in run.paths.html.read_text() and "minutes_late" in run.paths.html.read_text()
    assert json.loads(run.paths.record.read_text())["monitor"] == "parcel-delays"
    with place.engine.connect() as connection:
        assert connection.execute(text("SELECT monitor, target_drift FROM monitor_runs")).all() == [
            ("parcel-delays", 4.25)
        ]
        assert connection.execute(text("SELECT count(*) FROM monitor_columns")).scalar_one() == 5
    artifacts = place.ask("artifacts/filter", artifacts={"key": {"like_": "%parcel-delays%"}})
    assert len(artifacts) == 2


def test_nothing_of_streamflow_was_needed(run: Run, place: Workplace) -> None:
    with place.engine.connect() as connection:
        for table in ("users", "subscriptions_profile_snapshots", "labels"):
            query = text("SELECT count(*) FROM pg_class WHERE relname = :name AND reltuples > 0")
            assert connection.execute(query, {"name": table}).scalar_one() == 0
    assert "streamflow" not in run.paths.record.read_text().lower()


def test_a_source_that_got_no_new_rows_gives_no_verdict(run: Run, place: Workplace) -> None:
    """Fourteen days on, rows that live for twenty would be used again, and never drift."""
    from driftgate.errors import IncomparableColumnsError
    from flows.monitor import monitor_month

    with place.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ops.weather WHERE measured_at > '2025-05-10'")
        # The older rows are from after midnight of the reference day, as most rows of that day are.
        connection.exec_driver_sql("UPDATE ops.weather SET measured_at = '2025-05-01 06:00+00'")
    with pytest.raises(IncomparableColumnsError, match=r"rain_mm: stale[\s\S]*region: stale"):
        monitor_month(monitor="parcel-delays")
