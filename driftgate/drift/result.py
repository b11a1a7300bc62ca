"""What a comparison found, as plain values: no pandas, no SQLAlchemy, no Evidently."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from driftgate.methods import METHODS


class ColumnState(StrEnum):
    """Whether a declared feature was compared, or why not."""

    COMPARED = "compared"
    MISSING = "missing"
    ALL_NULL = "all null"
    RETYPED = "retyped"
    NOT_ENOUGH_ROWS = "not enough rows"
    STALE = "stale"
    UNSUPPORTED = "unsupported type"


@dataclass(frozen=True)
class ColumnResult:
    """One declared feature: its state and, where compared, its drift.

    Attributes:
        dtype: Feast type.
        values_ref, values_cur: values that are not missing, in rows.
        missing_ref, missing_cur: share of missing values, in [0, 1]; NaN where the column is absent.
        detail: why the column was not compared, or empty.
        method, score, threshold: of the drift test; empty and NaN where not compared.
        corrected_score: what meets the threshold: the score, of the Jensen-Shannon distance less its bias; NaN where it
            was not compared.
        p_value: of the permutation test of the score; NaN where the method is itself a test.
        chance: the score that chance alone reaches once in twenty at these sizes; NaN where the method is a test.
        missing_p_value: how often chance alone gives such a change of the share of missing values; NaN where none is
            missing, or the column was not compared.
        missing_chance: the change of that share that chance alone reaches once in twenty; NaN likewise.
        drifted: whether the column counts as drifted.
        drifted_by: "values", "missing share", "values and missing share", "not comparable", or empty.
    """

    name: str
    view: str
    dtype: str
    state: ColumnState
    values_ref: int = 0
    values_cur: int = 0
    missing_ref: float = math.nan
    missing_cur: float = math.nan
    detail: str = ""
    method: str = ""
    score: float = math.nan
    threshold: float = math.nan
    drifted: bool = False
    drifted_by: str = ""
    corrected_score: float = math.nan
    p_value: float = math.nan
    chance: float = math.nan
    missing_p_value: float = math.nan
    missing_chance: float = math.nan

    @property
    def missing_change(self) -> float:
        """Share of missing values in the current month minus that in the reference month."""
        return self.missing_cur - self.missing_ref

    @property
    def met_score(self) -> float:
        """The score that meets the threshold."""
        return self.score if math.isnan(self.corrected_score) else self.corrected_score

    @property
    def severity(self) -> float:
        """How far the column is beyond its threshold: 1 is at the threshold, more is worse, also for p-values."""
        if self.state is not ColumnState.COMPARED:
            return math.inf
        if is_p_value(self.method):
            return self.threshold / max(self.score, 1e-12)
        return self.met_score / self.threshold if self.threshold else math.inf


Level = float | Mapping[str, float]
"""The rate or mean of a label, or the share of each of its classes."""


@dataclass(frozen=True)
class ClassShare:
    """The share of one class among the labels of both months, in [0, 1]."""

    name: str
    ref: float
    cur: float

    @property
    def change(self) -> float:
        """Current minus reference."""
        return self.cur - self.ref


@dataclass(frozen=True)
class TargetDrift:
    """The label's own drift.

    Attributes:
        ref, cur: rate of a binary label, mean of a numeric one; NaN where not computable, and where it has classes.
        labelled_ref, labelled_cur: share of the entities that get a label which have it, in [0, 1].
        reason: why the difference is not computable, or empty.
        p_value: how often chance alone gives a difference as large, in [0, 1]; NaN where it is not computable.
        pending: whether only labels of the current month are still to come.
        cur_pending: whether labels of the current month are still to come, also where the reference lacks some.
        spread_ref: standard deviation of a numeric label in the reference month; NaN for any other.
        chance: the difference that chance alone reaches once in twenty at these sizes; NaN where it is not computable.
        classes: of a label of classes, that whose share moved furthest first; else empty.
    """

    ref: float
    cur: float
    labelled_ref: float
    labelled_cur: float
    reason: str = ""
    pending: bool = False
    cur_pending: bool = False
    p_value: float = math.nan
    spread_ref: float = math.nan
    chance: float = math.nan
    classes: tuple[ClassShare, ...] = ()

    @property
    def level_ref(self) -> Level:
        """What the label was in the reference month."""
        return {item.name: item.ref for item in self.classes} or self.ref

    @property
    def level_cur(self) -> Level:
        """What it is in the current month."""
        return {item.name: item.cur for item in self.classes} or self.cur

    @property
    def abs_diff(self) -> float:
        """|cur - ref|, of classes half of the sum of the changes of their shares; NaN where it is not computable."""
        return level_distance(self.level_ref, self.level_cur)

    @property
    def in_spreads(self) -> float:
        """The difference in standard deviations of the reference's labels; NaN where they have none."""
        return self.abs_diff / self.spread_ref if self.spread_ref > 0.0 else math.nan

    @property
    def computable(self) -> bool:
        """Whether the difference is a number."""
        return math.isfinite(self.abs_diff)


