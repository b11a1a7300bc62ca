"""Why a model is worse: other entities (X), or the same entities with other answers (Y given X).

Both months are weighted towards the entities that they have in common, by the probability that an entity with such
features is of the current month. What the model loses on those is what the features mean now; the rest is the
entities. Source: Cai, Namkoong & Yadlowsky, "Diagnosing Model Performance Under Distribution Shift", 2023, section 2,
for any measure that takes weights.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats

from driftgate.errors import DataError
from driftgate.measures import Floats, measures_of
from driftgate.performance.bootstrap import Scored, resampling_weights
from driftgate.performance.evaluation_model import Entities
from driftgate.performance.findings import Causes, Unexplained
from driftgate.performance.interval import Interval
from driftgate.training.dataset import input_columns
from driftgate.training.features import ModelFeature
from driftgate.training.split import held_out

# Each fits the trees twice. So many give a standard error to a seventh.
REPLICATES = 24
MOST_ENTITIES = 20_000
"""Of each month. The fits of more would take longer than all the rest of a run."""
_FOLD = 0.5
_ENOUGH = 0.75

Probabilities = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""Weights of n and m entities in; how likely each is of the current month, between 0 and 1, out."""


def month_probabilities(
    ref: Entities, cur: Entities, features: tuple[ModelFeature, ...], seed: int = 0
) -> Probabilities:
    """Return the function that says how likely an entity with such features is of the current month.

    It is fitted on half of the entities and asked for the other half, in turn. Both rows of an entity, and all of a
    group, are in the same half, because trees would know it again. Both months weigh the same.

    Args:
        ref, cur: n and m entities.
        features: columns of both tables.
        seed: of the halves and the trees.

    Raises:
        DataError: a feature holds values of another type in one of the months.
    """
    from driftgate.training.pipeline import WeightedClassifier

    names = [item.name for item in features]
    try:
        table = pa.concat_tables([side.table.select(names) for side in (ref, cur)], promote_options="permissive")
    except (pa.ArrowException, KeyError) as error:
        raise DataError(f"features of another type: {str(error)[:200]}", remedy="correct the month") from error
    rows = len(ref.keys)
    current = np.repeat([0.0, 1.0], [rows, len(cur.keys)])
    classifier = WeightedClassifier(input_columns(table, features), current, features, seed)
    groups = None if ref.groups is None or cur.groups is None else np.concatenate([ref.groups, cur.groups])
    half = held_out(np.concatenate([ref.keys, cur.keys]), groups, seed, _FOLD)

    def probabilities(ref_weights: Floats, cur_weights: Floats) -> tuple[Floats, Floats]:
        # Of equal size, so that the probability does not say how many entities a month has.
        weights = np.concatenate([ref_weights / ref_weights.sum(), cur_weights / cur_weights.sum()]) * rows
        found = np.empty(len(weights))
        for fitted in (half, ~half):
            if groups is not None and len(np.unique(current[fitted & (weights > 0)])) < 2:
                # Of a few groups a resampled set may have none of a month.
                return np.full(rows, np.nan), np.full(len(weights) - rows, np.nan)
            found[~fitted] = classifier.probabilities(fitted, ~fitted, weights)
        return found[:rows], found[rows:]

    return probabilities


def split_drop(
    ref: Scored,
    cur: Scored,
    probabilities: Probabilities,
    min_alike: int = 2,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Causes:
    """Split the drop from `ref` to `cur` in the measure that decides.

    The weights of the common entities are the probability of the other month. The parts add up to the drop between the
    two sides. The intervals are those of Student's t over resampled entities, for which the probabilities are fitted
    again: they hold the chance of both.

    Args:
        ref, cur: n and m entities; the labels differ on both sides.
        probabilities: how likely each entity is of the current month.
        min_alike: entities that the months must have in common.
        seed: the same seed and entities give the same split.
        replicates: number of resampled sets.
    """
    ones = np.ones(len(ref.keys)), np.ones(len(cur.keys))
    found = probabilities(*ones)
    if not np.isfinite(found[0]).all():
        reason = "the groups are too few to tell the months from each other"
        return Causes(code=Unexplained.TOO_FEW, reason=reason)
    # 2pq / (p + q), added up over one of the months: all entities where the months are alike, none where they differ.
    alike = int(min(2 * found[0].sum(), 2 * (1 - found[1]).sum()))
    if alike < min_alike:
        reason = f"the months have too little in common: {alike} entities alike, {min_alike} are needed"
        return Causes(alike=alike, code=Unexplained.TOO_DIFFERENT, reason=reason)
    parts = _parts_of(ref, cur)
    plain = parts(*ones, *found)
    resampled = resampled_sides(ref.units, cur.units, replicates, seed)
    drawn = np.array([parts(*weights, *probabilities(*weights)) for weights in resampled])
    if ref.groups is not None:
        drawn = of_enough_groups(drawn)
    if not (np.isfinite(plain).all() and np.isfinite(drawn).all()):
        return Causes(alike=alike, code=Unexplained.TOO_DIFFERENT, reason="the entities alike have all the same label")
    entities, meaning = (resampled_interval(value, part) for value, part in zip(plain, drawn.T, strict=True))
    return Causes(entities, meaning, alike)


def _parts_of(ref: Scored, cur: Scored) -> Callable[[Floats, Floats, Floats, Floats], tuple[float, float]]:
    """The function of weights and probabilities of both sides that gives what the entities and the meaning cost."""
    measure = measures_of(ref.kind)[0]
    old, new = measure.prepare(ref.labels, ref.scores), measure.prepare(cur.labels, cur.scores)

    def parts(
        ref_weights: Floats, cur_weights: Floats, ref_probability: Floats, cur_probability: Floats
    ) -> tuple[float, float]:
        whole = old(ref_weights[None, :]), new(cur_weights[None, :])
        common = old((ref_weights * ref_probability)[None, :]), new((cur_weights * (1 - cur_probability))[None, :])
        # The part of the same reference: otherwise two relative drops would not add up.
        meaning = measure.drop_of(whole[0], whole[0] - common[0] + common[1])
        total = measure.drop_of(*whole)
        return float((total - meaning)[0]), float(meaning[0])

    return parts


def resampled_sides(
    ref: NDArray[np.str_], cur: NDArray[np.str_], replicates: int, seed: int
) -> Iterator[tuple[Floats, Floats]]:
    """Yield weights of resampled sets of the rows of these units, the same for one that is on both sides."""
    units = np.unique(np.concatenate([ref, cur]))
    at = [np.searchsorted(units, side) for side in (ref, cur)]
    for weights in resampling_weights(len(units), replicates, seed):
        for each in weights:
            yield each[at[0]], each[at[1]]


def of_enough_groups(drawn: Floats) -> Floats:
    """Return the resampled sets that have a figure; all of them where those that have none are more than a quarter.

    Args:
        drawn: shape (replicates,) or (replicates, figures).
    """
    there = np.isfinite(drawn.reshape(len(drawn), -1)).all(axis=1)
    return drawn[there] if there.mean() >= _ENOUGH else drawn


def resampled_interval(value: float, drawn: Floats) -> Interval:
    """Return a figure with the 95% interval of Student's t over what it is on resampled sets."""
    margin = float(stats.t.ppf(0.975, len(drawn) - 1) * np.std(drawn, ddof=1))
    return Interval(value, value - margin, value + margin)


def effective_size(weights: Floats) -> int:
    """Return how many entities of equal weight the weighted ones are worth (Kish, "Survey Sampling", 1965)."""
    return int(weights.sum() ** 2 / (weights**2).sum())
