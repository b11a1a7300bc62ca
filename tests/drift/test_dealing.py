"""Rows dealt out to two months by units that stay whole."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.drift.dealing import Dealing

units = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30)


@settings(deadline=None)
@given(units, units, st.integers(0, 1000))
def test_units_stay_whole_and_as_many_as_they_are(ref: list[str], cur: list[str], seed: int) -> None:
    dealing = Dealing(np.array(ref), np.array(cur))
    assert dealing.in_cur[dealing.part_of].tolist() == [False] * len(ref) + [True] * len(cur)
    both = set(ref) & set(cur)
    assert dealing.parts == len(set(ref)) + len(set(cur))
    for dealt in dealing.draw(np.random.default_rng(seed), 8):
        assert dealt.sum() == dealing.in_cur.sum()
        of_row = list(zip([*ref, *cur], dealing.in_cur[dealing.part_of], dealt[dealing.part_of], strict=True))
        for unit in {*ref, *cur}:
            sides = {(was, goes) for name, was, goes in of_row if name == unit}
            if unit in both:
                assert sides in ({(False, False), (True, True)}, {(False, True), (True, False)}), "it changed places"
            else:
                assert len(sides) == 1, "its rows went to one month"


def test_every_way_of_dealing_out_is_equally_likely() -> None:
    """Four units to two and two: each of the six ways in a sixth of 6,000 draws, seed 0."""
    dealing = Dealing(np.array(["a", "b"]), np.array(["c", "d"]))
    dealt = dealing.draw(np.random.default_rng(0), 6000)
    _, times = np.unique(dealt @ np.array([1, 2, 4, 8]), return_counts=True)
    assert len(times) == 6 and (abs(times - 1000) < 130).all()
