"""A profile is the same however the rows came, and two halves add up to the whole."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from driftgate.profiles.build import make_grid, measure
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from tests.profiles.months import FORMS, JANUARY, month


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


def test_profiles_of_different_columns_or_grids_do_not_add_up() -> None:
    exact = measure(month(50), FORMS, JANUARY)
    fewer = measure(month(50), {"fee": FORMS["fee"]}, JANUARY)
    grids = [make_grid(measure(month(2000, seed), FORMS, JANUARY), 1) for seed in (1, 2)]
    for one, other in ((exact, fewer), (exact, exact.on(grids[0])), (exact.on(grids[0]), exact.on(grids[1]))):
        with pytest.raises(ValueError, match="add up"):
            one + other
    with pytest.raises(ValueError, match="another"):
        exact.on(grids[0]).on(grids[1])
