"""The column ledger: every declared feature is compared or has a state, and none drops out of the denominator."""

import decimal
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from driftgate.drift.ledger import Ledger, require_comparable
from driftgate.drift.result import ColumnResult, ColumnState
from driftgate.errors import ConfigurationError, IncomparableColumnsError, NoVerdictError
from driftgate.features.types import Kind
from tests.drift.months import FEBRUARY, JANUARY, Columns, Types, compared, ledger_of, monitor, month, pair

ROWS = 200
NUMBERS = list(range(ROWS))


def ledger(folder: Path, ref: Columns, cur: Columns, types: Types, **overrides: Any) -> Ledger:
    return ledger_of(*pair(folder, ref, cur, types), monitor(**overrides))


def entry(folder: Path, then: Any, now: Any, dtype: str, **overrides: Any) -> ColumnResult:
    """The ledger's entry for one column `f`; None for a month that lacks it."""
    sides = [{"user_id": NUMBERS} | ({} if values is None else {"f": values}) for values in (then, now)]
    (column,) = ledger(folder, *sides, {"f": dtype}, **overrides).columns
    return column


def strings(*values: str, rows: int = ROWS) -> list[str]:
    return [values[n % len(values)] for n in range(rows)]


@pytest.mark.parametrize(
    ("dtype", "values", "method"),
    [
        ("INT64", pa.array(NUMBERS, pa.int32()), "wasserstein"),
        ("INT32", pa.array([n % 3 for n in NUMBERS], pa.int64()), "jensenshannon"),
        ("FLOAT64", pa.array(NUMBERS, pa.float64()), "wasserstein"),
        ("FLOAT32", pa.array(NUMBERS, pa.float32()), "wasserstein"),
        ("INT64", pa.array(NUMBERS, pa.float64()), "wasserstein"),
        ("FLOAT64", pa.array([decimal.Decimal(n) / 4 for n in NUMBERS]), "wasserstein"),
        ("BOOL", pa.array([n % 2 == 0 for n in NUMBERS]), "jensenshannon"),
        ("STRING", pa.array(strings("a", "b")), "jensenshannon"),
        ("STRING", pa.array(strings("a", "b"), pa.large_string()), "jensenshannon"),
    ],
)
def test_numbers_booleans_and_categories_are_compared(
    tmp_path: Path, dtype: str, values: pa.Array, method: str
) -> None:
    column = entry(tmp_path, values, values, dtype)
    assert (column.state, column.detail) == (ColumnState.COMPARED, "")
    assert (column.method, column.threshold) == (method, 0.1)
    assert (column.values_ref, column.values_cur, column.missing_ref, column.missing_cur) == (ROWS, ROWS, 0.0, 0.0)
    assert (column.view, column.dtype) == ("view", dtype)
    assert math.isnan(column.score)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("INT64", [None if n % 4 == 0 else n for n in NUMBERS]),
        ("BOOL", [None if n % 4 == 0 else n % 3 == 0 for n in NUMBERS]),
    ],
)
def test_nullable_integers_and_booleans_are_compared(tmp_path: Path, dtype: str, values: list[Any]) -> None:
    column = entry(tmp_path, values, values, dtype)
    assert column.state is ColumnState.COMPARED
    assert (column.values_ref, column.missing_ref, column.missing_cur) == (150, 0.25, 0.25)


def test_nan_and_infinities_are_missing_values(tmp_path: Path) -> None:
    then = np.arange(ROWS, dtype=float)
    now = then.copy()
    then[:20] = math.nan
    now[:10], now[10:25], now[25:50] = math.nan, math.inf, -math.inf
    column = entry(tmp_path, pa.array(then), pa.array(now), "FLOAT64")
    assert (column.values_ref, column.values_cur) == (180, 150)
    assert (column.missing_ref, column.missing_cur) == (pytest.approx(0.1), 0.25)


def test_null_and_nan_are_missing_together(tmp_path: Path) -> None:
    values = pa.array([None if n < 10 else math.nan if n < 30 else float(n) for n in NUMBERS], from_pandas=False)
    assert entry(tmp_path, values, values, "FLOAT64").values_ref == 170


def test_an_empty_text_is_a_value(tmp_path: Path) -> None:
    assert entry(tmp_path, strings("", "a"), strings("", "a"), "STRING").values_ref == ROWS


@pytest.mark.parametrize(
    ("then", "now", "when"),
    [(None, NUMBERS, "reference"), (NUMBERS, None, "current"), (None, None, "reference")],
)
def test_a_column_the_source_lacks_is_missing(tmp_path: Path, then: Any, now: Any, when: str) -> None:
    column = entry(tmp_path, then, now, "INT64")
    assert column.state is ColumnState.MISSING
    assert f"{when} month" in column.detail
    assert math.isnan(column.missing_ref)


