"""What the change of each feature alone costs a model: its entities of before, weighted to the values of now.

The entities of the reference are weighted so that one feature is distributed as in the current month; what the model
loses on them is what such entities cost it. The labels stay those of the reference, so that a change of what the
features mean is not in it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from driftgate.measures import Floats, measures_of
from driftgate.performance.bootstrap import Scored
from driftgate.performance.causes import REPLICATES, effective_size, resampled_interval, resampled_sides
from driftgate.performance.evaluation_model import Rows
from driftgate.performance.feature_auc import bins_of
from driftgate.performance.findings import FeatureCost

_CHUNK = 16
# Of values that no entity of the reference has nothing is known.
_MOST_UNKNOWN = 0.05

Bins = NDArray[np.int64]


def feature_costs(
    ref: Rows,
    cur: Rows,
    features: Sequence[str],
    min_rows: int = 2,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> tuple[FeatureCost, ...]:
    """Return for each feature the drop, in the measure that decides, from the reference to the weighted reference.

    Values are put into bins as for `feature_auc`: twenty quantiles of the reference, or categories, and missing ones.
    The interval is that of Student's t over resampled entities of both months.

    Args:
        ref, cur: n and m labelled entities; the labels of the reference differ.
        features: columns of both tables.
        min_rows: entities of equal weight that the weighted ones must be worth.
        seed: the same seed and entities give the same costs.
        replicates: number of resampled sets.

    Returns:
        One entry for each feature, the most costly first; those without a figure last.
    """
    units = ref.scored.units, cur.scored.units
    weights = [(np.ones(len(units[0])), np.ones(len(units[1]))), *resampled_sides(*units, replicates, seed)]
    plain = _values(ref.scored, [pair[0] for pair in weights])
    found = []
    for name in features:
        bins = bins_of(ref.table.column(name), cur.table.column(name))
        reason = _why_not(bins, min_rows)
        found.append(FeatureCost(name, reason=reason) if reason else _cost(name, ref.scored, bins, weights, plain))
    return tuple(sorted(found, key=lambda item: (bool(item.reason), 0.0 if item.reason else -item.value, item.name)))


def _cost(
    name: str, ref: Scored, bins: tuple[Bins, Bins], weights: Sequence[tuple[Floats, Floats]], plain: Floats
) -> FeatureCost:
    """The cost of one feature; the first of the weights and of the plain values are those of the entities as they are.

    Args:
        bins: of n and m entities.
        weights: for each resampled set those of n and m entities.
        plain: the measure of each set of the reference.
    """
    moved = _values(ref, [side * _ratios(bins, side, other)[bins[0]] for side, other in weights])
    drops = measures_of(ref.kind)[0].drop_of(plain, moved)
    if not np.isfinite(drops).all():
        return FeatureCost(name, reason="a resampled set has labels that are all the same")
    return FeatureCost(name, resampled_interval(float(drops[0]), drops[1:]))


def _values(scored: Scored, weights: Sequence[Floats]) -> Floats:
    """The measure that decides for each set of weights."""
    measure = measures_of(scored.kind)[0].prepare(scored.labels, scored.scores)
    chunks = [np.array(weights[start : start + _CHUNK]) for start in range(0, len(weights), _CHUNK)]
    return np.concatenate([measure(chunk) for chunk in chunks])


def _ratios(bins: tuple[Bins, Bins], ref: Floats, cur: Floats) -> Floats:
    """How many of the current month's entities one of the reference stands for, by bin, but for a factor."""
    size = int(max(side.max() for side in bins)) + 1
    old, new = (np.bincount(side, each, size) for side, each in zip(bins, (ref, cur), strict=True))
    ratios: Floats = np.where(old > 0, new / np.where(old > 0, old, 1.0), 0.0)
    return ratios


def _why_not(bins: tuple[Bins, Bins], min_rows: int) -> str:
    """Why the reference cannot be weighted to the values of now; empty where it can."""
    unknown = float(np.mean(~np.isin(bins[1], bins[0])))
    if unknown > _MOST_UNKNOWN:
        return f"{unknown:.0%} of the values are of no entity of the reference"
    weights = _ratios(bins, *(np.ones(len(side)) for side in bins))[bins[0]]
    alike = effective_size(weights)
    if alike < min_rows:
        return f"entities of the reference with such values are worth {alike}, {min_rows} needed"
    return ""
