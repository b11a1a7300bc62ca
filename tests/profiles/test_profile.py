"""A profile is the same however the rows came, and two halves add up to the whole."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from driftgate.profiles.build import make_grid, measure
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from driftgate.profiles.profile import NumberColumn, Profile, number_column
from tests.profiles.months import FORMS, JANUARY, SHAPES, month


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.lists(st.integers(0, 400), max_size=4), st.integers(0, 2**32 - 1), st.booleans())
@example(1, [], 0, True)
def test_any_partition_in_any_order_gives_the_same_bytes(rows: int, cuts: list[int], seed: int, on_grid: bool) -> None:
    table = month(rows, seed)
    grid = make_grid(measure(month(3000, 1), FORMS, JANUARY), 1) if on_grid else None
    whole = measure(table, FORMS, JANUARY, grid)
    shuffled = table.take(np.random.default_rng(seed).permutation(rows))
    ends = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    parts = [
        measure(shuffled.slice(start, stop - start), FORMS, JANUARY, grid) for start, stop in itertools.pairwise(ends)
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert profile_to_bytes(total) == profile_to_bytes(whole)
    assert total.rows == rows
    assert profile_to_bytes(profile_from_bytes(profile_to_bytes(whole), grid)) == profile_to_bytes(whole)


def test_counting_on_a_grid_at_once_or_afterwards_is_the_same() -> None:
    grid = make_grid(measure(month(3000, 1), FORMS, JANUARY), 1)
    table = month(5000, 2)
    assert profile_to_bytes(measure(table, FORMS, JANUARY).on(grid)) == profile_to_bytes(
        measure(table, FORMS, JANUARY, grid)
    )


@pytest.mark.parametrize("name", SHAPES)
def test_figures_are_those_of_the_values(name: str) -> None:
    values = SHAPES[name](np.random.default_rng(3), 4000)
    column = number_column(values, np.ones(len(values)), nulls=3)
    scale = 2.0**-column.exponent
    assert column.count == 4000 and column.missing == 3
    assert (column.least, column.most) == (values.min(), values.max())
    scaled = values * scale
    assert column.mean * scale == pytest.approx(scaled.mean(), rel=1e-9, abs=1e-15)
    assert column.scaled_spread(column.exponent) == pytest.approx(scaled.std(), rel=1e-9)
    if name != "near the maximum":
        assert column.variance == pytest.approx(values.var(), rel=1e-9)
    else:
        assert column.variance == math.inf


@pytest.mark.parametrize("name", SHAPES)
def test_figures_on_a_grid_are_near_those_of_the_values(name: str) -> None:
    random = np.random.default_rng(4)
    first, values = SHAPES[name](random, 20_000), SHAPES[name](random, 20_000)
    grid = make_grid(Profile(len(first), {"x": number_column(first, np.ones(len(first)))}), 1).columns["x"]
    exact = number_column(values, np.ones(len(values)))
    column = exact.on(grid)  # type: ignore[arg-type]
    spread = exact.scaled_spread(exact.exponent)
    assert column.count == exact.count and (column.least, column.most) == (exact.least, exact.most)
    assert column.scaled_spread(exact.exponent) == pytest.approx(spread, rel=1e-5)
    assert abs(column.mean - exact.mean) * 2.0**-exact.exponent <= 1e-5 * spread


def test_a_value_that_occurs_twice_in_the_counts_is_added_and_minus_zero_is_zero() -> None:
    column = number_column([0.0, -0.0, 5.0, 7.0], [1, 2, 4, 0])
    assert column.values.tolist() == [0.0, 5.0] and column.counts.tolist() == [3, 4]
    assert math.copysign(1, column.values[0]) == 1


def test_an_empty_column_has_no_figures() -> None:
    column = number_column([], [], nulls=2)
    assert column.count == 0 and column.missing_share == 1
    assert math.isnan(column.mean) and math.isnan(column.variance) and math.isnan(column.least)
    assert math.isnan(NumberColumn(column.counts).missing_share)


def test_profiles_of_different_columns_or_grids_do_not_add_up() -> None:
    exact = measure(month(50), FORMS, JANUARY)
    fewer = measure(month(50), {"fee": FORMS["fee"]}, JANUARY)
    grids = [make_grid(measure(month(2000, seed), FORMS, JANUARY), 1) for seed in (1, 2)]
    for one, other in ((exact, fewer), (exact, exact.on(grids[0])), (exact.on(grids[0]), exact.on(grids[1]))):
        with pytest.raises(ValueError, match="add up"):
            one + other
    with pytest.raises(ValueError, match="another"):
        exact.on(grids[0]).on(grids[1])