@pytest.mark.parametrize("empty", [pa.nulls(ROWS, pa.float64()), pa.array([math.nan] * ROWS), pa.nulls(ROWS)])
@pytest.mark.parametrize("when", ["reference", "current"])
def test_a_column_without_any_value_is_all_null(tmp_path: Path, empty: pa.Array, when: str) -> None:
    full = pa.array(NUMBERS, pa.float64())
    sides = (empty, full) if when == "reference" else (full, empty)
    column = entry(tmp_path, *sides, "FLOAT64")
    assert column.state is ColumnState.ALL_NULL
    assert f"{when} month" in column.detail
    assert 1.0 in (column.missing_ref, column.missing_cur)


def test_an_all_null_category_is_all_null(tmp_path: Path) -> None:
    assert entry(tmp_path, pa.nulls(ROWS, pa.string()), strings("a", "b"), "STRING").state is ColumnState.ALL_NULL


@pytest.mark.parametrize(
    ("dtype", "values", "words"),
    [
        ("INT64", strings("1", "2"), "declared INT64, the source gives string"),
        ("FLOAT64", [n % 2 == 0 for n in NUMBERS], "the source gives bool"),
        ("BOOL", [n % 2 for n in NUMBERS], "declared BOOL, the source gives int64"),
        ("BOOL", strings("True", "False"), "the source gives string"),
        ("STRING", NUMBERS, "declared STRING, the source gives int64"),
        ("INT64", [datetime(2024, 1, 1, tzinfo=UTC)] * ROWS, "the source gives timestamp"),
    ],
)
@pytest.mark.parametrize("both", [True, False])
def test_another_type_than_declared_is_retyped(tmp_path: Path, dtype: str, values: Any, words: str, both: bool) -> None:
    right = {"INT64": NUMBERS, "FLOAT64": NUMBERS, "BOOL": [n % 3 == 0 for n in NUMBERS], "STRING": strings("a", "b")}
    column = entry(tmp_path, values if both else right[dtype], values, dtype)
    assert column.state is ColumnState.RETYPED
    assert words in column.detail


@pytest.mark.parametrize(("kept", "state"), [(99, ColumnState.NOT_ENOUGH_ROWS), (100, ColumnState.COMPARED)])
@pytest.mark.parametrize("when", ["reference", "current"])
def test_a_column_needs_min_rows_values(tmp_path: Path, kept: int, state: ColumnState, when: str) -> None:
    few = [n if n < kept else None for n in NUMBERS]
    column = entry(tmp_path, *((few, NUMBERS) if when == "reference" else (NUMBERS, few)), "INT64", min_rows=100)
    assert column.state is state
    assert column.detail == ("" if state is ColumnState.COMPARED else "99 values, 100 needed")


def test_a_view_without_news_is_stale_and_no_other_is(tmp_path: Path) -> None:
    columns = {"user_id": NUMBERS, "f": NUMBERS}
    ref = month(tmp_path, JANUARY, columns, {"f": "INT64"}, stale=["view"])
    cur = month(tmp_path, FEBRUARY, columns, {"f": "INT64"})
    assert ledger_of(ref, cur, monitor()).columns[0].state is ColumnState.COMPARED
    cur = month(tmp_path, FEBRUARY, columns, {"f": "INT64"}, stale=["view", "another"])
    (column,) = ledger_of(ref, cur, monitor()).columns
    assert column.state is ColumnState.STALE
    assert column.detail == "view has no row of this month, only earlier ones"


@pytest.mark.parametrize("dtype", ["BYTES", "Array(INT64)", "MAP"])
def test_a_type_that_is_neither_number_nor_category_is_unsupported(tmp_path: Path, dtype: str) -> None:
    column = entry(tmp_path, NUMBERS, NUMBERS, dtype)
    assert column.state is ColumnState.UNSUPPORTED
    assert dtype in column.detail


def test_a_category_that_names_its_row_is_an_identifier(tmp_path: Path) -> None:
    names = [f"name {n}" for n in NUMBERS]
    column = entry(tmp_path, names, names, "STRING")
    assert column.state is ColumnState.UNSUPPORTED
    assert column.detail == "200 distinct values: an identifier, not a category"


@pytest.mark.parametrize(("distinct", "state"), [(100, ColumnState.COMPARED), (101, ColumnState.UNSUPPORTED)])
def test_half_as_many_categories_as_rows_are_still_categories(
    tmp_path: Path, distinct: int, state: ColumnState
) -> None:
    names = strings(*(f"c{n}" for n in range(distinct)))
    assert entry(tmp_path, names, names, "STRING").state is state


