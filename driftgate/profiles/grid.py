"""How the values of a large month are counted: cells for numbers, a list of categories. Frozen for a monitor.

The edges of a column of numbers cut the line into cells: the points at the edges, and the open intervals between and
beyond them. A column of at most 1,024 distinct values has an edge at each of them, so that its counts are exact. Others
have some 512 edges. Values that are frequent by themselves are edges; the others are divided at quantiles of the first
month: equal shares in the middle, and ranks that grow by a fixed ratio from either end, so that the tails are finer. A
few more edges lie beyond the middle and beyond the range of the first month, further and further apart, so that neither
an outlier nor a month that moved far away ends up in one wide cell. Nothing depends on the unit of measurement, or on
how far the values are from zero.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftgate.errors import DataError, reading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMAT = 1
_AGAIN = "measure the months again: `driftgate profile --all --again`"
MOST_VALUES = 1024
"""Distinct values, or categories, that are each counted by themselves."""
OFFSETS = 65536
"""Steps into which an interval between two edges is divided, so that the mean of the values in it is known."""
MOST_OUTSIDE = 0.05
"""Share of a column's values that may lie outside its grid; beyond that the grid must be renewed."""

_MOST_UNSEEN = 0.01
_MIDDLE_SHARES = 400
_TAIL_RATIO = 2**0.25
# Where there are edges beyond the middle 98% of the first month, and beyond its range, in lengths of either.
_BEYOND_MIDDLE: Floats = np.array([4.0**power for power in range(-1, 20)])
_BEYOND_RANGE: Floats = np.array([4.0**power for power in range(-2, 8)])


class Form(StrEnum):
    """How a column is counted: by its size as a number, or by its name as a category."""

    NUMBER = "number"
    CATEGORY = "category"


