"""The columns of a profile: whole numbers that add up, and the figures that follow from them.

A column keeps counts and sums of whole numbers and nothing that was rounded on the way, so that it does not depend on
the order of the rows or on how they were divided. Mean and variance are computed from the counts when they are asked
for, always over the same values in ascending order, and so they cannot differ either.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from driftgate.profiles.grid import OFFSETS, CategoryGrid, Floats, Ints, NumberGrid

_CHUNK = 1 << 20
# Below that of every number but zero.
_LEAST_EXPONENT = -1100


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class NumberColumn:
    """A column of numbers: exact, or counted on a grid.

    Attributes:
        counts: of each distinct value or of each cell that is not empty, shape (k,), all above 0.
        values: exact only: the distinct values, finite and ascending, shape (k,).
        grid: None where exact.
        cells: on a grid only: the cells that are not empty, ascending, shape (k,).
        sums, squares: on a grid only: sum of the offsets in each cell, and of their squares, shape (k,).
        nulls, nans, above, below: rows without a value: NULL, NaN, plus and minus infinity.
        least, most: extreme finite values; NaN where there is none.
    """

    counts: Ints
    values: Floats = field(default_factory=lambda: np.zeros(0))
    grid: NumberGrid | None = None
    cells: Ints = field(default_factory=_none)
    sums: Ints = field(default_factory=_none)
    squares: Ints = field(default_factory=_none)
    nulls: int = 0
    nans: int = 0
    above: int = 0
    below: int = 0
    least: float = math.nan
    most: float = math.nan

    @property
    def exact(self) -> bool:
        """Whether every distinct value is counted by itself."""
        return self.grid is None

    @property
    def count(self) -> int:
        """Rows with a finite value."""
        return int(self.counts.sum())

    @property
    def missing(self) -> int:
        """Rows without one: NULL, NaN or infinite."""
        return self.nulls + self.nans + self.above + self.below

    @property
    def missing_share(self) -> float:
        """Rows without a finite value over all rows, in [0, 1]; NaN where there are no rows."""
        rows = self.count + self.missing
        return self.missing / rows if rows else math.nan

    @property
    def distinct(self) -> int:
        """Distinct values; on a grid cells that are not empty, of which there are at most as many."""
        return len(self.counts)

    @property
    def outside(self) -> float:
        """Share of the values that the grid was not made for, in [0, 1]."""
        if self.grid is None or not self.count:
            return 0.0
        if self.grid.exact:
            strange = self.cells % 2 == 0
        else:
            strange = (self.grid.upper[self.cells] > self.grid.high) | (self.grid.lower[self.cells] < self.grid.low)
        return int(self.counts[strange].sum()) / self.count

    @cached_property
    def means(self) -> Floats:
        """The mean of the values in each cell, shape (k,), to within `blur`; exact values are their own."""
        if self.grid is None:
            return self.values
        lower, upper = self.ends
        # A value counts as the middle of its step.
        share = (self.sums / self.counts + 0.5) / OFFSETS
        share = np.where(self.grid.steps[self.cells] > 0, share, 0.5)
        means = np.where(lower == upper, lower, lower * (1 - share) + upper * share)
        # One value alone beyond the outermost edge is the extreme one.
        alone = self.counts == 1
        means[alone & (self.cells == 0)] = self.least
        means[alone & (self.cells == 2 * len(self.grid.edges))] = self.most
        return means

    @cached_property
    def blur(self) -> Floats:
        """How far a value of each cell can be from where it is taken to be, shape (k,)."""
        if self.grid is None:
            return np.zeros(len(self.counts))
        lower, upper = self.ends
        stepped = self.grid.steps[self.cells] > 0
        blur = (upper / 2 - lower / 2) / np.where(stepped, OFFSETS, 1)
        open_ended = (self.cells == 0) | (self.cells == 2 * len(self.grid.edges))
        blur[open_ended & (self.counts == 1)] = 0.0
        return blur

    @cached_property
    def ends(self) -> tuple[Floats, Floats]:
        """The lower and upper end of each cell; the open ones end at the extreme values."""
        if self.grid is None:
            return self.values, self.values
        lower, upper = self.grid.lower[self.cells], self.grid.upper[self.cells]
        return np.where(np.isinf(lower), self.least, lower), np.where(np.isinf(upper), self.most, upper)

    @cached_property
    def exponent(self) -> int:
        """Power of two by which values are divided before they are squared, so that nothing overflows."""
        largest = max(abs(self.least), abs(self.most)) if self.count else 0.0
        return int(np.frexp(largest)[1]) if largest else _LEAST_EXPONENT

    @property
    def mean(self) -> float:
        """The mean of the finite values; NaN where there is none."""
        if not self.count:
            return math.nan
        scaled = np.ldexp(self.means, -self.exponent)
        return math.ldexp(float((scaled * self.counts).sum()) / self.count, self.exponent)

    @property
    def variance(self) -> float:
        """The variance of the finite values (over n); NaN where there is none, infinity where it overflows."""
        if not self.count:
            return math.nan
        spread = math.ldexp(self.scaled_spread(self.exponent), self.exponent)
        return spread * spread

    def scaled_spread(self, exponent: int) -> float:
        """The standard deviation of the values over a power of two; NaN where there is no value."""
        if not self.count:
            return math.nan
        scaled = np.ldexp(self.means, -exponent)
        mean = float((scaled * self.counts).sum()) / self.count
        squares = (scaled - mean) ** 2 * self.counts + self._within(exponent)
        return math.sqrt(float(squares.sum()) / self.count)

    def _within(self, exponent: int) -> Floats:
        """Sum of squared distances from the mean of each cell; 0 at exact values."""
        if self.grid is None:
            return np.zeros(len(self.counts))
        lower, upper = self.ends
        widths = np.ldexp(upper, -exponent) - np.ldexp(lower, -exponent)
        # The difference of the two is a whole number divided by the count, and is taken before any rounding.
        pairs = zip(self.counts.tolist(), self.sums.tolist(), self.squares.tolist(), strict=True)
        within = np.array([(count * square - total * total) / count for count, total, square in pairs], dtype=float)
        return within * (widths / OFFSETS) ** 2

    def on(self, grid: NumberGrid) -> "NumberColumn":
        """The same column counted on a grid.

        Raises:
            ValueError: it is counted on another grid.
        """
        if self.grid is grid:
            return self
        if self.grid is not None:
            if np.array_equal(self.grid.edges, grid.edges):
                return self
            raise ValueError("counts on one grid cannot be turned into counts on another")
        found, offsets = grid.locate(self.values)
        cells, start = np.unique(found, return_index=True)
        add = np.add.reduceat if len(cells) else lambda values, _: values
        return NumberColumn(
            add(self.counts, start),
            grid=grid,
            cells=cells,
            sums=add(self.counts * offsets, start),
            squares=add(self.counts * offsets * offsets, start),
            **self._rest(),
        )

    def _rest(self) -> dict[str, Any]:
        names = ("nulls", "nans", "above", "below", "least", "most")
        return {name: getattr(self, name) for name in names}

    def __add__(self, other: "NumberColumn") -> "NumberColumn":
        """The column of both parts together."""
        if (self.grid is None) != (other.grid is None):
            one = self.on(other.grid) if other.grid else self
            two = other.on(self.grid) if self.grid else other
            return one + two
        rest = {
            **{name: getattr(self, name) + getattr(other, name) for name in ("nulls", "nans", "above", "below")},
            "least": float(np.fmin(self.least, other.least)),
            "most": float(np.fmax(self.most, other.most)),
        }
        if self.grid is None:
            values, (counts,) = _added(self.values, other.values, (self.counts,), (other.counts,))
            return NumberColumn(counts, values=values, **rest)
        other = other.on(self.grid)
        mine, theirs = ((part.counts, part.sums, part.squares) for part in (self, other))
        cells, (counts, sums, squares) = _added(self.cells, other.cells, mine, theirs)
        return NumberColumn(counts, grid=self.grid, cells=cells, sums=sums, squares=squares, **rest)


@dataclass(frozen=True, eq=False)
class CategoryColumn:
    """A column of categories.

    Attributes:
        names: categories that occur, ascending.
        counts: of each, shape (k,), all above 0.
        other: rows of categories that the grid does not list.
        nulls: rows without a value.
    """

    names: tuple[str, ...]
    counts: Ints
    other: int = 0
    nulls: int = 0

    @property
    def exact(self) -> bool:
        """Whether every category is counted by itself."""
        return not self.other

    @property
    def count(self) -> int:
        """Rows with a value."""
        return int(self.counts.sum()) + self.other

    @property
    def missing(self) -> int:
        """Rows without one."""
        return self.nulls

    @property
    def missing_share(self) -> float:
        """Rows without a value over all rows, in [0, 1]; NaN where there are no rows."""
        rows = self.count + self.nulls
        return self.nulls / rows if rows else math.nan

    @property
    def distinct(self) -> int:
        """Distinct categories, of which "other" is at least one."""
        return len(self.names) + bool(self.other)

    def on(self, grid: CategoryGrid) -> "CategoryColumn":
        """The same column with what the grid does not list as "other"."""
        known = set(grid.names)
        kept = [position for position, name in enumerate(self.names) if name in known]
        names, counts = tuple(self.names[position] for position in kept), self.counts[kept]
        return CategoryColumn(names, counts, self.count - int(counts.sum()), self.nulls)

    def __add__(self, other: "CategoryColumn") -> "CategoryColumn":
        """The column of both parts together."""
        total = dict(zip(self.names, self.counts.tolist(), strict=True))
        for name, count in zip(other.names, other.counts.tolist(), strict=True):
            total[name] = total.get(name, 0) + count
        names = tuple(sorted(total))
        counts = np.array([total[name] for name in names], dtype=np.int64)
        return CategoryColumn(names, counts, self.other + other.other, self.nulls + other.nulls)


Column = NumberColumn | CategoryColumn


def number_column(
    values: ArrayLike,
    counts: ArrayLike,
    *,
    nulls: int = 0,
    nans: int = 0,
    above: int = 0,
    below: int = 0,
) -> NumberColumn:
    """An exact column from values and how often each occurs, in any order; a value may come more than once.

    Args:
        values: finite, shape (k,).
        counts: at least 0, shape (k,).
        nulls, nans, above, below: rows without a finite value.
    """
    # Minus zero is zero.
    distinct, inverse = np.unique(np.asarray(values, dtype=np.float64) + 0.0, return_inverse=True)
    often = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(often, inverse, np.asarray(counts, dtype=np.int64))
    distinct, often = distinct[often > 0], often[often > 0]
    least, most = (float(distinct[0]), float(distinct[-1])) if len(distinct) else (math.nan, math.nan)
    return NumberColumn(
        often, values=distinct, nulls=nulls, nans=nans, above=above, below=below, least=least, most=most
    )


def number_column_on(
    grid: NumberGrid, values: Floats, *, nulls: int = 0, nans: int = 0, above: int = 0, below: int = 0
) -> NumberColumn:
    """A column counted on a grid, one value for each row, in any order.

    Args:
        grid: what to count on.
        values: finite, shape (n,).
        nulls, nans, above, below: rows without a finite value.
    """
    size = 2 * len(grid.edges) + 1
    totals = np.zeros((3, size), dtype=np.int64)
    for start in range(0, len(values), _CHUNK):
        cells, offsets = grid.locate(values[start : start + _CHUNK])
        # Sums of so many offsets and squares are whole numbers that a double holds.
        for row, weights in enumerate((None, offsets, offsets * offsets)):
            totals[row] += np.bincount(cells, weights, size).astype(np.int64)
    found = np.flatnonzero(totals[0])
    counts, sums, squares = totals[:, found]
    # Minus zero is zero.
    least, most = (float(values.min()) + 0.0, float(values.max()) + 0.0) if len(values) else (math.nan, math.nan)
    return NumberColumn(
        counts,
        grid=grid,
        cells=found,
        sums=sums,
        squares=squares,
        nulls=nulls,
        nans=nans,
        above=above,
        below=below,
        least=least,
        most=most,
    )


def category_column(counts: Mapping[str, int], nulls: int = 0) -> CategoryColumn:
    """An exact column from categories and how often each occurs."""
    names = tuple(sorted(name for name, count in counts.items() if count))
    return CategoryColumn(names, np.array([counts[name] for name in names], dtype=np.int64), 0, nulls)


def _added(left: Any, right: Any, mine: Sequence[Ints], theirs: Sequence[Ints]) -> tuple[Any, list[Ints]]:
    keys, inverse = np.unique(np.concatenate([left, right]), return_inverse=True)
    totals = []
    for one, other in zip(mine, theirs, strict=True):
        total = np.zeros(len(keys), dtype=np.int64)
        np.add.at(total, inverse, np.concatenate([one, other]))
        totals.append(total)
    return keys, totals