def test_a_small_month_may_have_fifty_categories(tmp_path: Path) -> None:
    names = [f"c{n % 50}" for n in NUMBERS]
    few = [name if n < 60 else None for n, name in enumerate(names)]
    assert entry(tmp_path, few, few, "STRING", min_rows=50).state is ColumnState.COMPARED


@pytest.mark.parametrize(
    ("dtype", "then", "now"),
    [
        ("INT64", 3, 3),
        ("INT64", 3, 4),
        ("STRING", "a", "a"),
        ("STRING", "a", "b"),
        ("BOOL", True, True),
        ("FLOAT64", 0.5, 1.5),
    ],
)
def test_a_constant_is_compared(tmp_path: Path, dtype: str, then: Any, now: Any) -> None:
    assert entry(tmp_path, [then] * ROWS, [now] * ROWS, dtype).state is ColumnState.COMPARED


def test_identifiers_times_and_the_label_are_no_features(tmp_path: Path) -> None:
    columns = {
        "user_id": strings("u1", "u2"),
        "customer": strings("u1", "u2"),
        "as_of": NUMBERS,
        "signed_up": [datetime(2024, 1, 1, tzinfo=UTC)] * ROWS,
        "churned": [n % 2 == 0 for n in NUMBERS],
        "fee": NUMBERS,
    }
    types = {
        "user_id": "STRING",
        "customer": "STRING",
        "as_of": "INT64",
        "churned": "BOOL",
        "fee": "INT64",
    }
    entity = {"table": "entities", "key": "user_id", "join_key": "customer", "timestamp": "as_of"}
    result = ledger(tmp_path, columns, columns, types, entity=entity)
    assert [column.name for column in result.columns] == ["fee"]
    assert result.excluded == (
        ("user_id", "identifier"),
        ("customer", "identifier"),
        ("as_of", "timestamp"),
        ("churned", "label"),
    )
    assert result.kinds == {"fee": Kind.NUMERIC}


def test_a_name_that_is_prefixed_with_its_view_is_still_no_feature(tmp_path: Path) -> None:
    columns = {"view__user_id": NUMBERS, "view__as_of": NUMBERS, "view__churned": NUMBERS, "view__fee": NUMBERS}
    result = ledger(tmp_path, columns, columns, dict.fromkeys(columns, "INT64"))
    assert [column.name for column in result.columns] == ["view__fee"]
    assert [reason for _, reason in result.excluded] == ["identifier", "timestamp", "label"]


def test_columns_that_are_not_declared_are_not_looked_at(tmp_path: Path) -> None:
    columns = {"user_id": NUMBERS, "f": NUMBERS, "surprise": NUMBERS}
    assert [column.name for column in ledger(tmp_path, columns, columns, {"f": "INT64"}).columns] == ["f"]


@pytest.mark.parametrize("types", [{}, {"user_id": "STRING", "churned": "BOOL"}])
def test_without_a_feature_there_is_no_verdict(tmp_path: Path, types: Types) -> None:
    with pytest.raises(NoVerdictError, match="'service_v1' declares no feature"):
        ledger(tmp_path, {"user_id": NUMBERS}, {"user_id": NUMBERS}, types)


@pytest.mark.parametrize("name", ["fees", "user_id"])
def test_a_rule_for_a_column_that_is_no_feature_is_refused(tmp_path: Path, name: str) -> None:
    columns = {"user_id": NUMBERS, "fee": NUMBERS}
    types = {"user_id": "INT64", "fee": "INT64"}
    with pytest.raises(ConfigurationError, match=name) as caught:
        ledger(tmp_path, columns, columns, types, columns={name: {"threshold": 0.2}})
    assert caught.value.allowed == "fee"


@pytest.mark.parametrize("name", ["fees", "seen"])
def test_a_segment_that_is_no_number_or_category_is_refused(tmp_path: Path, name: str) -> None:
    columns = {"fee": NUMBERS, "seen": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * ROWS)}
    types = {"fee": "INT64", "seen": "UNIX_TIMESTAMP"}
    with pytest.raises(ConfigurationError, match=f"segments .*: {name}") as caught:
        ledger(tmp_path, columns, columns, types, segments=["fee", name])
    assert caught.value.allowed == "fee"


def test_a_rule_changes_its_column_alone(tmp_path: Path) -> None:
    columns = {"a": NUMBERS, "b": NUMBERS}
    rule = {"a": {"method": "psi", "threshold": 0.25}}
    first, second = ledger(tmp_path, columns, columns, {"a": "INT64", "b": "INT64"}, columns=rule).columns
    assert (first.method, first.threshold) == ("psi", 0.25)
    assert (second.method, second.threshold) == ("wasserstein", 0.1)