@dataclass(frozen=True, eq=False)
class NumberGrid:
    """Cells of a column of numbers.

    With k edges there are 2 k + 1 cells. Cell 2 i + 1 is the point at edge i, and cell 2 i is the open interval below
    it; cell 0 and cell 2 k have no outer end.

    Attributes:
        edges: finite and ascending, shape (k,), k >= 1.
        low, high: range of the first month.
        exact: whether every distinct value of the first month is an edge.
    """

    edges: Floats
    low: float
    high: float
    exact: bool

    @cached_property
    def lower(self) -> Floats:
        """The lower end of each cell, -inf for the first, shape (2 k + 1,)."""
        return np.repeat(np.r_[-np.inf, self.edges], 2)[1:]

    @cached_property
    def upper(self) -> Floats:
        """The upper end of each cell, inf for the last, shape (2 k + 1,)."""
        return np.repeat(np.r_[self.edges, np.inf], 2)[:-1]

    @cached_property
    def steps(self) -> Floats:
        """Offsets for each unit of length in each cell; 0 where none is kept: at points and at the open ends."""
        widths = np.zeros(len(self.lower))
        widths[2:-2:2] = np.diff(self.edges)
        with np.errstate(divide="ignore", over="ignore"):
            steps = OFFSETS / widths
        return np.where(np.isfinite(steps), steps, 0.0)

    def locate(self, values: Floats) -> tuple[Ints, Ints]:
        """The cell of each value, and its offset in the cell: the floor of (value - lower) * steps, below 65,536.

        Whoever counts in a database does the same arithmetic in double precision, and gets the same whole numbers.

        Args:
            values: finite, shape (n,).
        """
        cells = np.searchsorted(self.edges, values, side="left") + np.searchsorted(self.edges, values, side="right")
        steps = self.steps[cells]
        inside = steps > 0
        offsets = np.zeros(len(values), dtype=np.int64)
        shift = (values[inside] - self.lower[cells[inside]]) * steps[inside]
        offsets[inside] = np.minimum(np.floor(shift), OFFSETS - 1).astype(np.int64)
        return cells.astype(np.int64), offsets

    def to_dict(self) -> dict[str, Any]:
        """The grid in JSON's types; numbers as text that is read back to the last bit."""
        return {
            "form": str(Form.NUMBER),
            "edges": [float(edge).hex() for edge in self.edges],
            "low": self.low.hex(),
            "high": self.high.hex(),
            "exact": self.exact,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        edges = np.array([float.fromhex(edge) for edge in data["edges"]])
        return cls(edges, float.fromhex(data["low"]), float.fromhex(data["high"]), bool(data["exact"]))


@dataclass(frozen=True)
class CategoryGrid:
    """The categories of a column that are counted by name; every other one counts as "other".

    Attributes:
        names: in ascending order, at most 1,024.
        other: share of the first month's values that are not among them, in [0, 1].
    """

    names: tuple[str, ...]
    other: float

    def to_dict(self) -> dict[str, Any]:
        """The grid in JSON's types."""
        return {"form": str(Form.CATEGORY), "names": list(self.names), "other": self.other.hex()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(tuple(data["names"]), float.fromhex(data["other"]))


ColumnGrid = NumberGrid | CategoryGrid


@dataclass(frozen=True)
class Grid:
    """How each column of a monitor is counted.

    Attributes:
        version: counts up from 1 each time a monitor's grid is renewed.
        columns: by name.
    """

    version: int
    columns: Mapping[str, ColumnGrid]

    @property
    def schema(self) -> dict[str, Form]:
        """The form of each column, by name."""
        return {
            name: Form.NUMBER if isinstance(column, NumberGrid) else Form.CATEGORY
            for name, column in self.columns.items()
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def changed_schema(self, columns: Mapping[str, Form]) -> str:
        """Why the grid does not fit these columns, or nothing."""
        if self.schema == dict(columns):
            return ""
        new, gone = sorted(columns.keys() - self.columns.keys()), sorted(self.columns.keys() - columns.keys())
        other = sorted(name for name in columns.keys() & self.columns.keys() if columns[name] is not self.schema[name])
        parts = [("new", new), ("gone", gone), ("of another form", other)]
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)

    def to_json(self) -> str:
        """The grid as JSON, the same text for the same grid."""
        columns = {name: column.to_dict() for name, column in self.columns.items()}
        document = {"format": FORMAT, "version": self.version, "columns": columns}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            DataError: another release wrote it in a form that this one does not know, or it is damaged.
        """
        what, form = f"a stored grid of {len(text):,} characters", "the JSON that this release of Driftgate writes"
        with reading(what, DataError, allowed=form, remedy=_AGAIN):
            return cls._read(text)

    @classmethod
    def _read(cls, text: str) -> Self:
        document = json.loads(text)
        if document.get("format") != FORMAT:
            raise DataError(f"the grid has the format {document.get('format')!r}", allowed=str(FORMAT), remedy=_AGAIN)
        kinds: dict[str, type[ColumnGrid]] = {Form.NUMBER: NumberGrid, Form.CATEGORY: CategoryGrid}
        columns = {name: kinds[column["form"]].from_dict(column) for name, column in document["columns"].items()}
        return cls(document["version"], columns)


def number_grid(values: ArrayLike, counts: ArrayLike, sampled: bool = False) -> NumberGrid:
    """The grid of a column of numbers from the values of its first month.

    Args:
        values: distinct, finite and ascending, shape (k,).
        counts: how often each occurs, shape (k,).
        sampled: whether these are the values of a sample of the month. Then the share of values that occur once
            estimates how much of the month has other values (Good 1953, Biometrika 40, 237), and where that is more
            than one in a hundred the values are not all there are.
    """
    distinct, often = np.asarray(values, dtype=np.float64), np.asarray(counts, dtype=np.int64)
    if len(distinct) == 0:
        return NumberGrid(np.zeros(1), 0.0, 0.0, exact=False)
    exact = len(distinct) <= MOST_VALUES
    if sampled and np.count_nonzero(often == 1) > often.sum() * _MOST_UNSEEN:
        exact = False
    total = np.cumsum(often)
    core = distinct if exact else _quantiles(distinct, often)
    low, high = float(distinct[0]), float(distinct[-1])
    left, right = (float(distinct[np.searchsorted(total, share * total[-1])]) for share in (0.01, 0.99))
    with np.errstate(over="ignore"):
        ends = [_beyond(left, right, _BEYOND_MIDDLE), _beyond(low, high, _BEYOND_RANGE)]
    return NumberGrid(_usable(np.concatenate([core, *ends])), low, high, exact)


def category_grid(names: tuple[str, ...], counts: ArrayLike) -> CategoryGrid:
    """The grid of a column of categories: all of them, or the most frequent 1,024 of the first month."""
    often = np.asarray(counts, dtype=np.int64)
    # Of two that are equally frequent the first by name.
    order = sorted(range(len(names)), key=lambda position: (-often[position], names[position]))[:MOST_VALUES]
    kept = int(often[order].sum())
    rows = max(int(often.sum()), 1)
    return CategoryGrid(tuple(sorted(names[position] for position in order)), (rows - kept) / rows if kept else 0.0)


def _quantiles(distinct: Floats, often: Ints) -> Floats:
    frequent = often >= often.sum() / _MIDDLE_SHARES
    rest, total = distinct[~frequent], np.cumsum(often[~frequent])
    between = rest[np.searchsorted(total, _ranks(int(total[-1])))] if len(rest) else rest
    return np.concatenate([distinct[[0, -1]], distinct[frequent], between])


def _ranks(rows: int) -> Ints:
    """The ranks, from 1 to the number of rows, whose values become edges."""
    equal = np.ceil(np.linspace(0, rows, _MIDDLE_SHARES + 1)[1:])
    steps = int(np.log(max(rows / _MIDDLE_SHARES, 1)) / np.log(_TAIL_RATIO)) + 1
    tail = np.unique(np.floor(_TAIL_RATIO ** np.arange(steps)))
    ranks = np.unique(np.concatenate([equal, tail, rows + 1 - tail]))
    return ranks[(ranks >= 1) & (ranks <= rows)].astype(np.int64)


def _beyond(low: float, high: float, steps: Floats) -> Floats:
    """Edges on both sides of an interval, in lengths of it."""
    length = high - low or abs(low) or 1.0
    edges: Floats = np.concatenate([low - steps * length, high + steps * length])
    return edges


def _usable(edges: Floats) -> Floats:
    """The finite edges, each once, with 0 between where a width would overflow."""
    edges = np.unique(edges[np.isfinite(edges)])
    with np.errstate(over="ignore"):
        return edges if np.isfinite(np.diff(edges)).all() else np.unique(np.append(edges, 0.0))
