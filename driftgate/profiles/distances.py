"""Distances of two sets of counts: of one pair of months, or of thousands of permutations at once.

Every function takes counts by bin, shape (..., k) for each month, and gives the distance, shape (...). The figures are
those of Evidently, see `evidently/legacy/calculations/stattests`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.profiles.grid import Floats

Numbers = NDArray[Any]
"""Counts or shares."""
Distance = Callable[[Numbers, Numbers], Floats]

_LARGEST = float(np.finfo(np.float64).max)


def shares(counts: Numbers) -> Floats:
    """Counts over their sum."""
    result: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return result


def jensenshannon(ref: Numbers, cur: Numbers) -> Floats:
    """The Jensen-Shannon distance with the natural logarithm, from 0 to sqrt(ln 2)."""
    result: Floats = np.sqrt(jensenshannon_terms(shares(ref), shares(cur)).sum(axis=-1))
    return result


def psi(ref: Numbers, cur: Numbers) -> Floats:
    """The population stability index; an empty bin counts as a very small share."""
    result: Floats = psi_terms(_filled(shares(ref)), _filled(shares(cur))).sum(axis=-1)
    return result


def kl_div(ref: Numbers, cur: Numbers) -> Floats:
    """The Kullback-Leibler divergence; an empty bin counts as a very small share."""
    left, right = shares(_filled(shares(ref))), shares(_filled(shares(cur)))
    result: Floats = kl_terms(left, right).sum(axis=-1)
    return result


def hellinger(ref: Numbers, cur: Numbers) -> Floats:
    """The Hellinger distance, from 0 to 1."""
    result: Floats = np.sqrt(hellinger_terms(shares(ref), shares(cur)).sum(axis=-1))
    return result


def total_variation(ref: Numbers, cur: Numbers) -> Floats:
    """Half of the sum of the changes of the shares; of two bins the change of either."""
    result: Floats = np.abs(shares(ref) - shares(cur)).sum(axis=-1) / 2
    return result


def jensenshannon_terms(left: Floats, right: Floats) -> Floats:
    """What each bin adds to the square of the distance; never negative, and convex in both shares."""
    middle = (left + right) / 2
    return np.maximum((_relative(left, middle) + _relative(right, middle)) / 2, 0.0)


def psi_terms(left: Floats, right: Floats) -> Floats:
    """What each bin adds; infinite where one share is 0, never negative, and convex in both."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(left == right, 0.0, (left - right) * (np.log(left) - np.log(right)))


def kl_terms(left: Floats, right: Floats) -> Floats:
    """What each bin adds, shifted by the difference of the shares so that it is never negative; the sum is the same."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(left > 0, left * (np.log(left) - np.log(right)), 0.0)
    return np.maximum(logs - left + right, 0.0)


def hellinger_terms(left: Floats, right: Floats) -> Floats:
    """What each bin adds to the square of the distance; never negative, and convex in both shares."""
    result: Floats = (np.sqrt(left) - np.sqrt(right)) ** 2 / 2
    return result


def chisquare(ref: Numbers, cur: Numbers) -> Floats:
    """Pearson's statistic of homogeneity; every bin must have a row in one of the months."""
    rows_ref, rows_cur = ref.sum(axis=-1, keepdims=True), cur.sum(axis=-1, keepdims=True)
    pooled = ref + cur
    expected = pooled * (rows_ref / (rows_ref + rows_cur))
    result: Floats = ((ref - expected) ** 2 * (1 / expected + 1 / (pooled - expected))).sum(axis=-1)
    return result


def kolmogorov_smirnov(ref: Numbers, cur: Numbers) -> Floats:
    """The largest difference of the distribution functions; bins are ascending."""
    result: Floats = np.abs(np.cumsum(shares(ref) - shares(cur), axis=-1)).max(axis=-1)
    return result


def wasserstein_at(positions: Floats, floor: float) -> Distance:
    """The Wasserstein distance over the reference's standard deviation, for bins whose rows lie at these positions.

    Args:
        positions: ascending, shape (k,).
        floor: what stands for the standard deviation where the reference is constant.
    """
    widths = np.diff(positions)

    def distance(ref: Numbers, cur: Numbers) -> Floats:
        left = shares(ref)
        difference = np.abs(np.cumsum(left - shares(cur), axis=-1))[..., :-1]
        # Not a matrix product: its order of summation depends on the machine.
        work = (difference * widths).sum(axis=-1)
        mean = (left * positions).sum(axis=-1, keepdims=True)
        spread = np.sqrt((left * (positions - mean) ** 2).sum(axis=-1))
        # Beside one value near the largest double, others differ by nothing that a constant's spread could divide.
        with np.errstate(over="ignore"):
            result: Floats = np.minimum(work / np.where(spread < 1e-12, floor, spread), _LARGEST)
        return result

    return distance


def _relative(left: Floats, right: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(left > 0, left * np.log(left / right), 0.0)


def _filled(parts: Floats) -> Floats:
    """Shares with a small number where there is none, as Evidently's `get_binned_data` fills them."""
    least = np.where(parts > 0, parts, np.inf).min(axis=-1, keepdims=True)
    return np.where(parts > 0, parts, np.where(least <= 0.0001, least / 10**6, 0.0001))