@dataclass(frozen=True)
class DriftResult:
    """Both months compared. The denominator of `drift_share` is always the declared features."""

    as_of_ref: date
    as_of_cur: date
    rows_ref: int
    rows_cur: int
    compared_rows_ref: int
    compared_rows_cur: int
    columns: tuple[ColumnResult, ...]
    excluded: tuple[tuple[str, str], ...] = ()
    prediction: ColumnResult | None = None
    """The model's scores, compared like a column and not counted as one; None where there is no champion."""
    level: float = math.nan
    """The level at which each column was tested; a column with missing values divides it between its two questions."""

    sample_rows_ref: int = 0
    """Rows of the sample that the report and the performance are of; 0 where they are of the month itself."""
    sample_rows_cur: int = 0
    """The same of the current month."""
    groups_ref: int = 0
    """Groups of rows that depend on each other, which the tests dealt out; 0 where each row stands alone."""
    groups_cur: int = 0
    """The same of the current month."""

    @property
    def drifted(self) -> tuple[ColumnResult, ...]:
        """The columns that count as drifted."""
        return tuple(column for column in self.columns if column.drifted)

    @property
    def drift_share(self) -> float:
        """Drifted columns over declared features, in [0, 1]."""
        return len(self.drifted) / len(self.columns)

    @property
    def sampled(self) -> bool:
        """Whether the report and the performance are of a sample of either month."""
        return bool(self.sample_rows_ref or self.sample_rows_cur)

    @property
    def worst_first(self) -> tuple[ColumnResult, ...]:
        """Columns by severity: what could not be compared, then by how far beyond the threshold."""
        return tuple(sorted(self.columns, key=lambda column: (-column.severity, column.name)))


def level_distance(one: Level, other: Level) -> float:
    """Return the difference of two rates or means; of shares of classes half of the sum of their changes.

    NaN where either is not known, or where one has classes and the other has none.

    >>> level_distance(0.25, 0.5), level_distance({"a": 0.5, "b": 0.5}, {"a": 0.25, "c": 0.75})
    (0.25, 0.75)
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in {**one, **other}) / 2
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return math.nan
    return abs(other - one)


def finite(value: object) -> object:
    """Return NaN and infinities as None, because JSON and SQL have no NaN to compare with; all else as it is.

    >>> finite(0.5), finite(math.nan), finite("a")
    (0.5, None, 'a')
    """
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_p_value(method: str) -> bool:
    """Return whether the method's score is a p-value (drift below the threshold), not a distance (drift from it on).

    >>> is_p_value("ks"), is_p_value("wasserstein")
    (True, False)
    """
    return METHODS[method].p_value


def is_drift(method: str, score: float, threshold: float) -> bool:
    """Whether a score means drift.

    >>> is_drift("wasserstein", 0.1, 0.1), is_drift("ks", 0.05, 0.05)
    (True, False)
    """
    return score < threshold if is_p_value(method) else score >= threshold
