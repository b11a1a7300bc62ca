"""The relation of each feature to the label, in the reference month and in the current month."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftgate.measures import Floats, LabelKind, Measure, measures_of
from driftgate.performance.result import FeatureAuc
from driftgate.training.dataset import class_numbers

_BINS = 20
_MOST_CATEGORIES = 100
_FOLDS = 5
_SEED = 0

Labels = NDArray[Any]
"""Shape (n,): 0 or 1 of a boolean label, else the names of its classes."""


def feature_auc(
    ref: tuple[pa.Table, Labels], cur: tuple[pa.Table, Labels], features: Sequence[str]
) -> tuple[FeatureAuc, ...]:
    """Return how well each feature alone ranks the labels of both months, by rates of the reference month.

    A feature's values are put into bins (twenty quantiles, or categories; missing values are one of them), and each bin
    scores its rows by the label's rate in the reference month, or by the rate of each of its classes. The AUC of these
    scores, over classes the macro AUC, is the feature's relation to the label. It is 0.5 in the current month where the
    relation is gone, and below 0.5 where the relation is reversed. A class that the reference month does not have
    counts as in the macro AUC of a model that does not know it.

    Rows of the reference month are scored in fifths, by the rates of the four others: by its own rates a feature that
    says nothing would rank the reference better than chance, and seem to have lost it.

    Args:
        ref, cur: a table of n rows, and their labels.
        features: columns of both tables.

    Returns:
        One entry for each feature, the greatest loss first; none where the labels of a month do not differ.
    """
    categorical = ref[1].dtype.kind == "U"
    measure = measures_of(LabelKind.CATEGORICAL if categorical else LabelKind.BOOLEAN)[0]
    classes = sorted(set(ref[1].tolist())) if categorical else []
    sides = [class_numbers(side, classes) if categorical else side for side in (ref[1], cur[1])]
    if any(len(np.unique(side)) < 2 for side in sides):
        return ()
    # A column for each class; of a boolean label for that which it is a rate of.
    wanted = np.arange(len(classes)) if categorical else np.array([1])
    known = _Known(sides[0], (sides[0][:, None] == wanted).astype(np.float64), measure)
    found = []
    for name in features:
        ref_bins, cur_bins = bins_of(ref[0].column(name), cur[0].column(name))
        found.append(FeatureAuc(name, _within(ref_bins, known), _across(ref_bins, known, cur_bins, sides[1])))
    return tuple(sorted(found, key=lambda item: (-item.lost, item.name)))


@dataclass(frozen=True)
class _Known:
    """Labels of the reference month.

    Attributes:
        labels: 0 or 1, or the numbers of classes; shape (n,).
        hits: whether each row is of each class; shape (n, classes), of a boolean label (n, 1).
        measure: the AUC, or the macro AUC.
    """

    labels: Floats
    hits: Floats
    measure: Measure

    def part(self, rows: NDArray[np.bool_]) -> "_Known":
        """The labels of some rows."""
        return _Known(self.labels[rows], self.hits[rows], self.measure)


def _within(bins: NDArray[np.int64], known: _Known) -> float:
    """The AUC within the reference month: the mean over its fifths, each scored by the rates of the four others."""
    folds = np.random.default_rng(_SEED).permutation(len(bins)) % _FOLDS
    values = []
    for fold in range(_FOLDS):
        inside = folds == fold
        rest = known.part(~inside)
        values.append(_across(bins[~inside], rest, bins[inside], known.labels[inside]))
    there = [value for value in values if math.isfinite(value)]
    # Of a few rows every fifth may have labels of one class alone.
    return float(np.mean(there)) if there else 0.5


def _across(bins: NDArray[np.int64], known: _Known, others: NDArray[np.int64], labels: Floats) -> float:
    """The AUC of other rows that are scored by the rates of known ones; NaN where their labels do not differ."""
    if not len(others) or not len(bins):
        return math.nan
    width = int(max(bins.max(), others.max())) + 1
    counts = np.bincount(bins, minlength=width)[:, None]
    sums = np.stack([np.bincount(bins, weights=column, minlength=width) for column in known.hits.T], axis=1)
    # A bin without a known row says nothing: it has the rate of all.
    scores = np.where(counts > 0, sums / np.maximum(counts, 1), known.hits.mean(axis=0))[others]
    scores = scores if LabelKind.CATEGORICAL in known.measure.kinds else scores[:, 0]
    return float(known.measure.prepare(labels, scores)(np.ones((1, len(labels))))[0])


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
