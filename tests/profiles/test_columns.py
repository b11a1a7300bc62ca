"""The figures of a column are those of its values, counted exactly or on a grid."""

import math

import numpy as np
import pytest

from driftgate.profiles.build import make_grid
from driftgate.profiles.columns import NumberColumn, number_column
from driftgate.profiles.profile import Profile
from tests.profiles.months import SHAPES


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
