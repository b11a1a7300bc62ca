"""The table of measures: how scores are held against labels.

A measure that is entered here is computed for its kinds of label, with its interval, and the record and the pages know
it. The first measure of a kind of label decides: by it a month triggers and a challenger is promoted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]
"""A measure of one set of entities: weights of shape (replicates, n) in, shape (replicates,) out; NaN where it has no
value."""

MOST_CLASSES = 50
"""A label of more classes is not measured."""

LARGEST_LABEL = 1e30
"""Trees add up single-precision numbers, so that a numeric label beyond this can be neither learnt nor measured."""

_BINS = 10
_TENTH = 0.1
_SMALLEST = 1e-15
# Probabilities of many classes add up to 1 but for rounding.
_ROUNDING = 1e-6


class LabelKind(StrEnum):
    """What a label is, and so what a model of it predicts."""

    BOOLEAN = "boolean"
    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class Drop(StrEnum):
    """How much worse a model is in the current month, as one number: positive is worse."""

    DIFFERENCE = "difference"
    RELATIVE = "relative"
    NONE = "none"


@dataclass(frozen=True)
class Measure:
    """One way to hold scores against labels.

    Attributes:
        name: as the record, the tables and standard output call it.
        kinds: kinds of label that it is for.
        drop: of what is better when higher, the reference minus the current value; of an error, its rise in parts of
            the reference's error; none for what has no better or worse.
        short: its name in a sentence.
        description: as the page shows it.
        prepare: labels and scores of n entities in, see `Weighted`. A boolean label is 0 or 1 and its score the
            probability of 1; a numeric one has predictions; a categorical one is the number of its class, -1 for a
            class that the model does not know, and its scores are probabilities of shape (n, classes).
        share: whether it is a share of entities, or a difference of shares, which people read in percent.
        influences: of a measure that decides: labels and scores in; the value at equal weights, and how it changes with
            the weight of each entity, shape (n,), out. The root of the sum of their squares is the standard error of
            the value (the infinitesimal jackknife: Efron 1982, chapter 6).
    """

    name: str
    kinds: tuple[LabelKind, ...]
    drop: Drop
    short: str
    description: str
    prepare: Callable[[Floats, Floats], Weighted]
    influences: Callable[[Floats, Floats], tuple[float, Floats]] | None = None
    share: bool = False

    @property
    def lower_is_better(self) -> bool:
        """Whether it is an error."""
        return self.drop is Drop.RELATIVE

    @property
    def drop_word(self) -> str:
        """What its drop is called in a sentence."""
        return "rise" if self.lower_is_better else "fall"

    @property
    def signal(self) -> str:
        """The name of the signal that it gives, such as `auc_drop` or `rmse_rise`."""
        return f"{self.name}_{'rise' if self.lower_is_better else 'drop'}"

    @property
    def unit(self) -> str:
        """What its drop, and a gain, are counted in."""
        return f"parts of the {self.short}" if self.lower_is_better else self.short

    def text(self, value: float) -> str:
        """A value for people: an error in four digits, whatever its unit; all else in hundredths."""
        return f"{value:,.4g}" if self.lower_is_better else f"{value:.2f}"

    def drop_of(self, ref: Any, cur: Any) -> Any:
        """How much worse the current value is than the reference, in the measure's own way; NaN where that is nothing.

        Args:
            ref, cur: two numbers, or two arrays of one shape.
        """
        if self.drop is Drop.DIFFERENCE:
            return ref - cur
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # Of an error of zero there is no rise in parts of it.
            relative = np.where(np.asarray(ref) > 0, (np.asarray(cur) - ref) / ref, np.nan)
        found = relative if self.drop is Drop.RELATIVE else np.full_like(relative, np.nan)
        return found if np.ndim(found) else float(found)


def measures_of(kind: LabelKind) -> tuple[Measure, ...]:
    """The measures of a kind of label, in the order in which they are shown; the first decides."""
    return tuple(measure for measure in MEASURES.values() if kind in measure.kinds)


def values_of(kind: LabelKind, labels: Floats, scores: Floats) -> dict[str, float]:
    """Every measure of a kind for n entities of equal weight; NaN where it has no value."""
    weights = np.ones((1, len(labels)))
    return {item.name: float(item.prepare(labels, scores)(weights)[0]) for item in measures_of(kind)}


def _auc(labels: Floats, scores: Floats) -> Weighted:
    """The Mann-Whitney statistic (Hanley & McNeil 1982): share of pairs that are ranked right, ties half."""
    order = np.argsort(scores, kind="stable")
    labels, scores = labels[order], scores[order]
    # The positions where a new score begins, because equal scores count half.
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])

    def weighted(weights: Floats) -> Floats:
        weights = _in_order(weights, order)
        positive = np.add.reduceat(weights * labels, starts, axis=1)
        negative = np.add.reduceat(weights * (1 - labels), starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative
        right: Floats = (positive * (below + negative / 2)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share: Floats = right / (positive.sum(axis=1) * negative.sum(axis=1))
        return share

    return weighted


def _in_order(weights: Floats, order: NDArray[np.int64]) -> Floats:
    # Indexing would lay the rows across memory, and sums along them would take seven times as long.
    ordered: Floats = np.take(weights, order, axis=1)
    return ordered


def _auc_influences(labels: Floats, scores: Floats) -> tuple[float, Floats]:
    """By the share of the other class that each entity is ranked right against (DeLong et al. 1988)."""
    positive = labels == 1
    above, below = np.sort(scores[positive]), np.sort(scores[~positive])
    right = np.empty(len(labels))
    right[positive] = _half_ranks(below, scores[positive]) / len(below)
    right[~positive] = 1.0 - _half_ranks(above, scores[~positive]) / len(above)
    value = float(right[positive].mean())
    return value, (right - value) / np.where(positive, len(above), len(below))


def _half_ranks(values: Floats, scores: Floats) -> Floats:
    """How many of the sorted values are below each score, equal ones half."""
    ranks: Floats = (np.searchsorted(values, scores, "left") + np.searchsorted(values, scores, "right")) / 2
    return ranks


def _top_tenth_recall(labels: Floats, scores: Floats) -> Weighted:
    """Share of the positives that is among the tenth with the highest scores; equal scores are shared out evenly."""
    order = np.argsort(-scores, kind="stable")
    labels, scores = labels[order], scores[order]
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])

    def weighted(weights: Floats) -> Floats:
        weights = _in_order(weights, order)
        everyone = np.add.reduceat(weights, starts, axis=1)
        positive = np.add.reduceat(weights * labels, starts, axis=1)
        room = _TENTH * everyone.sum(axis=1, keepdims=True) - (np.cumsum(everyone, axis=1) - everyone)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(everyone > 0, np.clip(room / everyone, 0.0, 1.0), 0.0)
            share: Floats = (positive * inside).sum(axis=1) / positive.sum(axis=1)
        return share

    return weighted


def _macro_auc(labels: Floats, scores: Floats) -> Weighted:
    """The mean over classes of the AUC of one class against the rest (Hand & Till 2001, section 2).

    Classes that no entity has, or every entity, have no AUC and do not count. Those that the model does not know count
    together as one, to which it gives no probability.
    """
    of_class = [_auc(*one) for one in _one_against_the_rest(labels, scores)]

    def weighted(weights: Floats) -> Floats:
        found = np.array([auc(weights) for auc in of_class]).reshape(len(of_class), len(weights))
        there = np.isfinite(found)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean: Floats = np.where(there, found, 0.0).sum(axis=0) / there.sum(axis=0)
        return mean

    return weighted


def _macro_auc_influences(labels: Floats, scores: Floats) -> tuple[float, Floats]:
    of_class = [_auc_influences(*one) for one in _one_against_the_rest(labels, scores)]
    influences: Floats = np.mean([influences for _, influences in of_class], axis=0)
    return float(np.mean([value for value, _ in of_class])), influences


def _one_against_the_rest(labels: Floats, scores: Floats) -> Iterator[tuple[Floats, Floats]]:
    """For each class that is there: 1 for its entities and 0 for all others, and the probability given to it."""
    unknown = np.zeros(len(labels))
    for at in np.unique(labels).astype(int).tolist():
        yield (labels == at).astype(np.float64), scores[:, at] if at >= 0 else unknown


def _log_loss(labels: Floats, scores: Floats) -> Weighted:
    """Mean of -ln(probability given to what happened), in nats (Good 1952); that probability is at least 1e-15."""
    if scores.ndim == 1:
        given = np.where(labels == 1, scores, 1 - scores)
    else:
        at = labels.astype(int)
        given = np.where(at >= 0, scores[np.arange(len(at)), at], 0.0)
    return _mean_of(-np.log(np.clip(given, _SMALLEST, 1.0)))


def _calibration_error(labels: Floats, scores: Floats) -> Weighted:
    """The expected calibration error, by ten bins of equal width (Naeini, Cooper & Hauskrecht 2015)."""
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    gaps = np.zeros((len(scores), _BINS))
    gaps[np.arange(len(scores)), bins] = labels - scores

    def weighted(weights: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            error: Floats = np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
        return error

    return weighted


def _brier(labels: Floats, scores: Floats) -> Weighted:
    return _mean_of((labels - scores) ** 2)


def _rate(labels: Floats, scores: Floats) -> Weighted:  # noqa: ARG001
    return _mean_of(labels)


def _rmse(labels: Floats, scores: Floats) -> Weighted:
    """The root of the mean squared error."""
    errors, scale = _errors(labels, scores)
    mean = _mean_of(errors**2)
    return lambda weights: scale * np.sqrt(mean(weights))


def _rmse_influences(labels: Floats, scores: Floats) -> tuple[float, Floats]:
    errors, scale = _errors(labels, scores)
    mean = float(np.mean(errors**2))
    value = float(np.sqrt(mean))
    with np.errstate(divide="ignore", invalid="ignore"):
        influences: Floats = scale * (errors**2 - mean) / (2 * len(errors) * value)
    return scale * value, influences


def _mae(labels: Floats, scores: Floats) -> Weighted:
    """The mean absolute error."""
    errors, scale = _errors(labels, scores)
    mean = _mean_of(errors)
    return lambda weights: scale * mean(weights)


def _bias(labels: Floats, scores: Floats) -> Weighted:
    with np.errstate(over="ignore"):
        return _mean_of(scores - labels)


def _errors(labels: Floats, scores: Floats) -> tuple[Floats, float]:
    """Absolute errors in parts of the greatest, and the greatest: the square of a large number would overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        errors: Floats = np.abs(labels - scores)
        scale = float(errors.max(initial=0.0)) or 1.0
        return errors / scale, scale


