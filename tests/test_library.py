"""Two tables compared without a database: every kind of table, every kind of column, and the words of its errors."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import driftgate
from driftgate.drift.result import ColumnState
from driftgate.errors import ConfigurationError, DataError, UsageError
from driftgate.measures import LabelKind, values_of
from tests.architecture.markdown import code_blocks, text_of

ROWS = 2000
RANDOM = np.random.default_rng(3)
REFERENCE = pd.DataFrame(
    {
        "id": np.arange(ROWS),
        "fee": RANDOM.lognormal(size=ROWS),
        "plan": RANDOM.choice(["basic", "plus", None], ROWS),
        "active": RANDOM.random(ROWS) < 0.4,
        "churned": RANDOM.random(ROWS) < 0.2,
    }
)
CURRENT = REFERENCE.assign(fee=REFERENCE.fee + 1.0, churned=True)


def compared(reference: Any = REFERENCE, current: Any = CURRENT, **options: Any) -> Any:
    """The drift alone, which needs no model."""
    return driftgate.compare(reference, current, **({"key": "id", "label": "churned", "performance": "off"} | options))


def test_what_moved_is_found_and_nothing_else() -> None:
    found = compared()
    assert found.drifted == ("fee",) and found.drift_share == pytest.approx(1 / 3) and found.is_drifted
    assert found.columns[0].name == "fee"
    drift, label = str(found).splitlines()
    assert drift == "1 of 3 features drifted (share 0.33, threshold 0.30): fee"
    assert label.startswith("label: 0.") and "1.0000 now, a difference of 0." in label and found.target.p_value < 1e-6
    assert not compared(current=REFERENCE).is_drifted
    assert not compared(threshold=0.5).is_drifted


def test_every_kind_of_table_gives_the_same(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(CURRENT, preserve_index=False)
    pq.write_table(table, tmp_path / "current.parquet")
    expected = compared().to_dict()
    for current in (
        table,
        tmp_path / "current.parquet",
        str(tmp_path / "current.parquet"),
        ibis.memtable(CURRENT),
        CURRENT.astype({"plan": "category"}),
        CURRENT.sample(frac=1, random_state=1),
    ):
        assert compared(current=current).to_dict() == expected


def test_the_result_as_json_and_as_a_frame() -> None:
    found = compared(current=CURRENT.drop(columns="plan"))
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["drifted"] == ["plan", "fee"] and content["columns"][0]["state"] == "missing"
    frame = found.to_pandas()
    assert frame.name.tolist() == ["plan", "fee", "active"] and frame.drifted.tolist() == [True, True, False]


def test_a_notebook_shows_names_escaped() -> None:
    page = driftgate.compare(pd.DataFrame({"<b>": range(200)}), pd.DataFrame({"<b>": range(200)}))._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page and "0 of 1 features drifted" in page


def test_columns_of_other_types() -> None:
    days = date(2024, 1, 31), date(2024, 2, 29)
    sides = [
        pa.table(
            {
                "seen": [datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=n) for n in range(300)],
                "vector": pa.array([[float(n), 1.0] for n in range(300)]),
                "blob": [b"x"] * 300,
            }
        )
        for day in days
    ]
    states = {item.name: item.state for item in driftgate.compare(*sides, as_of=days).columns}
    assert states == {
        "seen": ColumnState.COMPARED, "vector": ColumnState.COMPARED, "blob": ColumnState.UNSUPPORTED
    }  # fmt: skip
    assert driftgate.compare(*sides, as_of=days).drifted == ("blob",)
    assert {item.name: item.state for item in driftgate.compare(*sides).columns}["seen"] is ColumnState.UNSUPPORTED


def test_a_rule_names_method_and_threshold() -> None:
    (fee,) = [
        item for item in compared(rules={"fee": {"method": "ks", "threshold": 0.01}}).columns if item.name == "fee"
    ]
    assert (fee.method, fee.threshold) == ("ks", 0.01) and math.isnan(fee.p_value)
    with pytest.raises(ConfigurationError, match="fees"):
        compared(rules={"fees": {"threshold": 0.1}})


def test_a_column_without_a_value_takes_its_type_from_the_other_table() -> None:
    reference = pd.DataFrame({"f": [None] * 200, "g": range(200)})
    found = driftgate.compare(reference, pd.DataFrame({"f": np.arange(200.0), "g": range(200)}))
    assert {item.name: item.state for item in found.columns} == {
        "f": ColumnState.ALL_NULL, "g": ColumnState.COMPARED
    }  # fmt: skip


def users(seed: int, weak: float, rows: int = 1800, numeric: bool = False) -> pd.DataFrame:
    """Users who leave the more, the less they watch; of those with Fiber by `weak`, of all others by 2."""
    random = np.random.default_rng(seed)
    hours, net = random.normal(size=rows), random.choice(["Fiber", "DSL", "none"], rows, p=[0.45, 0.35, 0.2])
    strength = np.where(net == "Fiber", weak, 2.0)
    paid = strength * hours + random.normal(size=rows)
    left = random.random(rows) < 1 / (1 + np.exp(strength * hours))
    label = {"paid": paid} if numeric else {"left": left}
    return pd.DataFrame(
        {"user": np.arange(rows), "hours": hours, "fee": random.lognormal(size=rows), "net": net} | label
    )


class Watches:
    """A model that reads one column, as a caller fits one elsewhere."""

    feature_names_in_ = ("hours",)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        positive = 1 / (1 + np.exp(2 * frame.hours.to_numpy()))
        return np.c_[1 - positive, positive]

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return 2 * frame.hours.to_numpy()


def test_the_documented_example_says_how_much_worse_a_model_is_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"user": "user_id", "net": "net_service", "left": "churned"}
    for name, seed, weak in (("january", 1, 2.0), ("february", 2, 0.0)):
        users(seed, weak).rename(columns=names).to_parquet(tmp_path / f"{name}.parquet")
    monkeypatch.chdir(tmp_path)
    (example,) = code_blocks(text_of("docs/how-to/compare-two-tables.md"), "python")
    left: dict[str, Any] = {}
    exec(example, left)
    assert left["names"] == () and left["share"] == 0.0 and len(left["frame"]) == 3
    assert left["where"] == ["net_service = Fiber"]
    model = left["model"]
    assert model.drop_interval[0] > 0.05 and 200 < model.users_ref < 500 and model.gain.computed
    (segment,) = model.segments.named
    assert segment.ref > 0.75 > 0.6 > segment.cur and model.segments.tested + model.segments.too_few == 4
    drift, label, fall, gain, why, where = capsys.readouterr().out.splitlines()
    assert drift == "0 of 3 features drifted (share 0.00, threshold 0.30)"
    assert label.startswith("label: 0.") and label.endswith(" would be chance") and left["label"].abs_diff < 0.05
    assert fall.startswith("AUC 0.8") and gain.startswith("gain in AUC of a model trained on the current table: ")
    assert why.startswith("of the drop between the months, ") and where.startswith(
        "the fall is greatest where net_service = Fiber (4"
    )
    content = json.loads(json.dumps(left["content"], allow_nan=False))["performance"]
    assert content["segments"]["named"][0]["feature"] == "net_service" and content["causes"]["meaning"]["value"] > 0.05
    assert f"<p>{where}</p>" in left["found"]._repr_html_()


def test_a_model_of_the_callers_is_measured_on_every_row() -> None:
    found = driftgate.compare(users(1, 2.0), users(2, 2.0), label="left", model=Watches()).performance
    assert (found.users_ref, found.users_cur) == (1800, 1800) and found.gain.computed
    assert found.change.ref == pytest.approx(found.change.cur, abs=0.03) and found.segments.code == "no_drop"


def test_a_model_of_a_number_is_measured_by_its_error() -> None:
    sides = users(1, 2.0, 1000, numeric=True), users(2, 2.0, 1000, numeric=True)
    found = driftgate.compare(*sides, key="user", label="paid", model=Watches()).performance
    assert found.measure == "rmse" and found.change.ref == pytest.approx(1.0, abs=0.1)
    assert found.users_ref == 1000 and found.segments.code == "no_drop"


@pytest.mark.parametrize("model", [None, Watches()], ids=["probe", "model of the caller"])
def test_before_the_labels_come_the_performance_is_estimated(model: Any) -> None:
    """In the current table users watch more alike, so that they are harder to tell from each other."""
    near = users(2, 2.0, 1000).query("hours.abs() < 1.2")
    unlabelled = near.drop(columns="left") if model else near.assign(left=None)
    found = driftgate.compare(users(1, 2.0, 1000), unlabelled, key="user", label="left", model=model)
    estimate, labels = found.performance.estimate, near.left.to_numpy()
    true = values_of(LabelKind.BOOLEAN, labels.astype(float), Watches().predict_proba(near)[:, 1])["auc"]
    assert estimate.low <= true <= estimate.high and estimate.value < estimate.ref - 0.03
    assert found.performance.reason == "not computable: current: no row has a label"
    line = str(found).splitlines()[-1]
    assert line.startswith("estimated before the labels: AUC 0.")
    assert line.endswith("cannot see a change of what the features mean, and that decides nothing")
    assert found.to_dict()["performance"]["estimate"]["low"] == estimate.low and escape(line) in found._repr_html_()
    assert (found.performance.measured, found.performance.gain.code) == (False, "not_measured")


def tiers(seed: int, sign: float, rare: float) -> pd.DataFrame:
    """Users with a tier of three, which follows what they watch by `sign`; of the middle one a part is left out."""
    frame, random = users(seed, 0.0, 1000).drop(columns=["left", "net"]), np.random.default_rng(seed + 100)
    shown = sign * frame.hours + random.normal(size=1000) / 2
    tier = np.select([shown < -0.5, shown < 0.5], ["low", "mid"], "high")
    return frame.assign(tier=tier)[(tier != "mid") | (random.random(1000) > rare)]


def test_a_label_of_classes_has_a_target_drift_a_performance_and_relations() -> None:
    found = driftgate.compare(tiers(1, 1.0, 0.0), tiers(2, -1.0, 0.5), key="user", label="tier")
    target, performance = found.target, found.performance
    assert target.classes[0].name == "mid" and target.classes[0].change < -0.1
    assert target.p_value < 0.005 and target.chance < 0.1 < target.abs_diff
    assert performance.measure == "macro_auc" and performance.drop_interval[0] > 0.2
    hours = performance.relations[0]
    assert hours.name == "hours" and hours.cur < 0.5 < 0.7 < hours.ref
    assert "label: 3 classes: mid 0." in str(found)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["target"]["classes"][0]["name"] == "mid"
    assert content["performance"]["relations"][0]["name"] == "hours"


def test_without_a_label_there_is_no_target_and_without_labels_the_reason() -> None:
    assert driftgate.compare(REFERENCE, CURRENT).target is None
    found = compared(current=CURRENT.drop(columns="churned"))
    assert found.target.reason == "current: no row has a label" and not found.target.computable
    assert found.to_dict()["target"]["abs_diff"] is None and "current: no row has a label" in str(found)


def test_an_estimate_that_cannot_be_made_says_why() -> None:
    numbers = users(1, 2.0, 600, numeric=True)
    found = driftgate.compare(numbers, users(2, 2.0, 600, numeric=True).drop(columns="paid"), label="paid")
    assert found.performance.measure == "rmse" and found.performance.estimate.code == "other_label"
    assert str(found).endswith("no estimate before the labels come: it is not estimated for numeric labels")
    reference = users(1, 2.0, 600)
    few = driftgate.compare(reference.head(300), users(2, 2.0, 300).drop(columns="left"), label="left")
    assert few.performance.estimate.code == "too_few_entities"
    unknown = driftgate.compare(reference.assign(left=None), reference.drop(columns="left"), label="left")
    assert unknown.performance.reason == "not computable: reference: no row has a label"


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"hours": None}, {"model": type("Reads", (Watches,), {"feature_names_in_": ("age",)})()}, "absent: age"),
        ({"left": pd.Timestamp("2024-01-31")}, {}, "label is 'left' of type timestamp"),
    ],
)
def test_what_cannot_be_measured_by_a_mistake_is_an_error(
    change: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        driftgate.compare(users(1, 2.0, 300), users(2, 2.0, 300).assign(**change), key="user", label="left", **options)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"left": True}, "every label of current is True"),
        ({"left": "yes"}, "every label of current is yes"),
    ],
)
def test_what_cannot_be_measured_in_the_data_is_a_state(change: dict[str, Any], words: str) -> None:
    found = driftgate.compare(users(1, 2.0, 300), users(2, 2.0, 300).assign(**change), key="user", label="left")
    assert found.performance.reason == f"not computable: {words}" and words in str(found)


def flights(first_day: int, per_day: int = 60) -> pd.DataFrame:
    """Thirty days, each with weather of its own, which delays all of its flights."""
    random, day = np.random.default_rng(first_day), np.repeat(np.arange(30), per_day)
    wind = (random.normal(size=30) * 0.7)[day] + random.normal(size=len(day)) * 0.7
    late = (random.normal(size=30))[day] + wind + random.logistic(size=len(day)) > 1.0
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(day + first_day, unit="D")
    hour = random.normal(size=len(day))
    return pd.DataFrame({"day": days + pd.Timedelta(hours=6), "wind": wind, "hour": hour, "late": late})


def test_rows_of_one_day_are_split_resampled_and_dealt_out_together() -> None:
    reference, current = flights(0), flights(30)
    alone = driftgate.compare(reference.drop(columns="day"), current.drop(columns="day"), label="late")
    found = driftgate.compare(reference, current, label="late", group="day")
    assert [column.name for column in found.columns] == ["wind", "hour"]
    assert (found.drift.groups_ref, found.drift.groups_cur) == (30, 30)
    wind = {item.name: item for item in found.columns}["wind"]
    other = {item.name: item for item in alone.columns}["wind"]
    assert wind.score == other.score
    assert wind.chance > 2 * other.chance, "thirty days say less than 1,800 flights that stand alone"
    assert found.target.chance > 2 * alone.target.chance and found.target.p_value > alone.target.p_value
    width = [high - low for low, high in (found.performance.drop_interval, alone.performance.drop_interval)]
    assert width[0] > width[1]
    assert str(found) == str(driftgate.compare(reference, current, label="late", group="day"))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"day": None}, DataError, "current has 1800 rows without day, and 0 groups"),
        ({"day": "2024-03-01"}, DataError, "and 1 groups"),
        ({"day": 0.5}, UsageError, "group is 'day' of type double"),
    ],
)
def test_groups_that_say_too_little_are_refused(change: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        driftgate.compare(flights(0), flights(30).assign(**change), group="day")
    with pytest.raises(ConfigurationError, match="whose p-value is of entities that stand alone"):
        driftgate.compare(flights(0), flights(30), group="day", rules={"wind": {"method": "ks"}})
