"""A grid fits the first month, whatever its scale, and says when it no longer fits."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.errors import DataError
from driftgate.profiles.build import make_grid, measure, must_renew
from driftgate.profiles.columns import category_column, number_column
from driftgate.profiles.grid import MOST_VALUES, OFFSETS, CategoryGrid, Form, Grid, NumberGrid, number_grid
from driftgate.profiles.profile import Profile
from tests.profiles.months import FORMS, JANUARY, SHAPES, month


def grid_of(values: np.ndarray) -> NumberGrid:
    return number_grid(*np.unique(values, return_counts=True))


def test_few_distinct_values_are_each_an_edge() -> None:
    values = np.arange(MOST_VALUES) * 3.5
    grid = grid_of(np.repeat(values, 2))
    assert grid.exact and set(values) <= set(grid.edges)
    cells, offsets = grid.locate(values)
    assert (cells % 2 == 1).all() and not offsets.any()
    assert not grid_of(np.append(values, -1.0)).exact


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("rows", [1500, 200_000])
def test_edges_share_the_rows_out_and_are_some_hundreds(name: str, rows: int) -> None:
    values = SHAPES[name](np.random.default_rng(5), rows)
    grid = grid_of(values)
    assert np.isfinite(grid.edges).all() and (np.diff(grid.edges) > 0).all() and np.isfinite(np.diff(grid.edges)).all()
    if grid.exact:
        return
    assert 400 < len(grid.edges) < 600
    cells, _ = grid.locate(values)
    counts = np.bincount(cells)
    assert counts[0::2].max() <= rows / 400 + 1, "an interval holds at most its share"
    # The outermost interval holds a few rows, whatever the size.
    assert counts[grid.locate(np.sort(values)[-4:])[0]].max() <= 3


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50),
)
def test_every_number_has_a_cell_that_holds_it_and_an_offset_within(first: list[float], later: list[float]) -> None:
    grid = grid_of(np.array(first) + 0.0)
    values = np.array(later) + 0.0
    cells, offsets = grid.locate(values)
    lower, upper = grid.lower[cells], grid.upper[cells]
    points = cells % 2 == 1
    assert (values[points] == lower[points]).all()
    assert (lower[~points] < values[~points]).all() and (values[~points] < upper[~points]).all()
    assert (offsets >= 0).all() and (offsets < OFFSETS).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(-900, 900), st.integers(0, 5))
def test_a_power_of_two_in_the_unit_changes_nothing(power: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=2000)
    plain, scaled = grid_of(values), grid_of(np.ldexp(values, power))
    assert np.array_equal(np.ldexp(plain.edges, power), scaled.edges)
    later = np.random.default_rng(seed + 10).normal(size=500) * 3
    for one, other in zip(plain.locate(later), scaled.locate(np.ldexp(later, power)), strict=True):
        assert np.array_equal(one, other)


def test_the_same_grid_is_the_same_text_and_is_read_back() -> None:
    profile = measure(month(3000, 1), FORMS, JANUARY)
    grid = make_grid(profile, 3)
    again = Grid.from_json(grid.to_json())
    assert again.to_json() == grid.to_json() and again.digest == grid.digest and again.version == 3
    turned = Profile(profile.rows, dict(reversed(profile.columns.items())))
    assert make_grid(turned, 3).to_json() == grid.to_json()
    assert make_grid(profile, 4).digest != grid.digest
    assert again.schema == FORMS


def test_a_grid_of_another_format_is_refused() -> None:
    document = json.loads(make_grid(measure(month(50), FORMS, JANUARY), 1).to_json())
    with pytest.raises(DataError, match="format 99"):
        Grid.from_json(json.dumps({**document, "format": 99}))


def test_categories_beyond_the_most_frequent_are_other() -> None:
    counts = {f"c{n:04}": 1 + (n < 10) for n in range(2000)}
    grid = make_grid(Profile(2010, {"c": category_column(counts)}), 1).columns["c"]
    assert isinstance(grid, CategoryGrid) and len(grid.names) == MOST_VALUES
    assert grid.names == tuple(f"c{n:04}" for n in range(MOST_VALUES))
    column = category_column(counts).on(grid)
    assert column.other == 2000 - MOST_VALUES and not column.exact and column.count == 2010


def test_a_grid_is_renewed_when_columns_change_or_too_much_lies_outside() -> None:
    first = Profile(5000, {"x": number_column(np.arange(5000), np.ones(5000)), "c": category_column({"a": 9, "b": 1})})
    grid, forms = make_grid(first, 1), {"x": Form.NUMBER, "c": Form.CATEGORY}
    assert must_renew(grid, forms, first.on(grid)) == ""
    assert "new: y" in must_renew(grid, {**forms, "y": Form.NUMBER}, first.on(grid))
    assert "gone: c" in must_renew(grid, {"x": Form.NUMBER}, first.on(grid))
    assert "another form: c" in must_renew(grid, {**forms, "c": Form.NUMBER}, first.on(grid))
    shifted = Profile(5000, {"x": number_column(np.arange(5000) + 300, np.ones(5000)), "c": first.columns["c"]})
    assert "6.0% of x" in must_renew(grid, forms, shifted.on(grid))
    renamed = Profile(10, {"x": first.columns["x"], "c": category_column({"a": 9, "new": 1})})
    assert "10.0% of c" in must_renew(grid, forms, renamed.on(grid))


def test_new_values_of_a_column_of_few_are_outside() -> None:
    grid = make_grid(Profile(100, {"x": number_column([0, 1, 2], [50, 25, 25])}), 1)
    later = Profile(100, {"x": number_column([0, 1, 1.5], [50, 25, 25])}).on(grid)
    assert later.columns["x"].outside == 0.25  # type: ignore[union-attr]
