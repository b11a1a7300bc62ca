"""The probability from which a model of a boolean label predicts 1. Training, files and service all ask this module."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EARLIER_THRESHOLD = 0.5
"""The threshold of versions that were registered without one, by releases that had no other."""

# A double has no more significant digits than this.
_MOST_DIGITS = 17


def positives_of(probabilities: Floats, threshold: float) -> NDArray[np.int64]:
    """Return 1 where the probability is the threshold or more, else 0; shape (n,)."""
    return (probabilities >= threshold).astype(np.int64)


def best_threshold(labels: NDArray[np.int64] | Floats, probabilities: Floats) -> float:
    """Return the threshold with the greatest F1 on n rows; where several have it, the one with the fewest positives.

    F1 counts what a list of positives misses and what it holds in vain, and needs no costs (van Rijsbergen 1979). Of
    calibrated probabilities the best threshold is half of the best F1, and so never above 0.5 (Lipton, Elkan and
    Narayanaswamy, *Optimal Thresholding of Classifiers to Maximize F1 Measure*, 2014). Every threshold between two
    neighbouring scores calls the same rows positive; of these one with few decimals is returned, so that a printed
    threshold is the one that is used.

    Args:
        labels: 0 or 1, with at least one 1; shape (n,).
        probabilities: in [0, 1], shape (n,).

    >>> best_threshold(np.array([0, 0, 1, 0, 1]), np.array([0.1, 0.2, 0.3123, 0.4, 0.7]))
    0.26
    """
    scores, at = np.unique(probabilities, return_inverse=True)
    called = np.bincount(at)[::-1].cumsum()
    hits = np.bincount(at, weights=labels)[::-1].cumsum()
    # From the highest score down; the first of equal values is taken.
    best = int(np.argmax(2 * hits / (called + hits[-1])))
    chosen = len(scores) - 1 - best
    return _shortest_between(float(scores[chosen - 1]) if chosen else 0.0, float(scores[chosen]))


def _shortest_between(low: float, high: float) -> float:
    """Return a number in (low, high] with few decimals: their middle, rounded as far as it stays between them."""
    rounded = (round((low + high) / 2, digits) for digits in range(2, _MOST_DIGITS))
    return next((value for value in rounded if low < value <= high), high)
