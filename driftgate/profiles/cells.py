"""Two columns laid side by side: the same cells or bins for both months."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.profiles.columns import CategoryColumn, Column, NumberColumn
from driftgate.profiles.grid import Floats, Ints

FEW_DISTINCT = 20
"""Evidently compares numbers with more distinct reference values than this in bins, see its `get_binned_data`."""


@dataclass(frozen=True)
class Cells:
    """Both months of a column of numbers, in ascending cells; points where both are exact.

    Attributes:
        lower, upper: ends of each cell, shape (k,).
        ref, cur: rows in each cell, shape (k,).
        mean_ref, mean_cur: mean of the rows in each cell, shape (k,).
        blur_ref, blur_cur: how far a row can be from where it is taken to be, shape (k,).
    """

    lower: Floats
    upper: Floats
    ref: Ints
    cur: Ints
    mean_ref: Floats
    mean_cur: Floats
    blur_ref: Floats
    blur_cur: Floats

    @property
    def exact(self) -> bool:
        """Whether every cell is a point."""
        return bool((self.lower == self.upper).all())

    def scaled(self, exponent: int) -> "Cells":
        """The same with every position over a power of two, so that no difference of two overflows."""
        lower, upper, mean_ref, mean_cur, blur_ref, blur_cur = (
            np.ldexp(values, -exponent)
            for values in (self.lower, self.upper, self.mean_ref, self.mean_cur, self.blur_ref, self.blur_cur)
        )
        return Cells(lower, upper, self.ref, self.cur, mean_ref, mean_cur, blur_ref, blur_cur)


@dataclass(frozen=True)
class Bins:
    """Both months of a column in bins.

    Attributes:
        ref, cur: rows in each bin, shape (k,).
        loose_ref, loose_cur: rows that may as well belong to a neighbouring bin, shape (k,).
        hidden: whether a bin holds several values that should have a bin each, shape (k,).
        certain: whether these are the right bins.
    """

    ref: Ints
    cur: Ints
    loose_ref: Ints
    loose_cur: Ints
    hidden: NDArray[np.bool_]
    certain: bool = True

    @property
    def exact(self) -> bool:
        """Whether the counts are those of the rows themselves."""
        loose = self.loose_ref.any() or self.loose_cur.any()
        return bool(self.certain and not loose and not self.hidden.any())


def lay_side_by_side(ref: NumberColumn, cur: NumberColumn) -> Cells:
    """Both months on the cells that are not empty in one of them.

    Raises:
        ValueError: they were counted on different grids.
    """
    grid = ref.grid or cur.grid
    if grid is None:
        keys, places = _merged(ref.values, cur.values)
        lower = upper = keys
    else:
        ref, cur = ref.on(grid), cur.on(grid)
        keys, places = _merged(ref.cells, cur.cells)
        lower, upper = grid.lower[keys], grid.upper[keys]
        lower = np.where(np.isinf(lower), np.fmin(ref.least, cur.least), lower)
        upper = np.where(np.isinf(upper), np.fmax(ref.most, cur.most), upper)
    sides = [_spread_out(column, at, len(keys)) for column, at in zip((ref, cur), places, strict=True)]
    (left, mean_ref, blur_ref), (right, mean_cur, blur_cur) = sides
    return Cells(lower, upper, left.astype(np.int64), right.astype(np.int64), mean_ref, mean_cur, blur_ref, blur_cur)


def count_distinct(ref: Column, cur: Column) -> int:
    """Distinct values of both months together: of numbers on a grid at least so many, of categories at most."""
    if isinstance(ref, NumberColumn) and isinstance(cur, NumberColumn):
        return len(lay_side_by_side(ref, cur).lower)
    assert isinstance(ref, CategoryColumn) and isinstance(cur, CategoryColumn)
    return len({*ref.names, *cur.names}) + max(ref.other, cur.other)


def bins_of_values(ref: Column, cur: Column) -> Bins:
    """A bin for each distinct value or category; "other" and whatever shares a cell have a bin together.

    Raises:
        ValueError: they were counted on different grids, or one is of numbers and one of categories.
    """
    if isinstance(ref, CategoryColumn) and isinstance(cur, CategoryColumn):
        names = sorted({*ref.names, *cur.names})
        left, right = _by_name(ref, names), _by_name(cur, names)
        hidden = np.append(np.zeros(len(names), dtype=bool), True)
        occurs = (left + right) > 0
        return _bins(left[occurs], right[occurs], hidden[occurs])
    if isinstance(ref, NumberColumn) and isinstance(cur, NumberColumn):
        cells = lay_side_by_side(ref, cur)
        hidden = cells.lower < cells.upper
        return _bins(cells.ref, cells.cur, hidden, certain=not hidden.any())
    raise ValueError("a column of numbers cannot be compared with a column of categories")


def bins_of_range(ref: NumberColumn, cur: NumberColumn, values: int) -> Bins:
    """Bins of equal width over the range of both months; as many as Sturges' rule says, as numpy computes it.

    Args:
        ref, cur: both months.
        values: how many values there are for the rule.
    """
    exponent = max(ref.exponent, cur.exponent)
    cells = lay_side_by_side(ref, cur).scaled(exponent)
    low, high = (float(np.ldexp(end, -exponent)) for end in (min(ref.least, cur.least), max(ref.most, cur.most)))
    inner = sturges_edges(low, high, values)
    (left, loose_ref), (right, loose_cur) = (_below(cells, counts, inner) for counts in (cells.ref, cells.cur))
    return Bins(left, right, loose_ref, loose_cur, np.zeros(len(inner) + 1, dtype=bool))


def sturges_edges(low: float, high: float, values: int) -> Floats:
    """The inner edges of bins of equal width over a range; as many bins as Sturges' rule says, as numpy computes it."""
    width = (high - low) / (np.log2(values) + 1.0)
    size = int(np.ceil((high - low) / width)) if width > 0 else 1
    return np.linspace(low, high, size + 1)[1:-1]