def _mean_of(terms: Floats) -> Weighted:
    def weighted(weights: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            mean: Floats = (weights @ terms) / weights.sum(axis=1)
        return mean

    return weighted


_BOOLEAN, _NUMERIC, _CATEGORICAL = (LabelKind.BOOLEAN,), (LabelKind.NUMERIC,), (LabelKind.CATEGORICAL,)
_OF_PROBABILITIES = (*_BOOLEAN, *_CATEGORICAL)

MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            "auc",
            _BOOLEAN,
            Drop.DIFFERENCE,
            "AUC",
            "AUC: how well it ranks; 1 is perfect, 0.5 is chance",
            _auc,
            _auc_influences,
        ),
        Measure(
            "macro_auc",
            _CATEGORICAL,
            Drop.DIFFERENCE,
            "macro AUC",
            "Macro AUC: how well it tells each class from the rest, on average; 1 is perfect, 0.5 is chance",
            _macro_auc,
            _macro_auc_influences,
        ),
        Measure(
            "rmse",
            _NUMERIC,
            Drop.RELATIVE,
            "RMSE",
            "RMSE, root of the mean squared error; less is better",
            _rmse,
            _rmse_influences,
        ),
        Measure("mae", _NUMERIC, Drop.RELATIVE, "MAE", "MAE, the mean absolute error; less is better", _mae),
        Measure("log_loss", _OF_PROBABILITIES, Drop.RELATIVE, "log loss", "Log loss; less is better", _log_loss),
        Measure(
            "calibration_error",
            _BOOLEAN,
            Drop.RELATIVE,
            "calibration error",
            "Calibration error: how far its probabilities are from what happens",
            _calibration_error,
            share=True,
        ),
        Measure("brier", _BOOLEAN, Drop.RELATIVE, "Brier score", "Brier score; less is better", _brier),
        Measure(
            "top_tenth_recall",
            _BOOLEAN,
            Drop.DIFFERENCE,
            "recall of the top tenth",
            "Recall of the top tenth: part of all with the label that the tenth with the highest scores holds",
            _top_tenth_recall,
            share=True,
        ),
        Measure("bias", _NUMERIC, Drop.NONE, "bias", "Bias: mean of the prediction minus the label", _bias),
        Measure("positive_rate", _BOOLEAN, Drop.NONE, "rate", "Rate of the label", _rate, share=True),
        Measure("mean_label", _NUMERIC, Drop.NONE, "mean", "Mean of the label", _rate),
    )
}
"""Every measure by its name, in the order in which they are shown."""

WRONG_SCORES = {
    LabelKind.BOOLEAN: ("are no probabilities", "numbers from 0 to 1"),
    LabelKind.NUMERIC: ("are no finite numbers", "finite numbers"),
    LabelKind.CATEGORICAL: ("are no probabilities", "numbers from 0 to 1 that add up to 1"),
}
"""What is wrong with scores that are not usable, and what is allowed instead."""


def unusable_scores(kind: LabelKind, scores: Floats) -> NDArray[np.bool_]:
    """Return for each of n entities whether its score, or one of its scores, is not usable."""
    wrong: NDArray[np.bool_]
    if kind is LabelKind.NUMERIC:
        wrong = ~np.isfinite(scores)
        return wrong
    wrong = ~((scores >= 0.0) & (scores <= 1.0))
    if scores.ndim == 1:
        return wrong
    wrong = wrong.any(axis=1) | ~(np.abs(scores.sum(axis=1) - 1.0) <= _ROUNDING)
    return wrong
