"""A numeric label and one of classes from the first month to the service: known answers on a generated repository.

1,500 trips a month. The minutes that a trip is late follow the rain, and in the last month the other way round: what
the features mean has changed, and the features themselves have not. Cancelled trips have no label.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from driftgate.database import ConnectionParameters
from driftgate.drift.result import ColumnState
from driftgate.features.applying import ensure_applied
from driftgate.measures import LabelKind
from driftgate.performance.promotion import ModelComparison
from driftgate.performance.result import PerformanceState
from driftgate.performance.scoring import require_registry
from driftgate.predictions.batch import batch_line
from driftgate.reports.promotion import comparison_line
from driftgate.reports.text import performance_line, result_lines, verdict_markdown
from driftgate.run import Run
from driftgate.store.history import past_record
from driftgate.training.text import training_line
from tests.end_to_end.own_repo import own_repo
from tests.workplace import Workplace

pytestmark = pytest.mark.slow

DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Float64, String

trip = Entity(name="trip", join_keys=["trip_id"], value_type=ValueType.STRING)
weather = FeatureView(
    name="weather", entities=[trip], ttl=timedelta(days=20), online=False,
    schema=[Field(name="rain", dtype=Float64), Field(name="wind", dtype=Float64), Field(name="line", dtype=String)],
    source=PostgreSQLSource(name="weather", table="weather", timestamp_field="at"),
)
delays = FeatureService(name="delays", features=[weather])
"""

MONITORS = """
[late]
feature_service = "delays"
model = "late"
feast_repo = "trips"
entity = { table = "weather", key = "trip_id", timestamp = "at" }
label = { table = "outcomes", column = "minutes_late", key = "trip_id", timestamp = "at" }

[class]
feature_service = "delays"
model = "class"
feast_repo = "trips"
entity = { table = "weather", key = "trip_id", timestamp = "at" }
label = { table = "outcomes", column = "how", key = "trip_id", timestamp = "at" }
"""

MONTHS = tuple(date(2025, month, 28) for month in (1, 2, 3, 4))
JAN, FEB, MAR, APR = MONTHS
TRIPS = 1500


def rows(number: int) -> list[dict[str, object]]:
    """A month of trips; in April what the rain does is turned round."""
    random = np.random.default_rng(number)
    rain, wind = random.gamma(2.0, 2.0, TRIPS), random.normal(10, 3, TRIPS)
    sign = -1.0 if MONTHS[number] == APR else 1.0
    late = 20 + sign * 3 * (rain - 4) + random.normal(0, 4, TRIPS)
    how = np.where(late < 17, "early", np.where(late > 23, "late", "on time"))
    return [
        {
            "trip_id": f"t{number}-{at}",
            "at": f"{MONTHS[number]} 00:00+00",
            "rain": float(rain[at]),
            "wind": float(wind[at]),
            "line": f"line {at % 3}",
            # Every twentieth is cancelled.
            "minutes_late": None if at % 20 == 0 else float(late[at]),
            "how": None if at % 20 == 0 else str(how[at]),
        }
        for at in range(TRIPS)
    ]


