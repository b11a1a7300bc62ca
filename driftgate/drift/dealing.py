"""The permutations of two months: which of their rows could as well have been of the other month.

In a calm month both are samples of one distribution, so that each way of dealing their rows out to the two is equally
likely (Fisher 1935). Rows that depend on each other, such as flights of one day, are dealt out together, as one unit:
only units can be exchanged for each other (Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses").
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftgate.features.entities import GROUP_COLUMN

Places = NDArray[np.intp]


def groups_of(table: pa.Table) -> NDArray[np.str_] | None:
    """Return the group of each row of a month's features, labels or training set; None where there are no groups."""
    if GROUP_COLUMN not in table.column_names:
        return None
    return np.asarray(table.column(GROUP_COLUMN).to_pylist(), dtype=np.str_)


class Dealing:
    """The rows of two months, to be dealt out by units.

    The rows of one unit in one month are a part. A unit that is in one month may be dealt to either, with as many units
    to each as there are; of one that is in both, the two parts may change places.

    Args:
        ref, cur: the unit of each row, shape (n,) and (m,).

    Attributes:
        part_of: the part of each row, those of the reference first; shape (n + m,).
        parts: how many there are.
        in_cur: which of them are of the current month, shape (parts,).
    """

    def __init__(self, ref: NDArray[np.str_], cur: NDArray[np.str_]) -> None:
        (old, at_old), (new, at_new) = (np.unique(side, return_inverse=True) for side in (ref, cur))
        self.part_of: Places = np.concatenate([at_old, at_new + len(old)])
        self.parts = len(old) + len(new)
        _, first, second = np.intersect1d(old, new, assume_unique=True, return_indices=True)
        self._first, self._second = first, second + len(old)
        self.in_cur = np.arange(self.parts) >= len(old)
        self._alone = np.setdiff1d(np.arange(self.parts), np.concatenate([self._first, self._second]))

    def draw(self, random: np.random.Generator, size: int) -> NDArray[np.bool_]:
        """Deal the parts out so many times; return which of them go to the current month, shape (size, parts)."""
        dealt = np.empty((size, self.parts), dtype=np.bool_)
        dealt[:, self._alone] = random.permuted(np.tile(self.in_cur[self._alone], (size, 1)), axis=1)
        dealt[:, self._first] = random.integers(0, 2, (size, len(self._first)))
        dealt[:, self._second] = ~dealt[:, self._first]
        return dealt
