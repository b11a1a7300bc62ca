"""Counts of (score bin, label) of a model in validation and in the current month, from which pictures are drawn."""

from itertools import pairwise

import numpy as np

from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored
from driftgate.performance.findings import ScoreBin

_PARTS = 10


def score_bins(ref: Scored, cur: Scored) -> tuple[ScoreBin, ...]:
    """Return the bins of a boolean label from the lowest scores to the highest; of any other label none.

    Their ends are the tenths of both sides, so that neither side is all in one bin.

    Args:
        ref, cur: n and m entities.
    """
    if ref.kind is not LabelKind.BOOLEAN:
        return ()
    shares = np.linspace(0, 1, _PARTS + 1)[1:-1]
    edges = np.unique(np.concatenate([np.quantile(side.scores, shares, method="inverted_cdf") for side in (ref, cur)]))
    ends = [None, *edges.tolist(), None]
    counted = [_counted(side, edges) for side in (ref, cur)]
    rows = zip(pairwise(ends), *counted, strict=True)
    return tuple(ScoreBin(*range_, *old, *new) for range_, old, new in rows)


def _counted(side: Scored, edges: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[tuple[int, int, float | None]]:
    """Entities, positives and mean score of each bin."""
    bins = np.searchsorted(edges, side.scores, "right")
    sums = [np.bincount(bins, weights, len(edges) + 1).tolist() for weights in (None, side.labels, side.scores)]
    return [
        (int(entities), int(positives), total / entities if entities else None)
        for entities, positives, total in zip(*sums, strict=True)
    ]