@pytest.fixture(scope="module")
def place(
    server: ConnectionParameters, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("trips")
    with own_repo(server, prefect_api, folder, "trips", DEFINITIONS, MONITORS) as made:
        columns = "trip_id text, at timestamptz, rain double precision, wind double precision, line text"
        with made.engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE TABLE weather ({columns})")
            connection.exec_driver_sql(
                "CREATE TABLE outcomes (trip_id text, at timestamptz, minutes_late double precision, how text)"
            )
            for number in range(len(MONTHS)):
                month = rows(number)
                connection.execute(text("INSERT INTO weather VALUES (:trip_id, :at, :rain, :wind, :line)"), month)
                connection.execute(text("INSERT INTO outcomes VALUES (:trip_id, :at, :minutes_late, :how)"), month)
        ensure_applied(made.engine, made.parameters, folder / "trips")
        yield made


@dataclass(frozen=True)
class Story:
    """What came of the commands in their order."""

    probe: Run
    trained: str
    calm: Run
    turned: Run
    comparison: ModelComparison
    after: Run
    predicted: str
    csv_rows: list[dict[str, str]]


def story_of(monitor: str) -> Story:
    from flows.monitor import monitor_month
    from flows.predict_flow import predict_month
    from flows.retrain_flow import train_and_compare
    from flows.train_flow import train_month

    probe = monitor_month(JAN, FEB, monitor=monitor)
    trained = train_month(FEB, monitor=monitor)
    calm = monitor_month(FEB, MAR, monitor=monitor)
    turned = monitor_month(FEB, APR, monitor=monitor)
    comparison = train_and_compare(APR, monitor=monitor)
    after = monitor_month(FEB, APR, monitor=monitor)
    batch, summary = predict_month(APR, monitor)
    with batch.path.open(newline="") as file:
        scored = list(csv.DictReader(file))
    line = batch_line(batch, summary)
    return Story(probe, training_line(trained), calm, turned, comparison, after, line, scored)


@pytest.fixture(scope="module")
def late(place: Workplace) -> Story:
    return story_of("late")


def test_a_probe_measures_a_numeric_label_by_its_error(late: Story) -> None:
    found = late.probe.performance
    assert (found.state, found.measure, found.model) == (PerformanceState.MEASURED, "rmse", "none (probe)")
    # The noise has a standard deviation of 4, and trees know the rest.
    assert 3.7 < found.change.ref < 5.0 and 3.7 < found.change.cur < 5.0
    assert set(found.measures) == {"rmse", "mae", "bias", "mean_label"}
    assert found.users_cur == TRIPS * 19 // 20, "a cancelled trip has no label and is left out"
    assert (late.probe.target.labelled_cur, late.probe.decision.triggered) == (0.95, False)
    assert performance_line(found).startswith("[Performance] champion=none (probe) ref_rmse=4.")


def test_training_says_how_far_it_is_off(late: Story) -> None:
    assert late.trained.startswith("[Train] model=late version=1 alias=champion as_of=2025-02-28 rmse=4.")
    assert [part.partition("=")[0] for part in late.trained.split()[5:]] == ["rmse", "mae", "r2", "bias", "rows"]


def test_a_calm_month_triggers_nothing(late: Story) -> None:
    assert late.calm.decision.label == "NO_ACTION"
    assert late.calm.performance.drop < 0.1
    assert late.calm.performance.gain.computed and abs(late.calm.performance.gain.value) < 0.1
    assert performance_line(late.calm.performance).startswith("[Performance] champion=v1 ref_rmse=4.")


def test_a_changed_meaning_raises_the_error_and_triggers(late: Story) -> None:
    found = late.turned.performance
    assert late.turned.decision.label == "RETRAINING_TRIGGERED (SIMULATED)"
    assert late.turned.decision.reason_codes == ("rmse_rise",)
    assert found.change.cur > 2 * found.change.ref
    low, high = found.drop_interval
    assert 1.0 < low < found.drop < high
    assert found.gain.surely_positive and 0.4 < found.gain.value < 0.9, "of the error more than half would be saved"
    assert "A model trained on 28 April 2025 would err" in verdict_markdown(late.turned)
    assert found.drop == pytest.approx((found.change.cur - found.change.ref) / found.change.ref)
    target = late.turned.target
    assert target.in_spreads == pytest.approx(target.abs_diff / target.spread_ref) and target.spread_ref > 8


def test_the_challenger_that_is_less_off_is_promoted(late: Story) -> None:
    found = late.comparison
    assert found.promote and found.measures["rmse"].cur < found.measures["rmse"].ref / 2
    assert ", lower by " in comparison_line(found) and comparison_line(found).startswith(
        "[Contest] champion=v1 challenger=v2"
    )


def test_a_model_is_never_measured_on_the_month_of_its_training(late: Story) -> None:
    found = late.after.performance
    assert found.version == "1" and found.passed_over is not None and found.passed_over.version == "2"
    assert late.after.decision.label == "NO_ACTION"


def test_the_record_the_tables_and_the_page_name_the_measure(late: Story, place: Workplace) -> None:
    record = past_record(place.engine, "late", APR, FEB)
    assert record.performance is not None and record.performance.measure == "rmse"
    row = record.row
    assert (row["performance_measure"], row["auc_ref"], row["auc_drop"]) == ("rmse", None, None)
    assert row["performance_drop"] == pytest.approx(late.after.performance.drop)
    with place.engine.connect() as connection:
        kept = connection.execute(
            text(
                "SELECT performance_drop, target_in_spreads FROM monitor_runs WHERE monitor = 'late' AND as_of_cur = :m"
            ),
            {"m": APR},
        ).one()
    assert kept == (pytest.approx(row["performance_drop"]), pytest.approx(late.after.target.in_spreads))
    page = late.turned.paths.page.read_text()
    assert "RMSE" in page and "less is better" in page and "Rise of the RMSE" in page
    assert "standard deviations" in page
    assert "AUC" not in page
    json.loads(late.turned.paths.record.read_text())


def test_a_prediction_is_a_number_in_the_file_and_the_table(late: Story, place: Workplace) -> None:
    assert late.predicted.startswith(f"[Predict] as_of=2025-04-28 rows={TRIPS} mean=")
    values = {item["trip_id"]: float(item["prediction"]) for item in late.csv_rows}
    assert len(values) == TRIPS and {item["probability"] for item in late.csv_rows} == {""}
    with place.engine.connect() as connection:
        query = "SELECT entity_key, prediction, probability, predicted_value, predicted_class FROM predictions p"
        kept = connection.execute(text(f"{query} WHERE entity_key LIKE 't3-%' AND predicted_value IS NOT NULL")).all()
    assert {row.entity_key: row.predicted_value for row in kept} == values
    assert {(row.prediction, row.probability, row.predicted_class) for row in kept} == {(None, None, None)}


def test_scores_of_a_numeric_model_are_compared_as_numbers(late: Story) -> None:
    prediction = late.calm.drift.prediction
    assert prediction is not None and (prediction.state, prediction.dtype) == (ColumnState.COMPARED, "FLOAT64")
    assert not prediction.drifted


@pytest.fixture(scope="module")
def classes(place: Workplace) -> Story:
    return story_of("class")


def test_classes_by_macro_auc_and_log_loss(classes: Story, place: Workplace) -> None:
    for run in (classes.probe, classes.calm):
        assert (run.performance.measure, run.decision.label) == ("macro_auc", "NO_ACTION")
        assert set(run.performance.measures) == {"macro_auc", "log_loss"}
        assert run.performance.change.ref > 0.7
    assert classes.trained.split()[5].startswith("macro_auc=0.")
    turned = classes.turned
    assert turned.decision.reason_codes == ("macro_auc_drop",)
    assert turned.performance.drop_interval[0] > 0.2
    assert turned.performance.gain.surely_positive and turned.performance.gain.low > 0.2
    assert "[Performance] champion=v1 ref_macro_auc=0." in "\n".join(result_lines(turned))
    target = turned.target
    assert target.computable and target.reason == "" and target.abs_diff < max(0.1, 2 * target.chance)
    assert {item.name for item in target.classes} == {"early", "late", "on time"}
    assert sum(item.cur for item in target.classes) == pytest.approx(1.0)
    assert (
        "ref_rate=nan cur_rate=nan abs_diff=0." in result_lines(turned)[0] and "(3 classes: " in result_lines(turned)[0]
    )
    relations = {item.name: item for item in turned.performance.relations}
    assert relations["rain"].lost > 0.2 > 0.1 > relations["wind"].lost, "the rain says the opposite of what it said"
    page = turned.paths.page.read_text()
    assert "macro AUC" in page and "How have the classes of how moved?" in page
    assert "tells the classes of how from each other" in page
    kept = past_record(place.engine, "class", APR, None)
    assert kept.target.target.level_cur == target.level_cur and kept.target.abs_diff == target.abs_diff
    assert [item.name for item in kept.performance.relations] == [
        item.name for item in classes.after.performance.relations
    ]
    assert classes.comparison.promote
    prediction = classes.calm.drift.prediction
    assert prediction is not None and prediction.dtype == "STRING"
    registry = require_registry(place.parameters, Path(place.environment["MLFLOW_ARTIFACTS"]), classes.calm.monitor)
    info = registry.version_info("1")
    registry.close()
    assert (info.label_kind, info.classes) == (LabelKind.CATEGORICAL, ("early", "late", "on time"))


def test_a_predicted_class_has_its_probability(classes: Story, place: Workplace) -> None:
    assert classes.predicted.startswith(f"[Predict] as_of=2025-04-28 rows={TRIPS} mean_probability=0.")
    assert {item["prediction"] for item in classes.csv_rows} == {"early", "late", "on time"}
    assert all(1 / 3 <= float(item["probability"]) <= 1 for item in classes.csv_rows)
    with place.engine.connect() as connection:
        query = "SELECT DISTINCT prediction, predicted_value FROM predictions WHERE predicted_class IS NOT NULL"
        assert connection.execute(text(query)).all() == [(None, None)]
