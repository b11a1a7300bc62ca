"""The metrics of a training, in pure numpy; each formula names its source."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.errors import DataError
from driftgate.measures import LabelKind, values_of
from driftgate.training.threshold import positives_of

Labels = NDArray[Any]
Probabilities = NDArray[np.float64]

_BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose probability lies in [low, high), in the last bin [low, high].

    Attributes:
        rows: number of rows.
        mean_probability: mean over these rows; NaN where there are none.
        positive_rate: share of these rows that are positive; NaN where there are none.
    """

    low: float
    high: float
    rows: int
    mean_probability: float
    positive_rate: float


SHOWN = {
    LabelKind.BOOLEAN: ("auc", "f1", "accuracy", "log_loss", "calibration_error"),
    LabelKind.NUMERIC: ("rmse", "mae", "r2", "bias"),
    LabelKind.CATEGORICAL: ("macro_auc", "log_loss", "accuracy"),
}
"""The metrics that a training's line shows, by the kind of its label."""


def metrics_of(kind: LabelKind, labels: Labels, scores: Probabilities, threshold: float | None) -> dict[str, float]:
    """Return every metric of n rows by name.

    Args:
        kind: of the label.
        labels, scores: as `driftgate.measures.Measure` takes them.
        threshold: probability from which a boolean label is predicted to be true; None for any other.

    Raises:
        DataError: there are no rows, or all have the same label.
    """
    if kind is LabelKind.BOOLEAN:
        assert threshold is not None
        return all_metrics(labels, scores, threshold)
    if not len(labels) or (labels == labels[0]).all():
        raise DataError(
            f"{len(labels)} rows whose labels are all the same: a measure of them says nothing",
            allowed="rows whose labels differ",
            remedy="take a month with more labelled entities",
        )
    found = values_of(kind, labels, scores)
    if kind is LabelKind.CATEGORICAL:
        return {**found, "accuracy": float(np.mean(scores.argmax(axis=1) == labels))}
    return {
        **found,
        "r2": r2(labels, scores),
        "label_sd": float(np.std(labels)),
        "mean_prediction": float(np.mean(scores)),
    }


def r2(labels: Labels, predictions: Probabilities) -> float:
    """Share of the labels' variance that the predictions explain; below 0 where the labels' mean would do better."""
    # In parts of the largest label: the square of a large number would overflow.
    scale = float(np.abs(labels).max()) or 1.0
    return float(1 - np.mean(((labels - predictions) / scale) ** 2) / np.var(labels / scale))


def all_metrics(labels: Labels, probabilities: Probabilities, threshold: float) -> dict[str, float]:
    """Return every metric of n rows by name: of predictions from the threshold on, of the order, and of calibration.

    Raises:
        DataError: there are no rows, or all have the same label, so that the AUC is not defined.
    """
    _require_both_classes(labels)
    return {
        "auc": auc(labels, probabilities),
        "f1": f1(labels, probabilities, threshold),
        "accuracy": accuracy(labels, probabilities, threshold),
        "log_loss": log_loss(labels, probabilities),
        "brier": brier(labels, probabilities),
        "calibration_error": calibration_error(labels, probabilities),
        "positive_rate": float(np.mean(labels)),
        "predicted_positive_rate": float(np.mean(positives_of(probabilities, threshold))),
        "mean_probability": float(np.mean(probabilities)),
    }


def auc(labels: Labels, probabilities: Probabilities) -> float:
    """Return the area under the ROC curve: P(score of a positive > score of a negative), ties counted half, in [0, 1].

    By the rank sum of Mann and Whitney (1947): (R - p(p + 1) / 2) / (p n), with R the sum of the positives' mid-ranks.

    Args:
        labels: 0 or 1, shape (n,).
        probabilities: or any other scores, shape (n,).

    Raises:
        DataError: one class is absent.

    >>> auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    positive = _require_both_classes(labels)
    _, inverse, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    mid_ranks = np.cumsum(counts) - (counts - 1) / 2
    positives = int(positive.sum())
    rank_sum = float(mid_ranks[inverse][positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * (len(labels) - positives))


def f1(labels: Labels, probabilities: Probabilities, threshold: float) -> float:
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN) (van Rijsbergen 1979); 0 without a TP."""
    positive, predicted = labels == 1, positives_of(probabilities, threshold) == 1
    hits = int((positive & predicted).sum())
    return 2 * hits / (int(positive.sum()) + int(predicted.sum())) if hits else 0.0


def accuracy(labels: Labels, probabilities: Probabilities, threshold: float) -> float:
    """Share of rows whose prediction is the label."""
    return float(np.mean(positives_of(probabilities, threshold) == labels))


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Mean of -ln(probability given to what happened), in nats (Good 1952); that probability is at least 1e-15."""
    given = np.where(labels == 1, probabilities, 1 - probabilities)
    return float(-np.mean(np.log(np.clip(given, 1e-15, 1.0))))


def brier(labels: Labels, probabilities: Probabilities) -> float:
    """Mean squared difference of probability and outcome, in [0, 1] (Brier 1950)."""
    return float(np.mean((probabilities - labels) ** 2))


def calibration_error(labels: Labels, probabilities: Probabilities, bins: int = _BINS) -> float:
    """Expected calibration error, in [0, 1]: mean over rows of |positive rate - mean probability| of their bin.

    Bins of equal width (Naeini, Cooper and Hauskrecht 2015).
    """
    parts = calibration(labels, probabilities, bins)
    gaps = [part.rows * abs(part.positive_rate - part.mean_probability) for part in parts if part.rows]
    return sum(gaps) / len(labels)


def calibration(labels: Labels, probabilities: Probabilities, bins: int = _BINS) -> list[CalibrationBin]:
    """Return the reliability table: `bins` bins of equal width over [0, 1]."""
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    table = []
    for number in range(bins):
        inside = which == number
        rows = int(inside.sum())
        means = (float(np.mean(values[inside])) if rows else float("nan") for values in (probabilities, labels))
        table.append(CalibrationBin(number / bins, (number + 1) / bins, rows, *means))
    return table


def _require_both_classes(labels: Labels) -> NDArray[np.bool_]:
    positive: NDArray[np.bool_] = np.asarray(labels) == 1
    if positive.all() or not positive.any():
        raise DataError(
            f"{len(positive)} rows, {int(positive.sum())} of them positive: the area under the curve is not defined",
            allowed="rows of both classes",
            remedy="take a month with more labelled entities",
        )
    return positive
