"""Each distance: zero for equal shares, symmetric or not as it should be, within its range, and as scipy has it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from driftgate.profiles import distances

COUNTS = st.integers(2, 12).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(1, 1000), min_size=size, max_size=size) for _ in range(2)])
)
SHARES = (distances.jensenshannon, distances.psi, distances.kl_div, distances.hellinger, distances.kolmogorov_smirnov)


@pytest.mark.parametrize("distance", SHARES)
@settings(max_examples=30)
@given(counts=COUNTS)
def test_equal_shares_have_no_distance_and_others_a_positive_one(
    distance: distances.Distance, counts: tuple[list[int], list[int]]
) -> None:
    ref, cur = (np.array(side) for side in counts)
    assert float(distance(ref, 3 * ref)) == pytest.approx(0, abs=1e-7)
    assert float(distance(ref, cur)) >= 0
    if distance is not distances.kl_div:
        assert float(distance(ref, cur)) == pytest.approx(float(distance(cur, ref)), abs=1e-12)


@settings(max_examples=30)
@given(COUNTS)
def test_they_are_those_of_scipy(counts: tuple[list[int], list[int]]) -> None:
    ref, cur = (np.array(side) for side in counts)
    left, right = ref / ref.sum(), cur / cur.sum()
    assert float(distances.jensenshannon(ref, cur)) == pytest.approx(float(jensenshannon(left, right)), abs=1e-7)
    assert float(distances.kl_div(ref, cur)) == pytest.approx(float(stats.entropy(left, right)), abs=1e-9)
    expected = stats.chi2_contingency(np.array([ref, cur]), correction=False).statistic
    assert float(distances.chisquare(ref, cur)) == pytest.approx(float(expected), rel=1e-9, abs=1e-9)
    positions = np.arange(len(ref), dtype=float)
    spread = math.sqrt(float(np.average((positions - np.average(positions, weights=ref)) ** 2, weights=ref)))
    wanted = stats.wasserstein_distance(positions, positions, ref, cur) / spread
    assert float(distances.wasserstein_at(positions, 0.001)(ref, cur)) == pytest.approx(wanted, abs=1e-9)


def test_months_without_a_common_value_are_as_far_apart_as_can_be() -> None:
    ref, cur = np.array([5, 0]), np.array([0, 7])
    assert float(distances.jensenshannon(ref, cur)) == pytest.approx(math.sqrt(math.log(2)))
    assert float(distances.hellinger(ref, cur)) == pytest.approx(1)
    assert float(distances.kolmogorov_smirnov(ref, cur)) == 1


def test_a_constant_reference_is_measured_by_the_floor() -> None:
    distance = distances.wasserstein_at(np.array([1.0, 1.5]), 0.001)
    assert float(distance(np.array([4, 0]), np.array([0, 4]))) == pytest.approx(500)


@pytest.mark.parametrize("distance", SHARES)
def test_many_pairs_at_once_are_each_pair_by_itself(distance: distances.Distance) -> None:
    ref, cur = np.random.default_rng(1).integers(0, 9, (2, 5, 6)) + np.eye(6, dtype=int)[0]
    together = distance(ref, cur)
    assert together.tolist() == [float(distance(*pair)) for pair in zip(ref, cur, strict=True)]
