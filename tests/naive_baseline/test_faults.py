"""Each fault of the textbook way, shown on generated months, and what Driftgate makes of the same data."""

import copy
import math
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from sqlalchemy import Engine, select, text

from driftgate.database import ConnectionParameters, connect
from driftgate.decision import Policy, Verdict, decide
from driftgate.drift import evidently_adapter
from driftgate.drift.comparison import compare
from driftgate.drift.evidently_adapter import ColumnTest, read_scores
from driftgate.drift.ledger import require_comparable
from driftgate.drift.result import ColumnState, DriftResult, TargetDrift
from driftgate.drift.target import target_drift
from driftgate.errors import IncomparableColumnsError, MissingSignalError
from driftgate.features.entities import measure_month
from driftgate.features.labels import read_labels
from driftgate.features.types import FeatureMonth, Kind
from driftgate.monitors import EntitySource, Label, Monitor, read_monitor
from driftgate.snapshots import ingest_month, month_tables
from driftgate.snapshots.folders import month_folders
from streamflow.source_tables import SOURCE_TABLES
from tests.drift.months import declare, ledger_of, side
from tests.features.conftest import offline_on
from tests.naive_baseline import naive

MONITORS = Path(__file__).resolve().parents[2] / "flows" / "monitors.toml"
# By its tables, as these months are in a database without a Feast repository.
CHURN = read_monitor(MONITORS, "churn").model_copy(
    update={
        "entity": EntitySource(table="subscriptions_profile_snapshots", key="user_id", timestamp="as_of"),
        "label": Label(table="labels", column="churn_label", timestamp="period_start"),
    }
)
TYPES = {
    "user_id": "STRING",
    "months_active": "INT64",
    "monthly_fee": "FLOAT64",
    "paperless_billing": "BOOL",
    "plan_stream_tv": "BOOL",
    "plan_stream_movies": "BOOL",
    "net_service": "STRING",
    "watch_hours_30d": "FLOAT64",
    "avg_session_mins_7d": "FLOAT64",
    "unique_devices_30d": "INT64",
    "skips_7d": "INT64",
    "rebuffer_events_7d": "INT64",
    "failed_payments_90d": "INT64",
    "support_tickets_90d": "INT64",
    "ticket_avg_resolution_hrs_90d": "FLOAT64",
    "churn_label": "BOOL",
}
_SOURCES = ("subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")


@dataclass(frozen=True)
class Loaded:
    """The three sample months in a database, by their day."""

    engine: Engine
    folders: dict[date, Path]

    @property
    def days(self) -> list[date]:
        return list(self.folders)


@pytest.fixture(scope="module")
def months(server: ConnectionParameters, sample: Path) -> Iterator[Loaded]:
    """The sample months, loaded once for the tests that only read them."""
    name = f"textbook_{uuid.uuid4().hex}"
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine = connect(replace(server, dbname=name))
    folders = {day: folder for folder, day in month_folders(sample)}
    for day, folder in folders.items():
        ingest_month(engine, SOURCE_TABLES, folder, day)
    yield Loaded(engine, folders)
    engine.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


def stored(months: Loaded, day: date) -> pa.Table:
    """One month of the snapshots as Feast would join it: key, features and, as a trap, the label."""
    users = month_tables(SOURCE_TABLES).snapshots["subscriptions"]
    query = select(users.c.user_id).where(users.c.as_of == day)
    for name in _SOURCES:
        table = month_tables(SOURCE_TABLES).snapshots[name]
        if table is not users:
            time = table.c.period_start if name == "labels" else table.c.as_of
            query = query.join_from(users, table, (table.c.user_id == users.c.user_id) & (time == day), isouter=True)
        query = query.add_columns(*(column for column in table.c if column.name in TYPES and column.name != "user_id"))
    with months.engine.connect() as connection:
        rows = connection.execute(query.order_by(users.c.user_id))
        names = list(rows.keys())
        return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def feature_month(folder: Path, day: date, table: pa.Table) -> FeatureMonth:
    path = folder / f"features_{day}.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    absent = tuple(name for name in TYPES if name not in table.column_names)
    return FeatureMonth(day, path, table.num_rows, declare(TYPES), absent, ())


def drift_of(
    folder: Path, ref: tuple[date, pa.Table], cur: tuple[date, pa.Table], monitor: Monitor = CHURN
) -> DriftResult:
    sides = [side(feature_month(folder, *month)) for month in (ref, cur)]
    ledger = ledger_of(sides[0].features, sides[1].features, monitor)
    require_comparable(ledger, monitor)
    return compare(*sides, ledger, monitor)


@pytest.fixture(scope="module")
def drifted(months: Loaded, tmp_path_factory: pytest.TempPathFactory) -> DriftResult:
    """What Driftgate says about the first month and the third, which clearly drifts."""
    first, _, third = months.days
    pair = (first, stored(months, first)), (third, stored(months, third))
    return drift_of(tmp_path_factory.mktemp("drifted"), *pair)


