"""Months whose rows depend on each other: their columns counted by group, so that groups are dealt out and not rows.

What chance explains is another thing where rows come in groups. Thirty days with a thousand flights each are thirty
draws of weather, not thirty thousand. The permutation test of `driftgate.drift.significance` then deals out the groups.
Its counts are of the rows themselves, of the sample where a month is large.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from driftgate.drift.dealing import Dealing, groups_of
from driftgate.drift.significance import Pooled, Statistic, bins_of_cells, frequent_bins
from driftgate.profiles import distances
from driftgate.profiles.build import is_number
from driftgate.profiles.cells import FEW_DISTINCT, sturges_edges
from driftgate.profiles.grid import Floats
from driftgate.profiles.scores import DISTANCES, floor_spread

Codes = NDArray[np.int64]

# The code of a row without a value.
_MISSING = -1


@dataclass(frozen=True)
class PooledParts(Pooled):
    """Two months counted in common bins, of which whole groups are dealt out.

    Attributes:
        parts: what each part adds to each bin, a sparse matrix of shape (parts, bins).
        dealing: which parts may change places.
    """

    parts: Any
    dealing: Dealing

    def deal(self, random: np.random.Generator, size: int) -> Floats:
        """See `Pooled.deal`."""
        to_ref = (~self.dealing.draw(random, size)).astype(np.float64)
        dealt: Floats = (self.parts.T @ to_ref.T).T
        return dealt


@dataclass(frozen=True)
class GroupedRows:
    """The rows of two months with their groups.

    Attributes:
        ref, cur: tables as `driftgate.drift.ledger.read_table` gives them.
        dealing: which of their rows can be exchanged for each other.
    """

    ref: pa.Table
    cur: pa.Table
    dealing: Dealing

    @property
    def groups_ref(self) -> int:
        """How many groups the reference month has."""
        return int(np.count_nonzero(~self.dealing.in_cur))

    @property
    def groups_cur(self) -> int:
        """The same of the current month."""
        return int(np.count_nonzero(self.dealing.in_cur))

    def pooled(self, method: str, name: str) -> Pooled:
        """A column of both months in common bins.

        Args:
            method: "wasserstein", "jensenshannon", "psi", "kl_div" or "hellinger".
            name: of the column.
        """
        ref, cur = self.ref.column(name), self.cur.column(name)
        if is_number(ref.type) and is_number(cur.type):
            numbers = [column.cast(pa.float64(), safe=False).to_numpy() for column in (ref, cur)]
            codes, statistic = _coded_numbers(method, *numbers)
        else:
            codes, statistic = _coded_categories(ref, cur), DISTANCES[method]
        return pooled_codes(self.dealing, codes, statistic)

    def pooled_missing(self, name: str) -> Pooled:
        """Whether each value of a column is there; the statistic is the difference of the shares."""
        codes = np.concatenate([_missing(table.column(name)) for table in (self.ref, self.cur)])
        return pooled_codes(self.dealing, codes, distances.total_variation)


def grouped_rows(ref: pa.Table, cur: pa.Table) -> GroupedRows | None:
    """Return the rows of two months with their groups; None where the monitor has no groups."""
    groups = groups_of(ref), groups_of(cur)
    if groups[0] is None or groups[1] is None:
        return None
    return GroupedRows(ref, cur, Dealing(groups[0], groups[1]))


def pooled_codes(dealing: Dealing, codes: Codes, statistic: Statistic) -> PooledParts:
    """Count the rows of each part by code.

    Args:
        dealing: of the n + m rows of both months.
        codes: of each row, from 0; negative for a row that does not count.
        statistic: of such counts.
    """
    there = codes >= 0
    places = dealing.part_of[there], codes[there]
    width = int(codes.max(initial=0)) + 1
    parts = sparse.coo_matrix((np.ones(len(places[0])), places), shape=(dealing.parts, width)).tocsr()
    return pooled_parts(dealing, parts, statistic)


def pooled_parts(dealing: Dealing, parts: Any, statistic: Statistic) -> PooledParts:
    """The same from what each part adds to each bin, shape (parts, bins)."""
    parts = sparse.csr_matrix(parts)
    cur = dealing.in_cur.astype(np.float64)
    ref_counts, cur_counts = parts.T @ (1.0 - cur), parts.T @ cur
    filled = int(np.count_nonzero(ref_counts + cur_counts))
    return PooledParts(statistic, ref_counts, cur_counts, filled, parts, dealing)


def _coded_numbers(method: str, ref: Floats, cur: Floats) -> tuple[Codes, Statistic]:
    """The bin of each row, as `driftgate.drift.significance.pooled_columns` has them, and the score of their counts."""
    values = np.concatenate([ref, cur])
    finite = np.isfinite(values)
    distinct, at, counts = np.unique(values[finite], return_inverse=True, return_counts=True)
    exponent = int(np.frexp(np.abs(distinct).max(initial=0.0))[1])
    scaled = np.ldexp(distinct, -exponent)
    if method == "wasserstein":
        bins, positions = bins_of_cells(scaled, counts)
        statistic = distances.wasserstein_at(positions, floor_spread(exponent))
    else:
        statistic = DISTANCES[method]
        few = method != "hellinger" and len(np.unique(ref[np.isfinite(ref)])) <= FEW_DISTINCT
        rows = len(distinct) if method == "hellinger" else int(counts.sum())
        bins = np.arange(len(distinct))
        if not few:
            bins = np.searchsorted(sturges_edges(scaled[0], scaled[-1], rows), scaled, side="right")
    codes = np.full(len(values), _MISSING, dtype=np.int64)
    codes[finite] = bins[at]
    return _frequent(codes), statistic


def _coded_categories(ref: pa.ChunkedArray, cur: pa.ChunkedArray) -> Codes:
    texts = [str(value) if value is not None else None for column in (ref, cur) for value in column.to_pylist()]
    number = {name: at for at, name in enumerate(sorted({text for text in texts if text is not None}))}
    return _frequent(np.array([_MISSING if text is None else number[text] for text in texts], dtype=np.int64))


def _frequent(codes: Codes) -> Codes:
    """The codes with all but the most frequent together as one."""
    there = codes >= 0
    found = codes.copy()
    found[there] = frequent_bins(np.bincount(codes[there]))[codes[there]]
    return found


def _missing(column: pa.ChunkedArray) -> Codes:
    """1 where a row has no value or none that is finite, else 0."""
    missing = column.is_null().to_numpy()
    if is_number(column.type):
        missing = missing | ~np.isfinite(column.cast(pa.float64(), safe=False).to_numpy())
    codes: Codes = missing.astype(np.int64)
    return codes
