"""The relation of single features to the label."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.performance.evaluation_model import Labelled
from driftgate.performance.feature_auc import feature_auc
from driftgate.performance.result import FeatureAuc


def relations(
    ref: tuple[pa.Table, np.ndarray], cur: tuple[pa.Table, np.ndarray], features: list[str]
) -> tuple[FeatureAuc, ...]:
    sides = [
        Labelled(keys=np.arange(len(labels)).astype(str), table=table, values=labels) for table, labels in (ref, cur)
    ]
    return feature_auc(sides[0], sides[1], features)


def test_what_turned_around_comes_first_and_what_stayed_last() -> None:
    random = np.random.default_rng(0)
    labels = [(random.random(2000) < 0.4).astype(float) for _ in range(2)]

    def table(month: int) -> pa.Table:
        y = labels[month]
        turn = y if month == 0 else 1 - y
        return pa.table(
            {
                "stays": y + random.normal(size=2000),
                "turns": turn + random.normal(size=2000),
                "gone": (y if month == 0 else np.zeros(2000)) + random.normal(size=2000),
                "category": [("a" if (value > 0.5) == (month == 0) else "b") for value in y],
                "blank tells": [None if value > 0.5 else 1 for value in y],
            }
        )

    found = relations((table(0), labels[0]), (table(1), labels[1]), table(0).column_names)
    by_name = {item.name: item for item in found}
    assert [item.name for item in found][:2] == ["category", "turns"]
    assert found[0].cur == 0.0
    assert by_name["turns"].cur < 0.35
    assert by_name["gone"].cur == pytest.approx(0.5, abs=0.05)
    assert by_name["stays"].lost == pytest.approx(0.0, abs=0.05)
    assert by_name["blank tells"].ref == by_name["blank tells"].cur == 1.0


def test_new_categories_and_columns_without_values_say_nothing() -> None:
    labels = np.array([0.0, 1.0] * 20)
    ref = pa.table({"word": ["a", "b"] * 20, "none": pa.nulls(40, pa.float64())})
    cur = pa.table({"word": ["x", "y"] * 20, "none": pa.nulls(40, pa.float64())})
    by_name = {item.name: item for item in relations((ref, labels), (cur, labels), ["word", "none"])}
    assert (by_name["word"].ref, by_name["word"].cur) == (1.0, 0.5)
    assert (by_name["none"].ref, by_name["none"].cur) == (0.5, 0.5)


def test_a_month_of_one_class_relates_to_nothing() -> None:
    labels, table = np.array([0.0, 1.0]), pa.table({"word": ["a", "b"]})
    for one in (np.zeros(2), np.ones(2)):
        assert relations((table, labels), (table, one), ["word"]) == ()
        assert relations((table, one), (table, labels), ["word"]) == ()


@pytest.mark.parametrize("classes", [0, 10], ids=["boolean", "ten classes"])
def test_a_feature_that_says_nothing_has_lost_nothing(classes: int) -> None:
    """The mean of 30 pairs of 500 rows, seeds 0 to 29; by its own rates the reference would have 0.61 and 0.67."""
    lost = []
    for seed in range(30):
        random, months = np.random.default_rng(seed), []
        for _ in range(2):
            names = np.array([f"c{n}" for n in range(10)])[random.integers(0, 10, 500)]
            labels = names if classes else random.integers(0, 2, 500).astype(float)
            months.append((pa.table({"x": random.normal(size=500)}), labels))
        lost.append(relations(*months, ["x"])[0].lost)
    assert abs(np.mean(lost)) < 0.015


def months_of_classes(turned: bool) -> list[tuple[pa.Table, np.ndarray]]:
    """Two months of three classes; in the second one what `turns` says of them goes round, where that is asked for."""
    random, months = np.random.default_rng(0), []
    for at in range(2):
        numbers = random.integers(0, 3, 2000)
        shown = (numbers + at) % 3 if turned else numbers
        table = {
            "stays": numbers + random.normal(size=2000) / 2,
            "turns": shown + random.normal(size=2000) / 2,
            "nothing": random.normal(size=2000),
            "word": [("low", None, "high")[number] for number in numbers],
        }
        months.append((pa.table(table), np.array(["early", "late", "on time"])[numbers]))
    return months


def test_of_a_label_of_classes_it_is_the_macro_auc_of_their_rates() -> None:
    ref, cur = months_of_classes(turned=True)
    found = {item.name: item for item in relations(ref, cur, ref[0].column_names)}
    assert next(iter(found)) == "turns" and found["turns"].ref > 0.8 > 0.45 > found["turns"].cur
    assert found["stays"].lost == pytest.approx(0.0, abs=0.03) and found["stays"].ref > 0.8
    assert found["nothing"].cur == pytest.approx(0.5, abs=0.03)
    assert found["word"].ref == found["word"].cur == 1.0
    calm = relations(*months_of_classes(turned=False), ref[0].column_names)
    assert max(abs(item.lost) for item in calm) < 0.05


def test_a_class_that_is_new_is_told_by_no_feature() -> None:
    labels = np.array(["a", "b"] * 50)
    table = pa.table({"word": labels.tolist()})
    new = np.array(["a", "c"] * 50)
    (found,) = relations((table, labels), (pa.table({"word": ["a", "b"] * 50}), new), ["word"])
    assert (found.ref, found.cur) == (1.0, 0.75), "one class of two is told, and the other counts as chance"
    assert relations((table, labels), (table, np.array(["x"] * 60 + ["y"] * 40)), ["word"]) == ()


@given(st.integers(0, 1000))
def test_two_classes_are_a_boolean_label(seed: int) -> None:
    random = np.random.default_rng(seed)
    numbers = [np.r_[0.0, 1.0, random.integers(0, 2, 60)] for _ in range(2)]
    tables = [pa.table({"x": random.normal(size=62) + side, "y": random.normal(size=62)}) for side in numbers]
    plain = relations((tables[0], numbers[0]), (tables[1], numbers[1]), ["x", "y"])
    names = [np.array(["no", "yes"])[side.astype(int)] for side in numbers]
    found = relations((tables[0], names[0]), (tables[1], names[1]), ["x", "y"])
    assert [item.name for item in found] == [item.name for item in plain]
    for one, other in zip(found, plain, strict=True):
        assert (one.ref, one.cur) == (pytest.approx(other.ref), pytest.approx(other.cur))