@pytest.fixture(scope="module")
def steady(months: Loaded, tmp_path_factory: pytest.TempPathFactory) -> DriftResult:
    """What Driftgate says about the first month and the second, which barely drifts."""
    first, second, _ = months.days
    pair = (first, stored(months, first)), (second, stored(months, second))
    return drift_of(tmp_path_factory.mktemp("steady"), *pair)


@pytest.fixture(scope="module")
def frames(months: Loaded) -> list[pd.DataFrame]:
    """The same months as the textbook way reads them."""
    return [naive.read_month(folder) for folder in months.folders.values()]


# Evidently renamed a JSON key between releases


def test_a_renamed_key_reads_as_no_drift_for_ever(frames: list[pd.DataFrame], drifted: DriftResult) -> None:
    document = naive.report(frames[0], frames[2])
    assert naive.drifted_of_all(document)[0] >= 8
    assert naive.drift_share(document) == 0.0
    assert naive.verdict(naive.drift_share(document)) == "NO_ACTION"

    assert drifted.drift_share >= 0.5
    decision = decide(drifted, TargetDrift(0.25, 0.25, 1.0, 1.0, p_value=1.0), Policy(CHURN.threshold))
    assert decision.verdict is Verdict.RETRAINING_TRIGGERED


def test_a_renamed_key_is_an_error(frames: list[pd.DataFrame]) -> None:
    fee = [pd.DataFrame({"monthly_fee": frame["monthly_fee"].astype(float)}) for frame in frames]
    test = ColumnTest("monthly_fee", Kind.NUMERIC, "wasserstein", 0.1)
    with evidently_adapter._quiet():
        snapshot = evidently_adapter.Report(
            [evidently_adapter.ValueDrift(column="monthly_fee", method="wasserstein")]
        ).run(*(evidently_adapter.Dataset.from_pandas(frame) for frame in (fee[2], fee[0])))
    results = list(snapshot.metric_results.values())
    assert read_scores(results, [test])["monthly_fee"] > 0.1
    renamed = copy.deepcopy(results)
    for result in renamed:
        result.metric_value_location.metric.params["type"] = "evidently:metric_v3:ColumnDrift"
    with pytest.raises(MissingSignalError, match="no usable drift score for monthly_fee"):
        read_scores(renamed, [test])


# user_id and the label counted as features


def test_identifier_and_label_swell_the_denominator(frames: list[pd.DataFrame], steady: DriftResult) -> None:
    assert naive.drifted_of_all(naive.report(frames[0], frames[1])) == (1, 16)

    assert [column.name for column in steady.drifted] == ["rebuffer_events_7d"]
    assert steady.drift_share == 1 / 14
    assert {column.name for column in steady.columns} == set(naive.FEATURES)
    assert steady.excluded == (("user_id", "identifier"), ("churn_label", "label"))


# Labels keyed by user alone


def test_labels_keyed_by_user_alone_never_drift(
    months: Loaded, frames: list[pd.DataFrame], database: Engine, tmp_path: Path
) -> None:
    first, _, third = months.days
    same = sorted(set(frames[0]["user_id"]) & set(frames[2]["user_id"]))
    assert len(same) > 1000
    stayed = [frame[frame["user_id"].isin(same)] for frame in (frames[0], frames[2])]
    truth = stayed[1]["churn_label"].mean() - stayed[0]["churn_label"].mean()
    assert truth > 0.05
    for day in (first, third):
        naive.load_labels(database, months.folders[day])
    rates = [naive.churn_rate(database, month) for month in stayed]
    assert abs(rates[1] - rates[0]) == 0.0

    with offline_on(months.engine) as offline:
        sizes = [measure_month(offline, CHURN, day) for day in (first, third)]
        labels = [read_labels(offline, CHURN, size, tmp_path / f"{size.as_of}.arrow") for size in sizes]
    target = target_drift(*labels, 0.005)
    assert (target.ref, target.cur) == (frames[0]["churn_label"].mean(), frames[2]["churn_label"].mean())
    assert target.abs_diff == pytest.approx(0.135)


def test_labels_without_a_period_are_not_computable_and_not_zero(months: Loaded, tmp_path: Path) -> None:
    assert CHURN.label is not None
    unversioned = CHURN.model_copy(update={"label": CHURN.label.model_copy(update={"timestamp": None})})
    with offline_on(months.engine) as offline:
        sizes = [measure_month(offline, unversioned, day) for day in (months.days[0], months.days[2])]
        labels = [read_labels(offline, unversioned, size, tmp_path / "labels.arrow") for size in sizes]
    target = target_drift(*labels, 0.005)
    assert math.isnan(target.abs_diff)
    assert "not keyed by period" in target.reason


# Blank booleans became True


def test_blank_booleans_become_true(months: Loaded, frames: list[pd.DataFrame], steady: DriftResult) -> None:
    first = months.days[0]
    written = pd.read_csv(months.folders[first] / "subscriptions.csv", dtype=str)["plan_stream_tv"]
    blanks = int(written.isna().sum())
    assert blanks > 300
    assert int(frames[0]["plan_stream_tv"].sum()) == int((written == "True").sum()) + blanks

    values = stored(months, first).column("plan_stream_tv")
    assert values.null_count == blanks
    assert pa.compute.sum(values).as_py() == int((written == "True").sum())
    (column,) = [column for column in steady.columns if column.name == "plan_stream_tv"]
    assert column.values_ref == 2000 - blanks
    assert column.missing_ref == pytest.approx(blanks / 2000)


