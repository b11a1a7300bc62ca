"""How much of a drift score chance alone explains: a permutation test of the score on the pooled counts.

A feature drifts when its score reaches its threshold and chance does not explain it. In a calm month both months are
samples of one distribution, so that each way of dealing the pooled rows out to the two months is equally likely. The
test deals them out many times and counts how often the score is at least as large (Fisher 1935; Phipson & Smyth 2010,
"Permutation p-values should never be zero"). For counts in bins, that is a draw from the multivariate hypergeometric
distribution. It is exact at any size and for any distribution.

From the level of one feature to the false alarms of a month: of K features at least ceil(s K) must drift for a trigger,
where s is the drift share. With N drifted features and a level of a ceil(s K) / K, Markov's inequality gives
P(N >= ceil(s K)) <= E[N] / ceil(s K) <= K a ceil(s K) / K / ceil(s K) = a, for any number of features and any
correlation between them. A feature that is tested for its values and for its missing share gets half of the level in
each test.

When to stop: the test ends as soon as as many permutations score as high as the level allows, h of them. Then h over
the number drawn is a p-value (Besag & Clifford 1991, "Sequential Monte Carlo p-values"): that it is at most h / l means
that among l equally likely scores the observed one is one of the h largest. So calm columns cost few permutations, and
those that are significant as many as their level needs.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.profiles import distances
from driftgate.profiles.cells import lay_side_by_side
from driftgate.profiles.columns import Column, NumberColumn
from driftgate.profiles.grid import Floats, Ints
from driftgate.profiles.scores import DISTANCES, bins_of, floor_spread

__all__ = [
    "Pooled",
    "Significance",
    "column_level",
    "ONCE_IN_TWENTY",
    "permutation_test",
    "pooled_columns",
    "proportions_chance",
    "proportions_p_value",
    "seed_of",
]

ONCE_IN_TWENTY = 1.96
"""Nineteen of twenty differences of two means of one distribution are within so many standard errors."""

_CHUNK = 256
_CHANCE_QUANTILE = 0.95
# The level is reached with room to spare: so many permutations may score as high.
_ROOM = 4
_LEAST_PERMUTATIONS = 2000
_MIDDLE_BINS = 48
_MOST_CATEGORIES = 256
# Beyond so many standard deviations a proportion has no probability that a double could hold.
_FARTHEST = 45

Statistic = Callable[[Any, Any], Floats]
"""The score of counts by bin, shape (permutations, bins) for each month; gives shape (permutations,)."""


@dataclass(frozen=True)
class Pooled:
    """Two months counted in common bins, which do not depend on which month a row came from.

    Attributes:
        statistic: the score of such counts.
        ref, cur: counts by bin, shape (bins,) each.
        categories: how many bins or categories have a value in either month.
    """

    statistic: Statistic
    ref: Any
    cur: Any
    categories: int

    def deal(self, random: np.random.Generator, size: int) -> Any:
        """Deal the pooled rows out so many times; return the counts of the reference, shape (size, bins)."""
        return random.multivariate_hypergeometric(
            self.ref + self.cur, int(self.ref.sum()), size=size, method="marginals"
        )


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
    """A seed from names, such as monitor, months and column, the same on every machine and engine."""
    return int.from_bytes(hashlib.sha256("\x00".join(map(str, names)).encode()).digest()[:8], "big")


def pooled_columns(method: str, ref: Column, cur: Column) -> Pooled:
    """Two columns of profiles in the bins that are dealt out, each with at least one value.

    For "wasserstein" these are some 80 groups of neighbouring cells, equal shares of the pooled rows in the middle and
    finer in the tails. For the others they are the method's own bins, the rarest of many categories together.

    Args:
        method: "wasserstein", "jensenshannon", "psi", "kl_div" or "hellinger".
        ref, cur: the same column in both months.

    Raises:
        ValueError: the method gives a p-value already, or does not fit the columns.
    """
    if method == "wasserstein" and isinstance(ref, NumberColumn) and isinstance(cur, NumberColumn):
        return _pooled_cells(ref, cur)
    if method not in DISTANCES:
        raise ValueError(f"{method} is no distance of such columns: nothing to test")
    bins = bins_of(method, ref, cur)
    together = frequent_bins(bins.ref + bins.cur)
    left, right = (np.bincount(together, side).astype(np.int64) for side in (bins.ref, bins.cur))
    return Pooled(DISTANCES[method], left, right, int(np.count_nonzero(bins.ref + bins.cur)))


def permutation_test(pooled: Pooled, level: float, reached: bool, seed: int) -> Significance:
    """Deal the pooled rows out to the two months many times, and count how often the score is at least as large.

    Args:
        pooled: counts of both months.
        level: of the test, in (0, 1).
        reached: whether the score has reached its threshold; otherwise only `chance` is of interest.
        seed: of the permutations.
    """
    if pooled.categories < 2:
        return Significance(1.0, 0.0, 0)
    random = np.random.default_rng(seed)
    both = pooled.ref + pooled.cur
    # A permutation that deals the rows out as the months have them must count, whatever the rounding.
    observed = float(pooled.statistic(pooled.ref, pooled.cur)) * (1 - 1e-12)
    wanted = max(_LEAST_PERMUTATIONS, math.ceil(_ROOM / level)) if reached else _CHUNK
    # So many as high, and the level is out of reach.
    most = max(1, math.floor(level * (1 + wanted) + 1e-9)) if reached else wanted + 1
    drawn, higher, chance = 0, 0, math.nan
    while drawn < wanted:
        size = min(_CHUNK, wanted - drawn)
        dealt = pooled.deal(random, size)
        scores = pooled.statistic(dealt, both - dealt)
        if drawn == 0:
            chance = float(np.quantile(scores, _CHANCE_QUANTILE))
        so_far = higher + np.cumsum(scores >= observed)
        if so_far[-1] >= most:
            stopped = drawn + int(np.searchsorted(so_far, most)) + 1
            return Significance(most / stopped, chance, drawn + size)
        drawn, higher = drawn + size, int(so_far[-1])
    return Significance((1 + higher) / (1 + drawn), chance, drawn)


def proportions_p_value(hits_ref: int, rows_ref: int, hits_cur: int, rows_cur: int) -> float:
    """Fisher's exact test of two proportions, two-sided: the probability of a split at most as likely.

    >>> proportions_p_value(10, 100, 10, 100), proportions_p_value(0, 100, 20, 100) < 1e-5
    (1.0, True)
    """
    from scipy.special import gammaln

    hits, rows = hits_ref + hits_cur, rows_ref + rows_cur
    share = rows_ref / rows
    reach = _FARTHEST * (math.sqrt(hits * share * (1 - share)) + 1)
    low = max(0, hits - rows_cur, min(hits_ref, math.floor(hits * share - reach)))
    high = min(hits, rows_ref, max(hits_ref, math.ceil(hits * share + reach)))
    ref = np.arange(low, high + 1)

    def log_choices(of: int, chosen: NDArray[np.int64]) -> Floats:
        logs: Floats = gammaln(of + 1) - gammaln(chosen + 1) - gammaln(of - chosen + 1)
        return logs

    logs = log_choices(rows_ref, ref) + log_choices(rows_cur, hits - ref) - log_choices(rows, np.array([hits]))
    # Probabilities that are equal up to rounding count as equal.
    as_rare = logs <= logs[hits_ref - low] + 1e-7
    return min(1.0, math.fsum(np.exp(logs[as_rare])))


def proportions_chance(hits_ref: int, rows_ref: int, hits_cur: int, rows_cur: int) -> float:
    """The difference of two proportions that chance alone reaches once in twenty, by their pooled standard error.

    >>> round(proportions_chance(100, 1000, 120, 1000), 3)
    0.027
    """
    share = (hits_ref + hits_cur) / (rows_ref + rows_cur)
    return ONCE_IN_TWENTY * math.sqrt(share * (1 - share) * (1 / rows_ref + 1 / rows_cur))


def _pooled_cells(ref: NumberColumn, cur: NumberColumn) -> Pooled:
    exponent = max(ref.exponent, cur.exponent)
    cells = lay_side_by_side(ref, cur).scaled(exponent)
    pooled = cells.ref + cells.cur
    position = (cells.mean_ref * cells.ref + cells.mean_cur * cells.cur) / pooled
    bins, positions = bins_of_cells(position, pooled)
    start = np.searchsorted(bins, np.arange(len(positions)))
    statistic = distances.wasserstein_at(positions, floor_spread(exponent))
    return Pooled(statistic, np.add.reduceat(cells.ref, start), np.add.reduceat(cells.cur, start), len(positions))


def bins_of_cells(position: Floats, counts: Ints) -> tuple[Ints, Floats]:
    """The bin of each cell, ascending, and where the rows of each bin lie.

    From each end the bins hold 1, 2, 4, ... rows, and equal shares between.

    Args:
        position: of the rows of each cell, ascending, shape (k,).
        counts: rows of both months in each cell.
    """
    rows = int(counts.sum())
    doublings = max(1, math.floor(math.log2(max(rows / _MIDDLE_BINS, 2))))
    tail = 2.0 ** np.arange(doublings) / rows
    ends = np.unique(np.concatenate([tail, np.linspace(0, 1, _MIDDLE_BINS + 1)[1:-1], 1 - tail]))
    found = np.searchsorted(ends, (np.cumsum(counts) - counts / 2) / rows)
    first = np.diff(found, prepend=-1) > 0
    start = np.flatnonzero(first)
    return np.cumsum(first) - 1, np.add.reduceat(position * counts, start) / np.add.reduceat(counts, start)


def frequent_bins(pooled: Ints) -> Ints:
    """A new number for each bin: where there are many, the most frequent by how frequent they are, all others as one.

    Args:
        pooled: rows of both months in each bin, shape (k,).
    """
    if len(pooled) <= _MOST_CATEGORIES:
        return np.arange(len(pooled))
    order = np.lexsort((np.arange(len(pooled)), -pooled))
    found: Ints = np.full(len(pooled), _MOST_CATEGORIES)
    found[order[:_MOST_CATEGORIES]] = np.arange(_MOST_CATEGORIES)
    return found
