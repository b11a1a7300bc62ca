"""A sample is the same bytes, whoever joined its rows."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from driftgate.errors import DataError
from driftgate.profiles.build import measure
from driftgate.profiles.encoding import profile_to_bytes
from driftgate.profiles.sample import sample_from_bytes, sample_rows, sample_to_bytes
from tests.profiles.months import FORMS, JANUARY, month


def test_order_chunks_and_widths_of_types_do_not_matter() -> None:
    table = month(500, 6)
    columns = {name: table.column(name) for name in reversed(table.column_names)}
    columns |= {"uses": columns["uses"].cast(pa.float64()), "plan": columns["plan"].dictionary_encode()}
    wide = pa.table(columns).take(np.random.default_rng(1).permutation(500))
    halves = pa.concat_tables([table.slice(250), table.slice(0, 250)])
    expected = sample_to_bytes(sample_rows(table, "user"))
    assert sample_to_bytes(sample_rows(wide, "user")) == expected
    assert sample_to_bytes(sample_rows(halves, "user")) == expected


def test_what_is_below_nulls_does_not_matter() -> None:
    mask = np.array([False, True])
    one, other = (pa.table({"k": [1, 2], "x": pa.array(np.array([1.0, hidden]), mask=mask)}) for hidden in (5.0, 7.0))
    assert sample_to_bytes(sample_rows(one, "k")) == sample_to_bytes(sample_rows(other, "k"))


def test_a_sample_is_read_back_and_gives_the_same_profile() -> None:
    table = month(500, 7)
    sample = sample_from_bytes(sample_to_bytes(sample_rows(table, "user")))
    assert sample.column("user").to_pylist() == list(range(500))
    assert profile_to_bytes(measure(sample, FORMS, JANUARY)) == profile_to_bytes(measure(table, FORMS, JANUARY))


def test_decimals_times_and_arrays_are_kept() -> None:
    table = pa.table(
        {
            "k": ["b", "a"],
            "d": pa.array([Decimal("0.57"), None]),
            "t": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None], pa.timestamp("ns", "Asia/Tokyo")),
            "e": pa.array([[1, None], None], pa.list_(pa.int32())),
            "n": pa.nulls(2),
            "x": [np.nan, 1.0],
        }
    )
    rows = sample_rows(table, "k").to_pylist()
    assert rows[1] == {
        "k": "b",
        "d": 0.57,
        "e": [1.0, None],
        "n": None,
        "t": datetime(2024, 1, 1, tzinfo=UTC),
        "x": pytest.approx(np.nan, nan_ok=True),
    }
    assert rows[0] == {"k": "a", "d": None, "e": None, "n": None, "t": None, "x": 1.0}


@pytest.mark.parametrize("keys", [[1, 1], [1, None]])
def test_a_key_that_does_not_tell_rows_apart_is_an_error(keys: list[int | None]) -> None:
    with pytest.raises(DataError, match="distinct values of k"):
        sample_rows(pa.table({"k": keys}), "k")


def test_a_type_that_no_feature_has_is_an_error() -> None:
    with pytest.raises(DataError, match="the column x has the type struct"):
        sample_rows(pa.table({"k": [1], "x": [{"a": 1}]}), "k")
