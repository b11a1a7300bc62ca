"""The relation of single features to the label."""

import numpy as np
import pyarrow as pa
import pytest

from driftgate.errors import DataError
from driftgate.performance.feature_auc import feature_auc


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

    found = feature_auc((table(0), labels[0]), (table(1), labels[1]), table(0).column_names)
    by_name = {item.name: item for item in found}
    assert [item.name for item in found][:2] == ["category", "turns"]
    assert found[0].cur == 0.0
    assert by_name["turns"].cur < 0.35
    assert by_name["gone"].cur == pytest.approx(0.5, abs=0.05)
    assert by_name["stays"].lost == pytest.approx(0.0, abs=0.05)
    assert by_name["blank tells"].ref == by_name["blank tells"].cur == 1.0


def test_new_categories_and_columns_without_values_say_nothing() -> None:
    labels = np.array([0.0, 1.0, 0.0, 1.0])
    ref = pa.table({"word": ["a", "b", "a", "b"], "none": pa.nulls(4, pa.float64())})
    cur = pa.table({"word": ["x", "y", "x", "y"], "none": pa.nulls(4, pa.float64())})
    by_name = {item.name: item for item in feature_auc((ref, labels), (cur, labels), ["word", "none"])}
    assert (by_name["word"].ref, by_name["word"].cur) == (1.0, 0.5)
    assert (by_name["none"].ref, by_name["none"].cur) == (0.5, 0.5)


def test_a_month_of_one_class_relates_to_nothing() -> None:
    labels, table = np.array([0.0, 1.0]), pa.table({"word": ["a", "b"]})
    with pytest.raises(DataError, match="not defined"):
        feature_auc((table, labels), (table, np.zeros(2)), ["word"])
