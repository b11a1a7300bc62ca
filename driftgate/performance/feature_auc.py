"""The relation of each feature to the label, in the reference month and in the current month."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftgate.measures import Floats, LabelKind, Measure, measures_of
from driftgate.performance.evaluation_model import Labelled
from driftgate.performance.result import FeatureAuc
from driftgate.profiles.build import is_number
from driftgate.training.dataset import class_numbers

_BINS = 20
_MOST_CATEGORIES = 100
_FOLDS = 5
_SEED = 0


def feature_auc(ref: Labelled, cur: Labelled, features: Sequence[str]) -> tuple[FeatureAuc, ...]:
    """Return how well each feature alone ranks the labels of both months, by rates of the reference month.

    A feature's values are put into bins (twenty quantiles, or categories; missing values are one of them), and each bin
    scores its rows by the label's rate in the reference month, or by the rate of each of its classes. The AUC of these
    scores, over classes the macro AUC, is the feature's relation to the label. It is 0.5 in the current month where the
    relation is gone, and below 0.5 where the relation is reversed. A class that the reference month does not have
    counts as in the macro AUC of a model that does not know it.

    Rows of the reference month are scored in fifths, by the rates of the four others: by its own rates a feature that
    says nothing would rank the reference better than chance, and seem to have lost it. Entities of one group are in one
    fifth.

    Args:
        ref, cur: entities of both months with a label that is 0 or 1, or text.
        features: columns of both tables.

    Returns:
        One entry for each feature, the greatest loss first; none where the labels of a month do not differ.
    """
    categorical = ref.values.dtype.kind == "U"
    measure = measures_of(LabelKind.CATEGORICAL if categorical else LabelKind.BOOLEAN)[0]
    classes = sorted(set(ref.values.tolist())) if categorical else []
    sides = [class_numbers(side, classes) if categorical else side for side in (ref.values, cur.values)]
    if any(len(np.unique(side)) < 2 for side in sides):
        return ()
    known = _Known(sides[0], len(classes) if categorical else 2, measure)
    folds = _folds(ref.units)
    found = []
    for name in features:
        ref_bins, cur_bins = bins_of(ref.table.column(name), cur.table.column(name))
        found.append(FeatureAuc(name, _within(ref_bins, known, folds), _across(ref_bins, known, cur_bins, sides[1])))
    return tuple(sorted(found, key=lambda item: (-item.lost, item.name)))


@dataclass(frozen=True)
class _Known:
    """Labels of the reference month.

    Attributes:
        labels: 0 or 1, or the numbers of classes; shape (n,).
        classes: how many there are, of a boolean label two.
        measure: the AUC, or the macro AUC.
    """

    labels: Floats
    classes: int
    measure: Measure

    def part(self, rows: NDArray[np.bool_]) -> "_Known":
        """The labels of some rows."""
        return _Known(self.labels[rows], self.classes, self.measure)

    def rates(self, bins: NDArray[np.int64], width: int) -> Floats:
        """The share of each class in each of so many bins; a bin without a row says nothing, and has those of all."""
        codes = bins * self.classes + self.labels.astype(np.int64)
        counts = np.bincount(codes, minlength=width * self.classes).reshape(width, self.classes)
        rows = counts.sum(axis=1, keepdims=True)
        shares: Floats = np.where(rows > 0, counts / np.maximum(rows, 1), counts.sum(axis=0) / len(bins))
        return shares


def _folds(units: NDArray[np.str_]) -> NDArray[np.int64]:
    """The fifth of each row, drawn by units."""
    _, at = np.unique(units, return_inverse=True)
    fifths: NDArray[np.int64] = np.random.default_rng(_SEED).permutation(int(at.max()) + 1) % _FOLDS
    return fifths[at]


def _within(bins: NDArray[np.int64], known: _Known, folds: NDArray[np.int64]) -> float:
    """The AUC within the reference month: the mean over its fifths, each scored by the rates of the four others."""
    values = []
    for fold in range(_FOLDS):
        inside = folds == fold
        rest = known.part(~inside)
        values.append(_across(bins[~inside], rest, bins[inside], known.labels[inside]))
    there = [value for value in values if math.isfinite(value)]
    # Of a few rows every fifth may have labels of one class alone.
    return float(np.mean(there)) if there else 0.5


def _across(bins: NDArray[np.int64], known: _Known, others: NDArray[np.int64], labels: Floats) -> float:
    """The AUC of other rows that are scored by the rates of known ones; NaN where their labels do not differ.

    Rows of one bin with one label are alike, so that they are counted and not sorted.
    """
    if not len(others) or not len(bins):
        return math.nan
    rates, least = known.rates(bins, int(max(bins.max(), others.max())) + 1), labels.min()
    span = int(labels.max() - least) + 1
    alike = np.bincount(others * span + (labels - least).astype(np.int64))
    there = np.flatnonzero(alike)
    scores = rates[there // span]
    scores = scores if LabelKind.CATEGORICAL in known.measure.kinds else scores[:, 1]
    return float(known.measure.prepare(there % span + least, scores)(alike[there][None, :].astype(np.float64))[0])


def bins_of(ref: pa.ChunkedArray, cur: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bin of each row of two months by the values of the first: 0 for a missing value.

    Numbers are in twenty quantiles, any other values in the hundred most common categories and one for all others.
    """
    if is_number(ref.type) and is_number(cur.type):
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
