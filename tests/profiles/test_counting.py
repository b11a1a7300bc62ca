"""A month that is counted in parts is the month that is counted whole."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.errors import DataError
from driftgate.features.types import DeclaredFeature, Kind
from driftgate.profiles.build import make_grid, measure_features
from driftgate.profiles.counting import count_tables, sum_profiles
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from tests.profiles.months import JANUARY, month

DECLARED = (
    DeclaredFeature("fee", "view", "FLOAT64", Kind.NUMERIC),
    DeclaredFeature("uses", "view", "INT32", Kind.NUMERIC),
    DeclaredFeature("plan", "view", "STRING", Kind.CATEGORICAL),
    DeclaredFeature("trial", "view", "BOOL", Kind.CATEGORICAL),
)
WHOLE = month(2000)
GRID = make_grid(measure_features(WHOLE.slice(0, 500), DECLARED, JANUARY), 1, sampled=True)
EXPECTED = profile_to_bytes(measure_features(WHOLE, DECLARED, JANUARY, GRID))


@given(st.permutations(range(40)), st.lists(st.integers(0, 40), max_size=6))
def test_any_division_and_order_gives_the_same_bytes(order: list[int], borders: list[int]) -> None:
    blocks = [WHOLE.slice(50 * place, 50) for place in order]
    ends = [0, *sorted(borders), 40]
    parts = [blocks[start:end] for start, end in itertools.pairwise(ends) if end > start]
    counted = [count_tables(part, DECLARED, JANUARY, GRID) for part in parts]
    assert profile_to_bytes(sum_profiles(profile_from_bytes(part, GRID) for part in counted)) == EXPECTED


def test_a_column_that_one_part_cannot_count_is_counted_in_none() -> None:
    """A part without a value has no type; another one may show that it is a wrong one."""
    empty = WHOLE.slice(0, 50).set_column(1, "fee", pa.nulls(50))
    wrong = WHOLE.slice(50, 50).set_column(1, "fee", pa.array(["x"] * 50))
    for parts in ([empty, wrong], [wrong, empty]):
        found = profile_from_bytes(count_tables(parts, DECLARED, JANUARY, GRID), GRID)
        assert found.rows == 100 and "fee" not in found.columns
        assert found.unmeasured == {"fee": "string"}
        assert set(found.columns) == {"uses", "plan", "trial"}


def test_no_row_is_no_profile() -> None:
    with pytest.raises(DataError, match="gave no row"):
        count_tables([], DECLARED, JANUARY, GRID)
