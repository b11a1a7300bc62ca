"""The measures of a model on two sets of entities, and the intervals of their differences.

Every measure is computed for the real entities and for many resampled sets of them, with a weight for each entity. An
entity that is in both sets has the same weight in both, so that the interval of the difference does not count shared
entities as noise. Where entities depend on each other, all of one group have one weight (the cluster bootstrap,
Davison & Hinkley 1997, "Bootstrap Methods and their Application", section 3.8).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftgate.drift.dealing import Dealing
from driftgate.errors import MissingSignalError
from driftgate.measures import WRONG_SCORES, Drop, Floats, LabelKind, Measure, measures_of, unusable_scores
from driftgate.performance.result import Change

TRAIN_AGAIN = "train the model again; `driftgate rollback` serves the one before"
"""The remedy for a model whose scores are not usable."""

_CHUNK = 16


@dataclass(frozen=True)
class Scored:
    """Labelled entities with a model's scores, all of shape (n,).

    Attributes:
        keys: one key for each entity, without repetition.
        labels: 0 or 1; of a numeric label its values; of a categorical one the number of the class, -1 for a class that
            the model does not know.
        scores: probability of 1, in [0, 1]; predictions; probabilities of shape (n, classes).
        kind: of the label.
        groups: of entities that depend on each other; None where each stands alone.
    """

    keys: NDArray[np.str_]
    labels: Floats
    scores: Floats
    kind: LabelKind = LabelKind.BOOLEAN
    groups: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        """Refuse scores that are not usable: a measure computed from them would be a number without meaning.

        Raises:
            MissingSignalError: a probability is NaN or outside [0, 1], or a prediction is not finite.
        """
        wrong = unusable_scores(self.kind, self.scores)
        if wrong.any():
            raise MissingSignalError(
                f"{int(wrong.sum())} of {wrong.size} scores {WRONG_SCORES[self.kind][0]}, "
                f"such as {self.scores[wrong][0]}",
                allowed=WRONG_SCORES[self.kind][1],
                remedy=TRAIN_AGAIN,
            )

    @property
    def varied(self) -> bool:
        """Whether the labels differ; otherwise there is no AUC, and an error says nothing."""
        return bool(len(self.labels) and (self.labels != self.labels[0]).any())

    @property
    def units(self) -> NDArray[np.str_]:
        """What is independent of each other, and so is split, resampled and dealt out as one: groups, else entities."""
        return self.keys if self.groups is None else self.groups

    def part(self, rows: NDArray[np.bool_]) -> "Scored":
        """The entities of a mask."""
        groups = None if self.groups is None else self.groups[rows]
        return Scored(self.keys[rows], self.labels[rows], self.scores[rows], self.kind, groups)


def compare_scores(
    ref: Scored, cur: Scored, replicates: int = 500, seed: int = 0, level: float = 0.95
) -> dict[str, Change]:
    """Return each measure on both sides, with a percentile interval of the difference over resampled entities.

    The weights are Poisson(1), which is the bootstrap for many rows (Hanley & MacGibbon 2006; Chamandy et al. 2012).
    The p-value is the share of resampled differences without this one's sign. Errors of a numeric label may have a
    heavy tail, and groups of entities are few; both tell too little for that, and their p-value is that of a
    permutation test.

    Args:
        ref, cur: of labels of one kind, which differ on both sides.
        replicates: number of resampled sets.
        seed: the same seed and entities give the same interval.
        level: level of the interval, such as 0.95.

    Returns:
        Changes by the names of `driftgate.measures`.
    """
    measures = measures_of(ref.kind)
    units = np.unique(np.concatenate([ref.units, cur.units]))
    sides = [_Side(side, measures, units) for side in (ref, cur)]
    plain = [side.values(np.ones((1, len(units))))[0] for side in sides]
    resampled = resampling_weights(len(units), replicates, seed)
    drawn = [[side.values(weights) for side in sides] for weights in resampled]
    old, new = (np.concatenate([pair[at] for pair in drawn]) for at in (0, 1))
    if ref.kind is LabelKind.NUMERIC or ref.groups is not None:
        chance = _dealt_out(ref, cur, measures, plain[1] - plain[0], replicates, seed)
    else:
        # A resampled set without an AUC counts against the change.
        chance = ~(np.sign(new - old) == np.sign(plain[1] - plain[0])[None, :])
    p_values = (1 + chance.sum(axis=0)) / (1 + replicates)
    changes = {}
    for at, measure in enumerate(measures):
        with np.errstate(invalid="ignore"):
            low, high = _interval(new[:, at] - old[:, at], level)
        relative = (
            _interval(measure.drop_of(old[:, at], new[:, at]), level)
            if measure.drop is Drop.RELATIVE
            else (math.nan, math.nan)
        )
        changes[measure.name] = Change(
            float(plain[0][at]), float(plain[1][at]), low, high, float(p_values[at]), *relative
        )
    return changes


def drop_differences(ref: Scored, cur: Scored, replicates: int, seed: int) -> tuple[float, Floats]:
    """Return how much worse one model is than another on the same entities, and that of resampled sets of them.

    Args:
        ref, cur: the same entities in the same order; the labels differ.
        replicates: number of resampled sets.
        seed: the same seed and entities give the same sets.

    Returns:
        The drop of the measure that decides, and shape (replicates,); NaN where a resampled set has no value.
    """
    measure = measures_of(ref.kind)[0]
    old, new = measure.prepare(ref.labels, ref.scores), measure.prepare(cur.labels, cur.scores)

    def drop(weights: Floats) -> Floats:
        found: Floats = measure.drop_of(old(weights), new(weights))
        return found

    rows = len(ref.labels)
    at = np.arange(rows) if ref.groups is None else np.unique(ref.groups, return_inverse=True)[1]
    resampled = resampling_weights(int(at.max()) + 1, replicates, seed)
    return float(drop(np.ones((1, rows)))[0]), np.concatenate([drop(np.take(each, at, axis=1)) for each in resampled])


def resampling_weights(units: int, replicates: int, seed: int) -> Iterator[Floats]:
    """Yield Poisson(1) weights of shape (up to 16, units), `replicates` in all; the same seed gives the same."""
    random = np.random.default_rng(seed)
    for start in range(0, replicates, _CHUNK):
        yield random.poisson(1.0, (min(_CHUNK, replicates - start), units)).astype(np.float64)


def _dealt_out(
    ref: Scored, cur: Scored, measures: Sequence[Measure], observed: Floats, permutations: int, seed: int
) -> NDArray[np.bool_]:
    """Deal the units out to the two sides anew; return where a difference is as large and of the same sign.

    In a calm month both sides are samples of one distribution of labels and scores, so that each way of dealing them
    out is equally likely, whatever the distribution (Fisher 1935). A unit of both sides may only change them.

    Returns:
        Shape (permutations, measures).
    """
    labels, scores = np.concatenate([ref.labels, cur.labels]), np.concatenate([ref.scores, cur.scores])
    prepared = [measure.prepare(labels, scores) for measure in measures]
    dealing = Dealing(ref.units, cur.units)
    random = np.random.default_rng(seed)
    larger = []
    for start in range(0, permutations, _CHUNK):
        dealt = dealing.draw(random, min(_CHUNK, permutations - start))[:, dealing.part_of].astype(np.float64)
        with np.errstate(invalid="ignore"):
            found = np.column_stack([measure(dealt) - measure(1.0 - dealt) for measure in prepared])
            # A permutation that deals them out as they are must count, whatever the rounding.
            larger.append(~(found * np.sign(observed) < np.abs(observed) * (1 - 1e-12)))
    return np.concatenate(larger)


def _interval(drawn: Floats, level: float) -> tuple[float, float]:
    """The percentile interval. A resampled set that by chance has one class only has no AUC, and is left out."""
    there = drawn[np.isfinite(drawn)]
    if not len(there):
        return math.nan, math.nan
    tail = (1 - level) / 2 * 100
    low, high = np.percentile(there, [tail, 100 - tail])
    return float(low), float(high)


class _Side:
    """One side, prepared so that a set of weights needs one pass."""

    def __init__(self, scored: Scored, measures: Sequence[Measure], units: NDArray[np.str_]) -> None:
        self._rows = np.searchsorted(units, scored.units)
        self._prepared = [measure.prepare(scored.labels, scored.scores) for measure in measures]

    def values(self, weights: Floats) -> Floats:
        """Return shape (replicates, measures) for weights of all units, shape (replicates, units)."""
        weights = np.take(weights, self._rows, axis=1)
        return np.column_stack([measure(weights) for measure in self._prepared])
