"""The drift scores of two profiles, each with how far it can be from the score of the rows themselves.

Where both columns are exact, so are the scores, and equal those of Evidently to 1e-9. On a grid two things are lost:
where in its cell a row lies, beyond one part in 131,072 of the cell; and how the two distribution functions run inside
a cell that they may cross in. The bounds add up the worst that both can do.
"""

import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from driftgate.profiles import distances
from driftgate.profiles.cells import FEW_DISTINCT, Bins, Cells, bins_of_range, bins_of_values, lay_side_by_side
from driftgate.profiles.columns import Column, NumberColumn
from driftgate.profiles.grid import Floats

# Fewer expected rows than this in a cell, and the chi-square approximation does not hold (Cochran 1954).
_LEAST_EXPECTED = 5
# Up to this size scipy's two-sample Kolmogorov-Smirnov test is exact.
_EXACT_KS_ROWS = 10_000
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Score:
    """A drift score.

    Attributes:
        value: of the method.
        bound: the score of the rows themselves is within value - bound and value + bound; 0 where it is that score.
        corrected: the value that is held against a threshold: Jensen-Shannon without its bias, else the value.
    """

    value: float
    bound: float
    corrected: float


def score(method: str, ref: Column, cur: Column) -> Score:
    """Compare two columns, each with at least one value.

    Args:
        method: a name in `driftgate.methods.METHODS`.
        ref, cur: the same column in both months.

    Raises:
        ValueError: the columns were counted on different grids, or the method does not fit them.
    """
    if method in ("wasserstein", "ks"):
        if not (isinstance(ref, NumberColumn) and isinstance(cur, NumberColumn)):
            raise ValueError(f"{method} compares numbers")
        # A distance over the spread of near-constants may be beyond any double; the largest says as much, and is JSON.
        value, bound = (min(part, _LARGEST) for part in (_wasserstein if method == "wasserstein" else _ks)(ref, cur))
        return Score(value, bound, value)
    bins = bins_of(method, ref, cur)
    if method == "two_sample_chisquare":
        value = chisquare_p_value(bins)
        return Score(value, 0.0 if bins.exact else 1.0, value)
    value = float(DISTANCES[method](bins.ref, bins.cur))
    filled = int(np.count_nonzero(bins.ref + bins.cur))
    corrected = without_bias(value, filled, ref.count, cur.count) if method == "jensenshannon" else value
    return Score(value, _bins_bound(method, bins, value), corrected)


def bins_of(method: str, ref: Column, cur: Column) -> Bins:
    """The bins in which a method compares two columns: those of Evidently."""
    if isinstance(ref, NumberColumn) and isinstance(cur, NumberColumn):
        if method == "hellinger":
            distinct = len(lay_side_by_side(ref, cur).ref)
            bins = bins_of_range(ref, cur, distinct)
            known = ref.exact and cur.exact
            return Bins(bins.ref, bins.cur, bins.loose_ref, bins.loose_cur, bins.hidden, certain=known)
        if method != "two_sample_chisquare" and ref.distinct > FEW_DISTINCT:
            return bins_of_range(ref, cur, ref.count + cur.count)
    return bins_of_values(ref, cur)


def without_bias(value: float, bins: int, rows_ref: int, rows_cur: int) -> float:
    """A Jensen-Shannon distance (natural logarithm) without what two samples of one distribution show on average.

    Under equal distributions 8 JSD / (1/n + 1/m) is chi-square with k - 1 degrees of freedom, the divergence being the
    square of the distance (Grosse et al. 2002, Phys. Rev. E 65, 041905), so that its mean is (k - 1) / 8 (1/n + 1/m).

    >>> round(without_bias(0.1, 2, 7043, 7043), 4), without_bias(0.1, 60, 1001, 1001)
    (0.0998, 0.0)
    """
    bias = (bins - 1) / 8 * (1 / rows_ref + 1 / rows_cur)
    return math.sqrt(max(value**2 - bias, 0.0))


