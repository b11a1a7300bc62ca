"""Where a model is worse: the segments of entities that hold its drop.

A segment is named where its drop is surely greater than zero and than that of all other entities, whatever the number
of segments that were looked at. The first to be named is the clearest one. Its entities are then put aside, and the
rest is looked at again, so that segments which overlap with it are named only for what it does not explain.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from driftgate.measures import Floats, LabelKind, measures_of
from driftgate.performance.bootstrap import Scored
from driftgate.performance.findings import Segment, SegmentDrop, SegmentKind, Segments
from driftgate.performance.interval import Interval
from driftgate.training.features import InputKind, ModelFeature

MOST_CATEGORIES = 10
"""The most common categories of a feature are segments, up to so many."""

MOST_NAMED = 4
_QUARTILES = (0.25, 0.5, 0.75)
# The standard error of an AUC of fewer entities of a class cannot be relied on.
_FEWEST_OF_A_CLASS = 10

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Candidate:
    """A segment, and which of n and m entities are in it."""

    segment: Segment
    ref: Mask
    cur: Mask


def candidates_of(features: Sequence[ModelFeature], ref: Mapping[str, Any], cur: Mapping[str, Any]) -> list[Candidate]:
    """Return the segments that the features make: common categories, quarters of numbers, and missing values.

    Categories and quarters are those of the reference side.

    Args:
        features: those to divide the entities by.
        ref, cur: columns of n and m entities by name, as `driftgate.training.dataset.input_columns` gives them.
    """
    found: list[Candidate] = []
    for item in features:
        columns = ref[item.name], cur[item.name]
        found += _ranges(item.name, *columns) if item.kind is InputKind.NUMBER else _categories(item, *columns)
    return found


def _ranges(name: str, ref: Floats, cur: Floats) -> list[Candidate]:
    values = ref[np.isfinite(ref)]
    # An edge at the least value would make a range without entities.
    edges = np.unique(np.quantile(values, _QUARTILES)) if len(values) else np.empty(0)
    edges = edges[edges > values.min(initial=np.inf)]
    ends = [float("nan"), *edges.tolist(), float("nan")]
    sides = [np.where(np.isnan(side), -1, np.searchsorted(edges, side, "right")) for side in (ref, cur)]
    ranges = [
        Candidate(Segment(name, SegmentKind.RANGE, lower=lower, upper=upper), sides[0] == at, sides[1] == at)
        for at, (lower, upper) in enumerate(pairwise(ends))
    ]
    # One range is everyone.
    missing = Candidate(Segment(name, SegmentKind.MISSING), sides[0] == -1, sides[1] == -1)
    return [*(ranges if len(ranges) > 1 else []), missing]


def _categories(item: ModelFeature, ref: Sequence[Any], cur: Sequence[Any]) -> list[Candidate]:
    sides = [np.array([_category(value, item.kind) for value in side], dtype=object) for side in (ref, cur)]
    counts: dict[str, int] = {}
    for value in sides[0].tolist():
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    common = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_CATEGORIES]
    found = [Segment(item.name, SegmentKind.CATEGORY, category=value) for value in common]
    found.append(Segment(item.name, SegmentKind.MISSING))
    wanted = [*common, None]
    return [
        Candidate(segment, sides[0] == value, sides[1] == value) for segment, value in zip(found, wanted, strict=True)
    ]


def _category(value: Any, kind: InputKind) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return ("true" if value else "false") if kind is InputKind.BOOLEAN else str(value)


def find_segments(
    ref: Scored, cur: Scored, candidates: Sequence[Candidate], level: float, min_rows: int = 100
) -> Segments:
    """Return the segments that hold the drop from `ref` to `cur` in the measure that decides.

    Each candidate is asked twice, by a one-sided test of Student's t: whether its drop is greater than zero, and
    whether it is greater than the drop of the others; the greater p-value counts. The p-values are corrected for the
    number of candidates (Holm 1979), so that a drop which is the same everywhere names a segment in at most a share
    `level` of months.

    Args:
        ref, cur: n and m entities; the labels differ on both sides.
        candidates: with masks of n and m entities.
        level: of all tests together.
        min_rows: entities that a segment, and the rest, needs on both sides.
    """
    sides = _Sides(ref, cur, min_rows)
    left = _Part(np.ones(len(ref.keys), np.bool_), np.ones(len(cur.keys), np.bool_))
    named: list[SegmentDrop] = []
    tested = _tested(sides, candidates, left)
    looked_at = len(tested)
    while tested and len(named) < MOST_NAMED:
        adjusted = _holm([max(found.p_values) for found in tested])
        sure = [at for at, p_value in enumerate(adjusted) if p_value <= level]
        if not sure:
            break
        first = max(sure, key=lambda at: tested[at].excess.ratio)
        named.append(sides.described(tested[first], float(adjusted[first])))
        left = left.without(tested[first].candidate)
        tested = _tested(sides, candidates, left)
    return Segments(tuple(named), looked_at, len(candidates) - looked_at)


class _Part(NamedTuple):
    """Some of n and m entities."""

    ref: Mask
    cur: Mask

    def within(self, candidate: Candidate) -> "_Part":
        return _Part(self.ref & candidate.ref, self.cur & candidate.cur)

    def without(self, candidate: Candidate) -> "_Part":
        return _Part(self.ref & ~candidate.ref, self.cur & ~candidate.cur)


@dataclass(frozen=True)
class _Estimate:
    """A figure, and how much each entity moves it, or each group of entities that depend on each other."""

    value: float
    influences: Floats

    @property
    def error(self) -> float:
        """Standard error."""
        return float(np.sqrt(np.sum(self.influences**2)))

    @property
    def degrees(self) -> float:
        """Entities that the standard error rests on: fewer where a few of them move the figure most."""
        squares = self.influences**2
        return max(1.0, float(squares.sum() ** 2 / np.sum(squares**2)))

    @property
    def ratio(self) -> float:
        return self.value / self.error

    @property
    def p_value(self) -> float:
        """How often chance gives as much where there is nothing."""
        return float(stats.t.sf(self.ratio, self.degrees))

    def interval(self) -> tuple[float, float]:
        margin = float(stats.t.ppf(0.975, self.degrees)) * self.error
        return self.value - margin, self.value + margin

    def __sub__(self, other: "_Estimate") -> "_Estimate":
        return _Estimate(self.value - other.value, self.influences - other.influences)


@dataclass(frozen=True)
class _Tested:
    candidate: Candidate
    drop: _Estimate
    rest: _Estimate

    @property
    def excess(self) -> _Estimate:
        return self.drop - self.rest

    @property
    def p_values(self) -> tuple[float, float]:
        return self.drop.p_value, self.excess.p_value


def _tested(sides: "_Sides", candidates: Sequence[Candidate], left: _Part) -> list[_Tested]:
    found = []
    for candidate in candidates:
        inside, outside = left.within(candidate), left.without(candidate)
        counted = sides.counted(inside, outside)
        if counted is None:
            continue
        drop, rest = sides.drop(counted[0]), sides.drop(counted[1])
        if drop.error > 0.0 and rest.error > 0.0:
            found.append(_Tested(candidate, drop, rest))
    return found


class _Sides:
    """Both sides, prepared so that a part of them needs one pass."""

    def __init__(self, ref: Scored, cur: Scored, min_rows: int) -> None:
        self._scored, self._fewest, self._kind = (ref, cur), max(2, min_rows), ref.kind
        self._measure = measures_of(ref.kind)[0]
        units, at = np.unique(np.concatenate([ref.units, cur.units]), return_inverse=True)
        self._units, self._at = len(units), np.split(at, [len(ref.units)])
        labels = np.concatenate([ref.labels, cur.labels])
        # Numbers are of one class.
        classes, codes = np.unique(labels if self._kind is not LabelKind.NUMERIC else labels * 0, return_inverse=True)
        self._classes, self._codes = len(classes), np.split(codes, [len(ref.keys)])
        whole = _Part(np.ones(len(ref.keys), np.bool_), np.ones(len(cur.keys), np.bool_))
        self._spreads = [
            np.bincount(codes, influences**2, self._classes) * np.bincount(codes, minlength=self._classes)
            for codes, (_, influences) in zip(self._codes, self._on_scale(whole), strict=True)
        ]

    def counted(self, *parts: _Part) -> tuple[_Part, ...] | None:
        """The parts without entities of classes that are rare in one of them; None where too little is left."""
        if self._kind is not LabelKind.NUMERIC:
            counts = [
                np.bincount(codes[rows], minlength=self._classes)
                for part in parts
                for codes, rows in zip(self._codes, part, strict=True)
            ]
            common = np.min(counts, axis=0) >= _FEWEST_OF_A_CLASS
            if common.sum() < 2:
                return None
            if not common.all():
                kept = [common[codes] for codes in self._codes]
                parts = tuple(_Part(part.ref & kept[0], part.cur & kept[1]) for part in parts)
        return parts if min(int(rows.sum()) for part in parts for rows in part) >= self._fewest else None

    def drop(self, part: _Part) -> _Estimate:
        """The drop of a part of the entities; of an error the logarithm of its quotient, whose error is symmetric.

        Its standard error is at least that of as many entities drawn from all: where a few are ranked well by chance,
        their own spread is too small.
        """
        values, found = [], np.zeros(self._units)
        signs = (-1.0, 1.0) if self._measure.lower_is_better else (1.0, -1.0)
        sides = zip(signs, self._on_scale(part), part, self._at, self._codes, self._spreads, strict=True)
        for sign, (value, influences), rows, at, codes, spread in sides:
            counts = np.bincount(codes[rows], minlength=self._classes)
            least = float(np.sum(spread[counts > 0] / counts[counts > 0]))
            own = float(np.sum(influences**2))
            values.append(sign * value)
            if own == 0.0:
                # All are ranked right, so that none moves the figure.
                moves = np.full(len(influences), math.sqrt(least / len(influences)))
            else:
                moves = sign * influences * math.sqrt(max(1.0, least / own))
            found += np.bincount(at[rows], moves, self._units)
        return _Estimate(sum(values), found)

    def _on_scale(self, part: _Part) -> list[tuple[float, Floats]]:
        """The measure of both sides with its influences; of an error the logarithm."""
        found = self._of_both(part)
        if not self._measure.lower_is_better:
            return found
        with np.errstate(divide="ignore", invalid="ignore"):
            return [(float(np.log(value)), influences / value) for value, influences in found]

    def _of_both(self, part: _Part) -> list[tuple[float, Floats]]:
        influences = self._measure.influences
        assert influences is not None
        return [influences(side.labels[rows], side.scores[rows]) for side, rows in zip(self._scored, part, strict=True)]

    def described(self, tested: _Tested, p_value: float) -> SegmentDrop:
        """A segment with the figures of all its entities."""
        candidate = tested.candidate
        whole = _Part(candidate.ref, candidate.cur)
        kept = (self.counted(whole) or (whole,))[0]
        (old, _), (new, _) = self._of_both(kept)
        low, high = self.drop(kept).interval()
        return SegmentDrop(
            candidate.segment,
            int(candidate.ref.sum()),
            int(candidate.cur.sum()),
            float(candidate.ref.mean()),
            float(candidate.cur.mean()),
            old,
            new,
            Interval(float(self._measure.drop_of(old, new)), self._shown(low), self._shown(high)),
            self._shown(tested.rest.value),
            p_value,
        )

    def _shown(self, drop: float) -> float:
        return float(np.expm1(drop)) if self._measure.lower_is_better else drop


def _holm(p_values: Sequence[float]) -> Floats:
    """The p-values corrected for their number."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    steps = np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * steps))
    return adjusted
