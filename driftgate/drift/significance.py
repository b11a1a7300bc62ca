"""How much of a drift score chance alone explains: a permutation test of the score on the pooled values.

A feature drifts when its score reaches its threshold and chance does not explain it. In a calm month both months are
samples of one distribution, so that each way of dealing the pooled values out to the two months is equally likely. The
test deals them out many times and counts how often the score is at least as large (Fisher 1935; Phipson & Smyth 2010,
"Permutation p-values should never be zero"). It is exact at any size and for any distribution.

From the level of one feature to the false alarms of a month: of K features at least ceil(s K) must drift for a trigger,
where s is the drift share. With N drifted features and a level of a ceil(s K) / K, Markov's inequality gives
P(N >= ceil(s K)) <= E[N] / ceil(s K) <= K a ceil(s K) / K / ceil(s K) = a, for any number of features and any
correlation between them.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_CHUNK = 256
_CHANCE_QUANTILE = 0.95
# The level is reached with room to spare: so many permutations may score as high.
_ROOM = 4
_LEAST_PERMUTATIONS = 2000
_MIDDLE_BINS = 64
_MOST_CATEGORIES = 256
# Evidently compares numbers with more distinct values than this in bins, see its `get_binned_data`.
_BINNED_FROM = 20


Statistic = Callable[[Counts, Counts], Floats]
"""The score of counts by bin, shape (permutations, bins) for each month; gives shape (permutations,)."""


@dataclass(frozen=True)
class Pooled:
    """Two months counted in common bins.

    Attributes:
        statistic: the score of such counts.
        ref, cur: counts by bin, shape (bins,) each.
        categories: how many bins or categories have a value in either month.
    """

    statistic: Statistic
    ref: Counts
    cur: Counts
    categories: int


@dataclass(frozen=True)
class Significance:
    """What the permutation test of one score found.

    Attributes:
        p_value: share of permutations that score at least as high as the data, the data included, in (0, 1]; where the
            score is below its threshold, or surely within chance, of the first permutations only.
        chance: the score that chance alone reaches once in twenty at these sizes.
        permutations: how many were drawn.
    """

    p_value: float
    chance: float
    permutations: int


def column_level(false_alarms: float, drift_share: float, features: int) -> float:
    """The level at which one feature is tested, so that a calm month triggers with probability `false_alarms` at most.

    Args:
        false_alarms: of the drift share, in (0, 1).
        drift_share: the share of features that triggers, in [0, 1].
        features: how many there are, at least 1.

    >>> column_level(0.01, 0.3, 10), column_level(0.01, 0.3, 1)
    (0.003, 0.01)
    """
    # Of two decimal fractions that were multiplied: 0.3 * 10 must be 3.
    needed = max(1, math.ceil(drift_share * features - 1e-9))
    return false_alarms * needed / features


def seed_of(*names: object) -> int:
    """A seed from names, the same on every machine."""
    return int.from_bytes(hashlib.sha256("\x00".join(map(str, names)).encode()).digest()[:8], "big")


def pooled_numbers(method: str, ref: Floats, cur: Floats) -> Pooled:
    """Count two samples of numbers in bins that do not depend on which month a value came from.

    For "wasserstein" these are some 100 bins of the pooled values, finer in the tails; for the others the values
    themselves, or Evidently's bins where there are more than 20.

    Args:
        method: "wasserstein", "jensenshannon", "psi", "kl_div" or "hellinger".
        ref, cur: finite values, shape (n,) and (m,).
    """
    # By a power of two, so that not a bit is lost and no square overflows.
    exponent = int(np.frexp(max(np.abs(ref).max(), np.abs(cur).max()))[1])
    pooled = np.ldexp(np.concatenate([ref, cur]), -exponent)
    values, inverse = np.unique(pooled, return_inverse=True)
    if method == "wasserstein":
        bins, positions = _quantile_bins(values, inverse)
        floor = float(np.ldexp(0.001, -max(exponent, 0)))
        return _counted(partial(_wasserstein, positions=positions, floor=floor), bins, len(ref))
    if len(values) > _BINNED_FROM:
        edges = np.histogram_bin_edges(pooled, bins="sturges")
        inverse = np.clip(np.searchsorted(edges, pooled, side="right") - 1, 0, len(edges) - 2)
    return _counted(_DIVERGENCES[method], np.asarray(inverse), len(ref))


def pooled_categories(method: str, ref: Counts, cur: Counts) -> Pooled:
    """Count two samples of categories; those beyond the 256 most frequent of both months count as one.

    Args:
        method: "jensenshannon", "psi", "kl_div" or "hellinger".
        ref, cur: occurrences by category, shape (k,) each, in the same order.
    """
    pooled = ref + cur
    order = np.lexsort((np.arange(len(pooled)), -pooled))
    group = np.empty(len(pooled), dtype=np.int64)
    group[order] = np.minimum(np.arange(len(pooled)), _MOST_CATEGORIES)
    sides = [np.bincount(group, weights=side, minlength=group.max() + 1).astype(np.int64) for side in (ref, cur)]
    return Pooled(_DIVERGENCES[method], sides[0], sides[1], int(np.count_nonzero(pooled)))


def permutation_test(pooled: Pooled, level: float, reached: bool, seed: int) -> Significance:
    """Deal the pooled values out to the two months many times, and count how often the score is at least as large.

    Args:
        pooled: counts of both months.
        level: of the test, in (0, 1).
        reached: whether the score has reached its threshold; otherwise only `chance` is of interest.
        seed: of the permutations.
    """
    if pooled.categories < 2:
        return Significance(1.0, 0.0, 0)
    random = np.random.default_rng(seed)
    both, rows_ref = pooled.ref + pooled.cur, int(pooled.ref.sum())
    # A permutation that deals the values out as the months have them must count, whatever the rounding.
    observed = float(pooled.statistic(pooled.ref[None, :], pooled.cur[None, :])[0]) * (1 - 1e-12)
    wanted = max(_LEAST_PERMUTATIONS, math.ceil(_ROOM / level)) if reached else _CHUNK
    drawn, higher, chance = 0, 0, math.nan
    while drawn < wanted:
        dealt = random.multivariate_hypergeometric(both, rows_ref, size=_CHUNK, method="marginals")
        scores = pooled.statistic(dealt, both - dealt)
        chance = float(np.quantile(scores, _CHANCE_QUANTILE)) if drawn == 0 else chance
        drawn += _CHUNK
        higher += int((scores >= observed).sum())
        # However the rest comes out, the level is not reached any more.
        if (1 + higher) > level * (1 + max(wanted, drawn)):
            break
    return Significance((1 + higher) / (1 + drawn), chance, drawn)


def without_bias(score: float, categories: int, values_ref: int, values_cur: int) -> float:
    """A Jensen-Shannon distance (natural logarithm) without what two samples of one distribution show on average.

    Under equal distributions 8 JSD / (1/n + 1/m) is chi-square with k - 1 degrees of freedom, the divergence being the
    square of the distance (Grosse et al. 2002, Phys. Rev. E 65, 041905), so that its mean is (k - 1) / 8 (1/n + 1/m).

    >>> round(without_bias(0.1, 2, 7043, 7043), 4), without_bias(0.1, 60, 1001, 1001)
    (0.0998, 0.0)
    """
    bias = (categories - 1) / 8 * (1 / values_ref + 1 / values_cur)
    return math.sqrt(max(score**2 - bias, 0.0))


def proportions_p_value(hits_ref: int, rows_ref: int, hits_cur: int, rows_cur: int) -> float:
    """Fisher's exact test of two proportions, two-sided: the probability of a split at most as likely.

    >>> proportions_p_value(10, 100, 10, 100), proportions_p_value(0, 100, 20, 100) < 1e-5
    (1.0, True)
    """
    from scipy.special import gammaln

    def log_choices(of: int, chosen: NDArray[np.int64]) -> Floats:
        logs: Floats = gammaln(of + 1) - gammaln(chosen + 1) - gammaln(of - chosen + 1)
        return logs

    hits = hits_ref + hits_cur
    ref = np.arange(max(0, hits - rows_cur), min(hits, rows_ref) + 1)
    logs = log_choices(rows_ref, ref) + log_choices(rows_cur, hits - ref)
    logs -= log_choices(rows_ref + rows_cur, np.array([hits]))
    observed = logs[hits_ref - ref[0]]
    # Probabilities that are equal up to rounding count as equal.
    return min(1.0, float(np.exp(logs[logs <= observed + 1e-7]).sum()))


def _quantile_bins(values: Floats, inverse: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """The bin of each pooled value, and the mean of each bin; every value has its own where there are few."""
    counts = np.bincount(inverse)
    rows = int(counts.sum())
    # From each end 1, 2, 4, ... values, and equal shares between.
    tail = [2**power / rows for power in range(max(1, int(np.log2(rows / _MIDDLE_BINS)) if rows > _MIDDLE_BINS else 1))]
    shares = np.unique(np.r_[tail, np.linspace(0, 1, _MIDDLE_BINS + 1)[1:-1], 1 - np.array(tail)])
    middles = (np.cumsum(counts) - counts / 2) / rows
    bins = np.searchsorted(shares, middles)
    bins = np.unique(bins, return_inverse=True)[1]
    weights = np.bincount(bins, weights=counts)
    positions = np.bincount(bins, weights=counts * values) / weights
    return bins[inverse], positions


def _counted(statistic: Statistic, bins: NDArray[np.int64], rows_ref: int) -> Pooled:
    size = int(bins.max()) + 1
    ref, cur = (np.bincount(side, minlength=size).astype(np.int64) for side in (bins[:rows_ref], bins[rows_ref:]))
    return Pooled(statistic, ref, cur, int(np.count_nonzero(ref + cur)))


def _wasserstein(ref: Counts, cur: Counts, positions: Floats, floor: float) -> Floats:
    shares_ref = ref / ref.sum(axis=1, keepdims=True)
    shares_cur = cur / cur.sum(axis=1, keepdims=True)
    below: Floats = np.abs(np.cumsum(shares_ref - shares_cur, axis=1))
    distance = below[:, :-1] @ np.diff(positions)
    mean = shares_ref @ positions
    spread = np.sqrt(((positions[None, :] - mean[:, None]) ** 2 * shares_ref).sum(axis=1))
    result: Floats = distance / np.where(spread < 1e-12, floor, spread)
    return result


def _jensenshannon(ref: Counts, cur: Counts) -> Floats:
    left, right = ref / ref.sum(axis=1, keepdims=True), cur / cur.sum(axis=1, keepdims=True)
    middle = (left + right) / 2
    divergence = (_relative(left, middle) + _relative(right, middle)) / 2
    result: Floats = np.sqrt(np.maximum(divergence, 0.0))
    return result


def _kl_div(ref: Counts, cur: Counts) -> Floats:
    left, right = _filled(ref), _filled(cur)
    return _relative(left / left.sum(axis=1, keepdims=True), right / right.sum(axis=1, keepdims=True))


def _psi(ref: Counts, cur: Counts) -> Floats:
    left, right = _filled(ref), _filled(cur)
    result: Floats = ((left - right) * np.log(left / right)).sum(axis=1)
    return result


def _hellinger(ref: Counts, cur: Counts) -> Floats:
    left, right = ref / ref.sum(axis=1, keepdims=True), cur / cur.sum(axis=1, keepdims=True)
    affinity = np.sqrt(left * right).sum(axis=1)
    result: Floats = np.sqrt(np.maximum(1 - affinity, 0.0))
    return result


def _relative(left: Floats, right: Floats) -> Floats:
    """The Kullback-Leibler divergence of each row, where nothing times anything is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(left > 0, left * np.log(left / right), 0.0)
    result: Floats = parts.sum(axis=1)
    return result


def _filled(counts: Counts) -> Floats:
    """Shares with a small number where there is none, as Evidently fills them."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    least = np.where(shares > 0, shares, np.inf).min(axis=1, keepdims=True)
    return np.where(shares > 0, shares, np.where(least <= 0.0001, least / 10**6, 0.0001))


_DIVERGENCES: dict[str, Statistic] = {
    "jensenshannon": _jensenshannon,
    "psi": _psi,
    "kl_div": _kl_div,
    "hellinger": _hellinger,
}
