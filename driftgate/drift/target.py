"""The drift of the label: two rates, two means, or the shares of the classes of two months.

The drift of classes is half of the sum of the changes of their shares, the total variation distance. Of two classes it
is the difference of the rate of either, so that a threshold means the same for a boolean label and for one of classes.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from driftgate.drift.dealing import Dealing, groups_of
from driftgate.drift.groups import pooled_codes, pooled_parts
from driftgate.drift.result import ClassShare, TargetDrift
from driftgate.drift.significance import (
    ONCE_IN_TWENTY,
    Pooled,
    permutation_test,
    proportions_chance,
    proportions_p_value,
    seed_of,
)
from driftgate.features.files import read_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.measures import Floats, LabelKind
from driftgate.profiles.distances import total_variation


@dataclass(frozen=True)
class _Chance:
    """How much of a difference chance explains, as in `TargetDrift`."""

    p_value: float = math.nan
    chance: float = math.nan


def target_drift(ref: LabelMonth, cur: LabelMonth, level: float) -> TargetDrift:
    """Return how far the label has moved between two months; NaN with the reason where that is not computable.

    Args:
        ref, cur: labels of both months.
        level: at which the difference is tested; where labels are dealt out anew, the permutations are enough for it.
    """
    reasons = _reasons(ref, cur)
    classes = () if reasons else _class_shares(ref, cur)
    numeric = not reasons and LabelKind.NUMERIC in (ref.kind, cur.kind)
    found = _Chance()
    if not reasons:
        found = _chance_of_labels(ref, cur, level)
    return TargetDrift(
        ref=ref.mean,
        cur=cur.mean,
        labelled_ref=ref.labelled_share,
        labelled_cur=cur.labelled_share,
        reason="; ".join(reasons),
        pending=cur.pending and not ref.reason,
        cur_pending=cur.pending,
        p_value=found.p_value,
        spread_ref=_spread(ref) if numeric else math.nan,
        chance=found.chance,
        classes=classes,
    )


def _reasons(ref: LabelMonth, cur: LabelMonth) -> list[str]:
    """Why the label of two months cannot be compared; empty where it can."""
    if reasons := [f"{month.as_of}: {month.reason}" for month in (ref, cur) if month.reason]:
        return reasons
    if LabelKind.CATEGORICAL not in (ref.kind, cur.kind):
        return []
    if ref.kind is not cur.kind:
        return [f"the label is {ref.kind} in {ref.as_of} and {cur.kind} in {cur.as_of}"]
    return [month.too_many_classes for month in (ref, cur) if month.too_many_classes]


def _class_shares(ref: LabelMonth, cur: LabelMonth) -> tuple[ClassShare, ...]:
    """The share of every class of either month, that which moved furthest first; empty for any other label."""
    shares = [{name: count / month.labelled for name, count in month.class_counts} for month in (ref, cur)]
    found = [ClassShare(name, *(side.get(name, 0.0) for side in shares)) for name in {**shares[0], **shares[1]}]
    return tuple(sorted(found, key=lambda item: (-abs(item.change), item.name)))


def _chance_of_labels(ref: LabelMonth, cur: LabelMonth, level: float) -> _Chance:
    if ref.grouped and cur.grouped:
        return _chance_of_groups(ref, cur, level)
    if LabelKind.CATEGORICAL in (ref.kind, cur.kind):
        return _chance_of_classes(ref, cur, level)
    return _chance(ref, cur)


def _chance_of_groups(ref: LabelMonth, cur: LabelMonth, level: float) -> _Chance:
    """By a permutation test: the groups of both months are dealt out to them anew."""
    groups = groups_of(_table(ref)), groups_of(_table(cur))
    assert groups[0] is not None
    assert groups[1] is not None
    dealing = Dealing(groups[0], groups[1])
    seed = seed_of("target", ref.as_of, cur.as_of)
    if LabelKind.CATEGORICAL in (ref.kind, cur.kind):
        labels = [value for month in (ref, cur) for value in _table(month).column(LABEL_COLUMN).to_pylist()]
        _, codes = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
        pooled = pooled_codes(dealing, codes, total_variation)
    else:
        values = np.concatenate([_numbers(month).to_numpy() for month in (ref, cur)])
        sums = [np.bincount(dealing.part_of, weights, dealing.parts) for weights in (np.ones(len(values)), values)]
        pooled = pooled_parts(dealing, np.column_stack(sums), _of_means)
    found = permutation_test(pooled, level, True, seed)
    return _Chance(found.p_value, found.chance)


def _of_means(ref: Any, cur: Any) -> Floats:
    """The difference of two means, each a sum in the second column over the count in the first."""
    difference: Floats = np.abs(ref[..., 1] / ref[..., 0] - cur[..., 1] / cur[..., 0])
    return difference


def _chance_of_classes(ref: LabelMonth, cur: LabelMonth, level: float) -> _Chance:
    """By a permutation test: the labels of both months are dealt out to them anew."""
    counts = dict(ref.class_counts), dict(cur.class_counts)
    names = sorted({**counts[0], **counts[1]})
    sides = [np.array([side.get(name, 0) for name in names], dtype=np.int64) for side in counts]
    seed = seed_of("target", ref.as_of, cur.as_of)
    found = permutation_test(Pooled(total_variation, sides[0], sides[1], len(names)), level, True, seed)
    return _Chance(found.p_value, found.chance)


def _chance(ref: LabelMonth, cur: LabelMonth) -> _Chance:
    """Fisher's exact test of two rates; of two means Welch's test with the normal distribution, for many labels."""
    if ref.kind is cur.kind is LabelKind.BOOLEAN:
        hits = [round(month.mean * month.labelled) for month in (ref, cur)]
        rates = hits[0], ref.labelled, hits[1], cur.labelled
        return _Chance(proportions_p_value(*rates), proportions_chance(*rates))
    error = math.sqrt(sum(pc.variance(side, ddof=1).as_py() / len(side) for side in map(_numbers, (ref, cur))))
    if error == 0.0:
        return _Chance(float(ref.mean == cur.mean), 0.0)
    return _Chance(math.erfc(abs(cur.mean - ref.mean) / error / math.sqrt(2)), ONCE_IN_TWENTY * error)


def _table(month: LabelMonth) -> pa.Table:
    assert month.path is not None
    return read_file(month.path)


def _numbers(month: LabelMonth) -> pa.ChunkedArray:
    return _table(month).column(LABEL_COLUMN).cast(pa.float64())


def _spread(month: LabelMonth) -> float:
    """Standard deviation of the compared labels, in parts of the largest, whose square may be too large for a float."""
    values = _numbers(month).to_numpy()
    scale = float(abs(values).max(initial=0.0)) or 1.0
    return scale * float((values / scale).std())
