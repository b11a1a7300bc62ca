"""Two columns laid side by side: no row is lost, and points stay where they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.profiles.cells import bins_of_range, bins_of_values, count_distinct, lay_side_by_side
from driftgate.profiles.columns import NumberColumn, category_column, number_column
from driftgate.profiles.grid import number_grid

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def column(values: list[float]) -> NumberColumn:
    return number_column(*np.unique(np.array(values) + 0.0, return_counts=True))


@given(NUMBERS, NUMBERS)
def test_exact_columns_are_laid_on_their_distinct_values(ref: list[float], cur: list[float]) -> None:
    cells = lay_side_by_side(column(ref), column(cur))
    both = sorted({*(value + 0.0 for value in ref), *(value + 0.0 for value in cur)})
    assert cells.exact and cells.lower.tolist() == both
    assert cells.ref.tolist() == [ref.count(value) for value in both]
    assert cells.cur.tolist() == [cur.count(value) for value in both]
    assert count_distinct(column(ref), column(cur)) == len(both)


@given(NUMBERS, NUMBERS)
def test_bins_of_exact_columns_are_those_of_numpy(ref: list[float], cur: list[float]) -> None:
    left, right = column(ref), column(cur)
    bins = bins_of_range(left, right, len(ref))
    assert bins.ref.sum() == len(ref) and bins.cur.sum() == len(cur)
    assert not bins.loose_ref.any() and not bins.loose_cur.any()
    low, high = min(*ref, *cur), max(*ref, *cur)
    # Where the ends are next to each other, the edges between them are a matter of rounding.
    if high - low > 1e-3:
        assert bins.ref.tolist() == np.histogram(ref, np.linspace(low, high, len(bins.ref) + 1))[0].tolist()


@given(NUMBERS, NUMBERS)
def test_on_a_grid_no_row_is_lost_and_every_cell_holds_its_mean(ref: list[float], cur: list[float]) -> None:
    grid = number_grid(*np.unique(np.array(ref) + 0.0, return_counts=True))
    cells = lay_side_by_side(column(ref).on(grid), column(cur).on(grid))
    assert cells.ref.sum() == len(ref) and cells.cur.sum() == len(cur)
    for counts, means in ((cells.ref, cells.mean_ref), (cells.cur, cells.mean_cur)):
        held = counts > 0
        slack = 1e-9 * max(1.0, np.abs(means).max())
        assert (means[held] >= cells.lower[held] - slack).all() and (means[held] <= cells.upper[held] + slack).all()


def test_categories_have_a_bin_each_and_the_rest_one_together() -> None:
    bins = bins_of_values(category_column({"a": 3, "b": 1}), category_column({"a": 2, "c": 5}))
    assert (bins.ref.tolist(), bins.cur.tolist()) == ([3, 1, 0], [2, 0, 5])
    assert bins.exact


def test_numbers_and_categories_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        bins_of_values(column([1.0]), category_column({"a": 1}))
