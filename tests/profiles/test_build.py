"""What is counted from each type of column, the same from every engine's types."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from driftgate.profiles.build import count_column, measure
from driftgate.profiles.columns import CategoryColumn, NumberColumn
from driftgate.profiles.grid import Form
from tests.profiles.months import JANUARY

NOON = datetime(2024, 1, 30, 12, tzinfo=UTC)


def counted(values: list[Any], kind: pa.DataType | None = None, form: Form = Form.NUMBER) -> Any:
    return count_column(pa.chunked_array([pa.array(values, kind)]), form, JANUARY)


def facts(column: NumberColumn) -> dict[str, Any]:
    return {
        "values": dict(zip(column.values.tolist(), column.counts.tolist(), strict=True)),
        "missing": [column.nulls, column.nans, column.above, column.below],
    }


@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(9, 2)])
def test_numbers_of_every_width_are_the_same(kind: pa.DataType) -> None:
    values = [Decimal(3), Decimal(3), None, Decimal(5)] if pa.types.is_decimal(kind) else [3, 3, None, 5]
    assert facts(counted(values, kind)) == {"values": {3.0: 2, 5.0: 1}, "missing": [1, 0, 0, 0]}


def test_nan_and_infinities_are_told_apart() -> None:
    column = counted([1.0, None, np.nan, np.inf, np.inf, -np.inf])
    assert facts(column) == {"values": {1.0: 1}, "missing": [1, 1, 2, 1]}
    assert column.missing_share == 5 / 6


def test_decimals_become_the_nearest_double() -> None:
    values = [Decimal(n) / 1000 for n in range(3000)]
    assert set(counted(values, pa.decimal128(38, 18)).values.tolist()) == {float(value) for value in values}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([NOON.replace(tzinfo=None), None], pa.timestamp("us")),
        ([NOON.replace(tzinfo=None), None], pa.timestamp("ns")),
        ([NOON, None], pa.timestamp("us", "Europe/Berlin")),
    ],
)
def test_timestamps_are_ages_in_seconds(values: list[Any], kind: pa.DataType) -> None:
    assert facts(counted(values, kind)) == {"values": {43200.0: 1}, "missing": [1, 0, 0, 0]}


def test_dates_are_ages_in_days() -> None:
    assert facts(counted([date(2024, 1, 1), date(2024, 2, 1), None]))["values"] == {30.0: 1, -1.0: 1}


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.int64()), pa.list_(pa.float64(), 2)]
)
def test_arrays_are_counted_by_norm_and_missing_elements_make_it_nan(kind: pa.DataType) -> None:
    column = counted([[3, 4], None, [3, 4], [None, 1], [0, 0]], kind)
    assert facts(column) == {"values": {5.0: 2, 0.0: 1}, "missing": [1, 1, 0, 0]}


def test_an_empty_array_has_the_norm_zero() -> None:
    assert facts(counted([[], [1.0], []], pa.list_(pa.float64())))["values"] == {0.0: 2, 1.0: 1}


@pytest.mark.parametrize(
    ("values", "kind", "names"),
    [
        (["b", "é", None, "b"], pa.string(), {"b": 2, "é": 1}),
        (["b", "é", None, "b"], pa.large_string(), {"b": 2, "é": 1}),
        (["b", "é", None, "b"], pa.dictionary(pa.int8(), pa.string()), {"b": 2, "é": 1}),
        ([True, False, None, True], pa.bool_(), {"True": 2, "False": 1}),
        ([None] * 4, pa.null(), {}),
    ],
)
def test_categories(values: list[Any], kind: pa.DataType, names: dict[str, int]) -> None:
    column = counted(values, kind, Form.CATEGORY)
    assert isinstance(column, CategoryColumn)
    assert dict(zip(column.names, column.counts.tolist(), strict=True)) == names
    assert column.count + column.nulls == 4


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["1"], Form.NUMBER),
        ([True], Form.NUMBER),
        ([1], Form.CATEGORY),
        ([["a"]], Form.NUMBER),
        ([{"a": 1}], Form.NUMBER),
    ],
)
def test_another_type_is_not_counted(values: list[Any], form: Form) -> None:
    assert counted(values, None, form) is None


def test_one_bad_column_does_not_keep_the_others_from_being_counted() -> None:
    table = pa.table({"x": [1.0, 2.0], "retyped": ["1", "2"], "empty": pa.nulls(2)})
    forms = {"x": Form.NUMBER, "retyped": Form.NUMBER, "gone": Form.NUMBER, "empty": Form.NUMBER}
    profile = measure(table, forms, JANUARY)
    assert profile.rows == 2 and set(profile.columns) == {"x", "empty"}
    assert profile.unmeasured == {"retyped": "string", "gone": ""}
    assert profile.columns["empty"].missing == 2
