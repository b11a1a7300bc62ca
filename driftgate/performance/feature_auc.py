"""The relation of each feature to the label, in the reference month and in the current month."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftgate.performance.result import FeatureAuc
from driftgate.training.metrics import auc

_BINS = 20
_MOST_CATEGORIES = 100


def feature_auc(
    ref: tuple[pa.Table, NDArray[np.float64]], cur: tuple[pa.Table, NDArray[np.float64]], features: Sequence[str]
) -> tuple[FeatureAuc, ...]:
    """Return how well each feature alone ranks the labels of both months, by rates of the reference month.

    A feature's values are put into bins (twenty quantiles, or categories; missing values are one of them), and each bin
    scores its rows by the label's rate in the reference month. The AUC of these scores is the feature's relation to the
    label. It is 0.5 in the current month where the relation is gone, and below 0.5 where the relation is reversed.

    Args:
        ref, cur: a table of n rows, and their labels (0 or 1, shape (n,)), with rows of each class.
        features: columns of both tables.

    Returns:
        One entry for each feature, the greatest loss first.

    Raises:
        DataError: all labels of a month are the same.
    """
    found = []
    for name in features:
        ref_bins, cur_bins = bins_of(ref[0].column(name), cur[0].column(name))
        rates = _rates(ref_bins, ref[1])
        overall = float(ref[1].mean())
        pair = [
            auc(labels, np.array([rates.get(item, overall) for item in bins.tolist()]))
            for bins, labels in ((ref_bins, ref[1]), (cur_bins, cur[1]))
        ]
        found.append(FeatureAuc(name, pair[0], pair[1]))
    return tuple(sorted(found, key=lambda item: (-item.lost, item.name)))


def _rates(bins: NDArray[np.int64], labels: NDArray[np.float64]) -> Mapping[int, float]:
    counts = np.bincount(bins)
    sums = np.bincount(bins, weights=labels)
    return {at: float(sums[at] / counts[at]) for at in np.flatnonzero(counts).tolist()}


def bins_of(ref: pa.ChunkedArray, cur: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bin of each row of two months by the values of the first: 0 for a missing value.

    Numbers are in twenty quantiles, any other values in the hundred most common categories and one for all others.
    """
    if _is_number(ref.type) and _is_number(cur.type):
        pair = [column.cast(pa.float64(), safe=False).to_numpy() for column in (ref, cur)]
        present = pair[0][np.isfinite(pair[0])]
        edges = np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(present) else np.empty(0)
        binned = [np.where(np.isfinite(values), np.searchsorted(edges, values, "right") + 1, 0) for values in pair]
        return binned[0].astype(np.int64), binned[1].astype(np.int64)
    known: dict[Any, int] = {None: 0}
    counted = sorted(ref.value_counts().to_pylist(), key=lambda item: (-item["counts"], str(item["values"])))
    for value in counted[:_MOST_CATEGORIES]:
        known.setdefault(value["values"], len(known))
    # A category that the reference month does not have gets the overall rate, which says nothing about the label.
    other = len(known)
    coded = [np.array([known.get(value, other) for value in column.to_pylist()], np.int64) for column in (ref, cur)]
    return coded[0], coded[1]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