def chisquare_p_value(bins: Bins) -> float:
    """Chi-square test of homogeneity of two samples (Pearson 1911), rare categories pooled."""
    from scipy.stats import chi2_contingency

    counts = np.stack([bins.ref, bins.cur], axis=1)
    counts = counts[counts.sum(axis=1) > 0]
    smaller = counts.sum(axis=0).min() / counts.sum()
    rare = counts.sum(axis=1) * smaller < _LEAST_EXPECTED
    pooled = counts[~rare]
    if rare.any():
        pooled = np.vstack([pooled, counts[rare].sum(axis=0)])
    if len(pooled) < 2:
        return 1.0
    return float(chi2_contingency(pooled, correction=False).pvalue)


def floor_spread(exponent: int) -> float:
    """What stands for the standard deviation of a constant, in values over a power of two.

    Evidently's floor of 0.001, or a thousandth of the largest value where that is smaller.
    """
    return math.ldexp(0.001, -max(exponent, 0))


def _wasserstein(ref: NumberColumn, cur: NumberColumn) -> tuple[float, float]:
    exponent = max(ref.exponent, cur.exponent)
    cells = lay_side_by_side(ref, cur).scaled(exponent)
    least_work, work, most_work = _work(cells)
    spread = ref.scaled_spread(exponent)
    if spread < 1e-12:
        spread = floor_spread(exponent)
    value = work / spread
    if cells.exact:
        return value, 0.0
    left, right = cells.ref / cells.ref.sum(), cells.cur / cells.cur.sum()
    moved = float((left * cells.blur_ref).sum() + (right * cells.blur_cur).sum())
    unsure = math.sqrt(float((left * cells.blur_ref**2).sum()))
    if unsure >= spread:
        return value, math.inf
    most, least = (most_work + moved) / (spread - unsure), (least_work - moved) / (spread + unsure)
    return value, max(most - value, value - least)


def _work(cells: Cells) -> tuple[float, float, float]:
    """The area between the two distribution functions: at least, probably, and at most.

    Within a cell the area between the functions, with its sign, follows from the means. It is the area itself unless
    they cross in the cell. They can only where the range of one overlaps that of the other. With F - G within [-b, a]
    and the area A over a width w, what lies on the other side of zero is at most b (a w - A) / (a + b) for A >= 0.
    Probably the rows are spread evenly over the cell.
    """
    part_ref, part_cur = cells.ref / cells.ref.sum(), cells.cur / cells.cur.sum()
    after_ref, after_cur = np.cumsum(cells.ref) / cells.ref.sum(), np.cumsum(cells.cur) / cells.cur.sum()
    between = np.abs(after_ref - after_cur)[:-1] * (cells.lower[1:] - cells.upper[:-1])
    before = (after_ref - part_ref) - (after_cur - part_cur)
    widths = cells.upper - cells.lower
    signed = before * widths
    signed += np.where(cells.ref > 0, part_ref * (cells.upper - cells.mean_ref), 0.0)
    signed -= np.where(cells.cur > 0, part_cur * (cells.upper - cells.mean_cur), 0.0)
    a = np.maximum(after_ref - (after_cur - part_cur), 0.0)
    b = np.maximum(after_cur - (after_ref - part_ref), 0.0)
    both = (a > 0) & (b > 0)
    after = after_ref - after_cur
    with np.errstate(divide="ignore", invalid="ignore"):
        other_side = np.where(signed >= 0, b * (a * widths - signed), a * (b * widths + signed)) / (a + b)
        even = widths * np.where(before * after < 0, (before**2 + after**2) / (2 * np.abs(after - before)), 0.0)
    least = np.abs(signed)
    most = least + np.where(both, 2 * np.maximum(other_side, 0.0), 0.0)
    probable = np.clip(even, least, most)
    outer = float(between.sum())
    return outer + float(least.sum()), outer + float(probable.sum()), outer + float(most.sum())