def test_a_rule_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"columns\.f"):
        entry(tmp_path, strings("a", "b"), strings("a", "b"), "STRING", columns={"f": {"method": "ks"}})


def mixed(folder: Path, **overrides: Any) -> Ledger:
    """Three features: one compared, one missing, one all null."""
    ref = {"good": NUMBERS, "gone": NUMBERS, "empty": NUMBERS}
    cur = {"good": NUMBERS, "empty": pa.nulls(ROWS, pa.int64())}
    return ledger(folder, ref, cur, dict.fromkeys(("good", "gone", "empty"), "INT64"), **overrides)


def test_every_declared_feature_has_a_place(tmp_path: Path) -> None:
    result = mixed(tmp_path)
    assert [column.name for column in result.columns] == ["good", "gone", "empty"]
    assert [column.name for column in result.comparable] == ["good"]
    assert [column.state for column in result.incomparable] == [ColumnState.MISSING, ColumnState.ALL_NULL]


def test_what_cannot_be_compared_fails_with_the_ledger_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(IncomparableColumnsError) as caught:
        require_comparable(mixed(tmp_path), monitor())
    message = str(caught.value)
    assert "2 of 3 declared features cannot be compared" in message
    assert "gone: missing (the source of view has no such column (current month))" in message
    assert "empty: all null (no value at all in the current month)" in message
    assert "compared: good" in message
    assert caught.value.exit_code == 5


def test_count_as_drift_goes_on_and_keeps_the_denominator(tmp_path: Path) -> None:
    result = mixed(tmp_path, on_incomparable="count_as_drift")
    require_comparable(result, monitor(on_incomparable="count_as_drift"))
    assert len(result.columns) == 3


def test_count_as_drift_needs_something_to_compare(tmp_path: Path) -> None:
    result = ledger(tmp_path, {"user_id": NUMBERS}, {"user_id": NUMBERS}, {"f": "INT64"})
    with pytest.raises(IncomparableColumnsError, match="1 of 1"):
        require_comparable(result, monitor(on_incomparable="count_as_drift"))


def test_a_complete_ledger_passes(tmp_path: Path) -> None:
    columns = {"f": NUMBERS}
    require_comparable(ledger(tmp_path, columns, columns, {"f": "INT64"}), monitor())


def test_a_long_ledger_has_a_message_that_ends_with_what_to_do(tmp_path: Path) -> None:
    types = {f"{'long' * 12}_{n}": "INT64" for n in range(300)}
    with pytest.raises(IncomparableColumnsError) as caught:
        require_comparable(ledger(tmp_path, {"user_id": NUMBERS}, {"user_id": NUMBERS}, types), monitor())
    assert len(str(caught.value)) < 5000
    assert "300 of 300" in str(caught.value)
    assert "reload the month" in str(caught.value)


def test_arrays_and_timestamps_are_compared_as_numbers(tmp_path: Path) -> None:
    """An array by its norm, a timestamp by its age at its own month, so that a month's passing is no drift."""
    arrays = [[3.0 * n, 4.0 * n] if n % 5 else None for n in range(ROWS)]
    months = [datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)]
    sides = [
        {
            "embedding": pa.array(arrays, pa.list_(pa.float32())),
            "seen_at": [month - timedelta(hours=n) for n in range(ROWS)],
        }
        for month in months
    ]
    types = {"embedding": "Array(Float32)", "seen_at": "UNIX_TIMESTAMP"}
    drift = compared(tmp_path, *sides, types).drift
    embedding, seen_at = drift.columns
    assert (embedding.state, embedding.score, embedding.values_ref) == (ColumnState.COMPARED, 0.0, ROWS * 4 // 5)
    assert embedding.missing_ref == pytest.approx(0.2)
    assert (seen_at.state, seen_at.score) == (ColumnState.COMPARED, 0.0)
    assert (embedding.detail, seen_at.detail) == (
        "compared by the Euclidean norm of each array",
        "compared by its age at the month",
    )
    late = sides[1] | {"seen_at": [months[1] - timedelta(hours=2 * n) for n in range(ROWS)]}
    assert [item.name for item in compared(tmp_path, sides[0], late, types).drift.drifted] == ["seen_at"]


def test_an_array_that_the_source_gives_as_text_is_retyped(tmp_path: Path) -> None:
    column = entry(tmp_path, strings("a", "b"), strings("a", "b"), "Array(Float32)")
    assert (column.state, column.detail) == (ColumnState.RETYPED, "declared Array(Float32), the source gives string")
