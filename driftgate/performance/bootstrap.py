"""The measures of a model on two sets of entities, and the intervals of their differences.

Every measure is computed for the real entities and for many resampled sets of them, with a weight for each entity. An
entity that is in both sets has the same weight in both, so that the interval of the difference does not count shared
entities as noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftgate.errors import MissingSignalError
from driftgate.performance.result import MEASURES, Change

Floats = NDArray[np.float64]

TRAIN_AGAIN = "train the model again; `driftgate rollback` serves the one before"
"""The remedy for a model whose scores are no probabilities."""

_BINS = 10
_CHUNK = 16
_SMALLEST = 1e-15


@dataclass(frozen=True)
class Scored:
    """Labelled entities with a model's scores, all of shape (n,).

    Attributes:
        keys: one key for each entity, without repetition.
        labels: 0 or 1.
        scores: probability of 1, in [0, 1].
    """

    keys: NDArray[np.str_]
    labels: Floats
    scores: Floats

    def __post_init__(self) -> None:
        """Refuse scores that are no probabilities: a measure computed from them would be a number without meaning.

        Raises:
            MissingSignalError: a score is NaN or outside [0, 1].
        """
        wrong = ~((self.scores >= 0.0) & (self.scores <= 1.0))
        if wrong.any():
            raise MissingSignalError(
                f"{int(wrong.sum())} of {len(wrong)} scores are no probabilities, such as {self.scores[wrong][0]}",
                allowed="numbers from 0 to 1",
                remedy=TRAIN_AGAIN,
            )

    @property
    def both_classes(self) -> bool:
        """Whether there are entities with each label; otherwise there is no AUC."""
        return bool(0 < self.labels.sum() < len(self.labels))


def compare_scores(
    ref: Scored, cur: Scored, replicates: int = 500, seed: int = 0, level: float = 0.95
) -> dict[str, Change]:
    """Return each measure on both sides, with a percentile interval of the difference over resampled entities.

    The weights are Poisson(1), which is the bootstrap for many rows (Hanley & MacGibbon 2006; Chamandy et al. 2012).

    Args:
        ref, cur: both sides need entities with each label.
        replicates: number of resampled sets.
        seed: the same seed and entities give the same interval.
        level: level of the interval, such as 0.95.

    Returns:
        Changes by the names in `MEASURES`.
    """
    entities = np.unique(np.concatenate([ref.keys, cur.keys]))
    sides = [(_Side(side), np.searchsorted(entities, side.keys)) for side in (ref, cur)]
    plain = [side.measures(np.ones((1, len(rows))))[0] for side, rows in sides]
    differences = []
    for weights in _weights(len(entities), replicates, seed):
        drawn = [side.measures(weights[:, rows]) for side, rows in sides]
        differences.append(drawn[1] - drawn[0])
    tail = (1 - level) / 2 * 100
    # A resampled set may by chance have one class only. Then it has no AUC.
    drawn_differences = np.concatenate(differences)
    low, high = np.nanpercentile(drawn_differences, [tail, 100 - tail], axis=0)
    # A resampled set without an AUC counts against the change.
    kept = ~(np.sign(drawn_differences) == np.sign(plain[1] - plain[0])[None, :])
    p_values = (1 + kept.sum(axis=0)) / (1 + replicates)
    return {
        name: Change(float(plain[0][at]), float(plain[1][at]), float(low[at]), float(high[at]), float(p_values[at]))
        for at, name in enumerate(MEASURES)
    }


def auc_differences(ref: Scored, cur: Scored, replicates: int, seed: int) -> tuple[float, Floats]:
    """Return the difference of the AUC of two models on the same entities, and that of resampled sets of them.

    Args:
        ref, cur: the same entities in the same order, with each label.
        replicates: number of resampled sets.
        seed: the same seed and entities give the same sets.

    Returns:
        `cur` minus `ref`, and shape (replicates,); NaN where a resampled set has one class only.
    """
    old, new = _Side(ref), _Side(cur)

    def difference(weights: Floats) -> Floats:
        return new.auc(weights) - old.auc(weights)

    plain = float(difference(np.ones((1, len(ref.labels))))[0])
    return plain, np.concatenate([difference(weights) for weights in _weights(len(ref.labels), replicates, seed)])


def _weights(entities: int, replicates: int, seed: int) -> Iterator[Floats]:
    random = np.random.default_rng(seed)
    for start in range(0, replicates, _CHUNK):
        yield random.poisson(1.0, (min(_CHUNK, replicates - start), entities)).astype(np.float64)


class _Side:
    """One side, prepared so that a set of weights needs one pass."""

    def __init__(self, scored: Scored) -> None:
        self._order = np.argsort(scored.scores, kind="stable")
        labels, scores = scored.labels[self._order], scored.scores[self._order]
        self._labels = labels
        # The positions where a new score begins, because equal scores count half in the AUC.
        self._starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
        # All measures except the AUC are sums over entities, so one multiplication applies the weights.
        inside = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
        loss = -(labels * np.log(inside) + (1 - labels) * np.log(1 - inside))
        bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
        gaps = np.zeros((len(scores), _BINS))
        gaps[np.arange(len(scores)), bins] = labels - scores
        self._columns = np.column_stack([np.ones(len(scores)), labels, loss, (labels - scores) ** 2, gaps])

    def measures(self, weights: Floats) -> Floats:
        """Return shape (replicates, measures) for weights (replicates, n); NaN where a replicate has one class only."""
        weights = weights[:, self._order]
        sums = weights @ self._columns
        with np.errstate(divide="ignore", invalid="ignore"):
            means = sums / sums[:, :1]
            return np.column_stack(
                [self._auc(weights), means[:, 2], np.abs(means[:, 4:]).sum(axis=1), means[:, 3], means[:, 1]]
            )

    def auc(self, weights: Floats) -> Floats:
        """Return shape (replicates,) for weights (replicates, n); NaN where a replicate has one class only."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._auc(weights[:, self._order])

    def _auc(self, weights: Floats) -> Floats:
        """Return the weighted Mann-Whitney statistic (Hanley & McNeil 1982): share of pairs ranked right, ties half."""
        positive = np.add.reduceat(weights * self._labels, self._starts, axis=1)
        negative = np.add.reduceat(weights * (1 - self._labels), self._starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative
        right: Floats = (positive * (below + negative / 2)).sum(axis=1)
        share: Floats = right / (positive.sum(axis=1) * negative.sum(axis=1))
        return share