def _ks(ref: NumberColumn, cur: NumberColumn) -> tuple[float, float]:
    cells = lay_side_by_side(ref, cur)
    value = ks_p_value(cells.ref, cells.cur)
    if cells.exact:
        return value, 0.0
    after_ref, after_cur = np.cumsum(cells.ref) / cells.ref.sum(), np.cumsum(cells.cur) / cells.cur.sum()
    part_ref, part_cur = cells.ref / cells.ref.sum(), cells.cur / cells.cur.sum()
    inside = np.where(
        cells.lower < cells.upper,
        np.maximum(after_ref - after_cur + part_cur, after_cur - after_ref + part_ref),
        np.abs(after_ref - after_cur),
    )
    return value, max(0.0, value - _kolmogorov(float(inside.max()), ref.count, cur.count))


def ks_p_value(ref: Any, cur: Any) -> float:
    """The two-sided p-value of the Kolmogorov-Smirnov test of counts in ascending bins, as `scipy.stats.ks_2samp`."""
    from scipy.stats import ks_2samp

    if max(ref.sum(), cur.sum()) <= _EXACT_KS_ROWS:
        places = np.arange(len(ref))
        with warnings.catch_warnings():
            # scipy says so when it falls back to the asymptotic formula, as it does for Evidently.
            warnings.filterwarnings("ignore", "ks_2samp", RuntimeWarning)
            return float(ks_2samp(np.repeat(places, ref), np.repeat(places, cur)).pvalue)
    after_ref, after_cur = np.cumsum(ref) / ref.sum(), np.cumsum(cur) / cur.sum()
    return _kolmogorov(float(np.abs(after_ref - after_cur).max()), int(ref.sum()), int(cur.sum()))


def _kolmogorov(distance: float, rows_ref: int, rows_cur: int) -> float:
    from scipy.stats import kstwo

    effective = float(rows_ref) * float(rows_cur) / (float(rows_ref) + float(rows_cur))
    return float(np.clip(kstwo.sf(distance, np.round(effective)), 0, 1))


def _bins_bound(method: str, bins: Bins, value: float) -> float:
    """The worst that rows in the wrong bin can do to a distance.

    The terms of each distance are convex in both shares: over a box they are largest at a corner, and smallest where
    the shares are nearest to each other. Values that share a bin count most when no value of it occurs in both months.
    """
    if bins.exact:
        return 0.0
    if not bins.certain:
        return math.inf
    terms, squared = _TERMS[method]
    if method in ("psi", "kl_div") and ((bins.ref == 0) | (bins.cur == 0)).any():
        # How an empty bin is filled depends on every other bin.
        return math.inf
    boxes = [_box(bins.ref, bins.loose_ref), _box(bins.cur, bins.loose_cur)]
    corners = np.stack([terms(left, right) for left in boxes[0] for right in boxes[1]])
    alone = terms(distances.shares(bins.ref), np.zeros(len(bins.ref)))
    alone = alone + terms(np.zeros(len(bins.ref)), distances.shares(bins.cur))
    most = float(np.where(bins.hidden, alone, corners.max(axis=0)).sum())
    near_left = np.clip(boxes[1][0], boxes[0][0], boxes[0][1])
    near_right = np.clip(near_left, boxes[1][0], boxes[1][1])
    least = float(terms(near_left, near_right).sum())
    if squared:
        most, least = math.sqrt(most), math.sqrt(least)
    return max(most - value, value - least)


def _box(counts: Any, loose: Any) -> tuple[Floats, Floats]:
    rows = counts.sum()
    return np.maximum(counts - loose, 0) / rows, np.minimum(counts + loose, rows) / rows


DISTANCES: dict[str, distances.Distance] = {
    "jensenshannon": distances.jensenshannon,
    "psi": distances.psi,
    "kl_div": distances.kl_div,
    "hellinger": distances.hellinger,
}
_TERMS: dict[str, tuple[Callable[[Floats, Floats], Floats], bool]] = {
    "jensenshannon": (distances.jensenshannon_terms, True),
    "psi": (distances.psi_terms, False),
    "kl_div": (distances.kl_terms, False),
    "hellinger": (distances.hellinger_terms, True),
}