def _bins(ref: Ints, cur: Ints, hidden: NDArray[np.bool_], certain: bool = True) -> Bins:
    nothing = np.zeros(len(ref), dtype=np.int64)
    return Bins(ref, cur, nothing, nothing, hidden, certain)


def _by_name(column: CategoryColumn, names: list[str]) -> Ints:
    counts = dict(zip(column.names, column.counts.tolist(), strict=True))
    return np.array([*(counts.get(name, 0) for name in names), column.other], dtype=np.int64)


def _merged(left: Any, right: Any) -> tuple[Any, tuple[Ints, Ints]]:
    """The distinct values of two ascending arrays, and the place of each value of either among them."""
    both = np.concatenate([left, right])
    # Two ascending runs: this sort does little more than merge them.
    order = np.argsort(both, kind="stable")
    ascending = both[order]
    first = np.concatenate([[True], ascending[1:] != ascending[:-1]])[: len(both)]
    places = np.empty(len(both), dtype=np.int64)
    places[order] = np.cumsum(first) - 1
    return ascending[first], (places[: len(left)], places[len(left) :])


def _spread_out(column: NumberColumn, at: Ints, size: int) -> list[Floats]:
    """Counts, means and blur of a column at all keys; 0 where it has none."""
    spread = []
    for values in (column.counts, column.means, column.blur):
        wide = np.zeros(size)
        wide[at] = values
        spread.append(wide)
    return spread


def _below(cells: Cells, counts: Ints, inner: Floats) -> tuple[Ints, Ints]:
    """Rows in each bin between these edges, and how many of them may belong to a neighbour."""
    total = np.concatenate([[0], np.cumsum(counts)])
    points = cells.lower == cells.upper
    # Cells that lie wholly below an edge: an interval may end at it, a point may not lie on it.
    whole = np.searchsorted(cells.upper, inner, side="left")
    at = np.minimum(whole, len(counts) - 1)
    ends_there = ~points[at] & (cells.upper[at] == inner) & (whole < len(counts))
    whole = whole + ends_there
    at = np.minimum(whole, len(counts) - 1)
    split = (whole < len(counts)) & (cells.lower[at] < inner) & ~points[at]
    widths = np.where(split, cells.upper[at] - cells.lower[at], 1.0)
    parts = np.where(split, (inner - cells.lower[at]) / widths, 0.0)
    loose = np.where(split, counts[at], 0)
    below = total[whole] + np.rint(parts * loose).astype(np.int64)
    return np.diff(np.concatenate([[0], below, total[-1:]])), np.r_[loose, 0] + np.r_[0, loose]