def test_blanks_that_spread_are_drift(months: Loaded, tmp_path: Path) -> None:
    first, second, _ = months.days
    then, now = stored(months, first), stored(months, second)
    position = now.column_names.index("paperless_billing")
    random = np.random.default_rng(0)
    holes = pa.compute.if_else(pa.array(random.random(len(now)) < 0.2), None, now.column(position))
    now = now.set_column(position, "paperless_billing", holes)
    columns = ["user_id", "paperless_billing"]
    monitor = CHURN.model_copy(update={"on_incomparable": "count_as_drift"})
    drift = drift_of(tmp_path, (first, then.select(columns)), (second, now.select(columns)), monitor)
    (billing,) = [column for column in drift.columns if column.name == "paperless_billing"]
    assert (billing.state, billing.drifted_by) == (ColumnState.COMPARED, "missing share")
    assert billing.score < billing.threshold


# A column missing from one month, and one that is all null


def test_a_missing_column_shrinks_the_denominator(months: Loaded, frames: list[pd.DataFrame], tmp_path: Path) -> None:
    assert naive.drifted_of_all(naive.report(frames[0], frames[2]))[1] == 16
    assert naive.drifted_of_all(naive.report(frames[0], frames[2].drop(columns="rebuffer_events_7d")))[1] == 15

    first, _, third = months.days
    pair = (first, stored(months, first)), (third, stored(months, third).drop_columns(["rebuffer_events_7d"]))
    with pytest.raises(IncomparableColumnsError, match="rebuffer_events_7d: missing"):
        drift_of(tmp_path, *pair)
    drift = drift_of(tmp_path, *pair, CHURN.model_copy(update={"on_incomparable": "count_as_drift"}))
    assert len(drift.columns) == 14
    assert drift.worst_first[0].name == "rebuffer_events_7d"
    assert drift.worst_first[0].drifted


def test_an_all_null_column_crashes_the_report(months: Loaded, frames: list[pd.DataFrame], tmp_path: Path) -> None:
    empty = frames[2].assign(rebuffer_events_7d=math.nan)
    with pytest.raises(ValueError, match="rebuffer_events_7d"):
        naive.report(frames[0], empty)

    first, _, third = months.days
    now = stored(months, third)
    position = now.column_names.index("rebuffer_events_7d")
    now = now.set_column(position, "rebuffer_events_7d", pa.nulls(len(now), pa.int32()))
    with pytest.raises(IncomparableColumnsError, match="rebuffer_events_7d: all null") as caught:
        drift_of(tmp_path, (first, stored(months, first)), (third, now))
    assert "1 of 14 declared features" in str(caught.value)


# Snapshots of whatever is in the live table, with DO NOTHING


def payments(folder: Path) -> dict[str, int]:
    table = arrow_csv.read_csv(folder / "payments_agg_90d.csv")
    return dict(zip(*(table.column(name).to_pylist() for name in ("user_id", "failed_payments_90d")), strict=True))


def kept(engine: Engine, day: date) -> dict[str, int]:
    query = text("SELECT user_id, failed_payments_90d AS failed FROM payments_agg_90d_snapshots WHERE as_of = :day")
    with engine.connect() as connection:
        return {row.user_id: row.failed for row in connection.execute(query, {"day": day})}


@pytest.fixture
def bad(months: Loaded, tmp_path: Path) -> Path:
    """The first month with every user's failed payments wrong."""
    folder = tmp_path / "bad"
    shutil.copytree(months.folders[months.days[0]], folder)
    lines = [f"{user},99" for user in payments(folder)]
    (folder / "payments_agg_90d.csv").write_text("user_id,failed_payments_90d\n" + "\n".join(lines) + "\n")
    return folder


def test_a_bad_snapshot_cannot_be_repaired(months: Loaded, bad: Path, database: Engine) -> None:
    first = months.days[0]
    good = months.folders[first]
    for folder in (bad, good):
        naive.load_snapshot(database, folder, first)
    assert set(naive.stored_snapshot(database, first).values()) == {99}

    ingest_month(database, SOURCE_TABLES, bad, first)
    assert set(kept(database, first).values()) == {99}
    ingest_month(database, SOURCE_TABLES, good, first)
    assert kept(database, first) == payments(good)


def test_the_order_of_loads_changes_a_snapshot(months: Loaded, database: Engine) -> None:
    first, _, third = months.days
    for day in (third, first):
        naive.load_snapshot(database, months.folders[day], day)
    # Users who had not joined yet are in the first month's snapshot, because they were in the live table.
    strangers = set(naive.stored_snapshot(database, first)) - set(payments(months.folders[first]))
    assert strangers

    for day in (third, first):
        ingest_month(database, SOURCE_TABLES, months.folders[day], day)
    for day in (first, third):
        assert kept(database, day) == payments(months.folders[day])
