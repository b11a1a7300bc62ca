"""Bytes of a profile are read back as they were written, or refused."""

import pytest

from driftgate.errors import DataError
from driftgate.profiles.build import make_grid, measure
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from tests.profiles.months import FORMS, JANUARY, month


def test_bytes_of_something_else_or_of_another_grid_are_refused() -> None:
    exact = measure(month(50), FORMS, JANUARY)
    grids = [make_grid(measure(month(2000, seed), FORMS, JANUARY), 1) for seed in (1, 2)]
    with pytest.raises(DataError, match="format"):
        profile_from_bytes(b"something else")
    with pytest.raises(DataError, match="another grid"):
        profile_from_bytes(profile_to_bytes(exact.on(grids[0])), grids[1])
    with pytest.raises(DataError, match="another grid"):
        profile_from_bytes(profile_to_bytes(exact.on(grids[0])))
    assert profile_from_bytes(profile_to_bytes(exact), grids[0]).exact
