"""The comparison of two months: it puts ledger, scores and the share of missing values together in one result.

Scores come from what was counted of each column. Where Evidently drew a report of the same rows, its own scores must
be equal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from driftgate.drift.groups import GroupedRows, grouped_rows
from driftgate.drift.ledger import Ledger, read_table
from driftgate.drift.methods import choose_method
from driftgate.drift.report import LARGEST_DRAWN, DrawnReport, predicted, prediction_kind, prediction_name
from driftgate.drift.result import ColumnResult, ColumnState, DriftResult, is_drift, is_p_value
from driftgate.drift.significance import (
    Pooled,
    column_level,
    permutation_test,
    pooled_columns,
    proportions_chance,
    proportions_p_value,
    seed_of,
)
from driftgate.errors import MissingSignalError
from driftgate.features.entities import MonthSize
from driftgate.features.labels import LabelMonth
from driftgate.features.types import FeatureMonth, Kind
from driftgate.monitors import Monitor
from driftgate.profiles.build import count_column
from driftgate.profiles.cells import count_distinct
from driftgate.profiles.columns import Column, NumberColumn
from driftgate.profiles.grid import Form
from driftgate.profiles.profile import Profile
from driftgate.profiles.scores import score

# How far Evidently's score of the same values may be from ours, in parts of the score.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Side:
    """One month of a comparison.

    Attributes:
        features: rows of the month, or of a sample of a large month.
        profile: what was counted of the whole month.
    """

    size: MonthSize
    features: FeatureMonth
    labels: LabelMonth
    profile: Profile


def compare(
    ref: Side, cur: Side, ledger: Ledger, monitor: Monitor, scores: tuple[Path, Path] | None = None
) -> DriftResult:
    """Compare every comparable feature, and the model's scores where they are given.

    Args:
        ref, cur: both months.
        ledger: what can be compared, and how.
        monitor: thresholds.
        scores: for each month an Arrow IPC file with a column `score`.
    """
    pair = f"{ref.size.as_of} {cur.size.as_of}"
    groups = grouped_rows(read_table(ref.features), read_table(cur.features)) if monitor.entity.group else None
    return DriftResult(
        as_of_ref=ref.size.as_of,
        as_of_cur=cur.size.as_of,
        rows_ref=ref.size.entities,
        rows_cur=cur.size.entities,
        compared_rows_ref=ref.profile.rows,
        compared_rows_cur=cur.profile.rows,
        columns=compare_columns((ref.profile, cur.profile), ledger, monitor, pair, groups),
        excluded=ledger.excluded,
        prediction=_compare_scores(scores, ledger, monitor, pair, groups) if scores else None,
        level=level_of(ledger, monitor),
        sample_rows_ref=ref.features.rows if ref.size.sampled else 0,
        sample_rows_cur=cur.features.rows if cur.size.sampled else 0,
        groups_ref=groups.groups_ref if groups else 0,
        groups_cur=groups.groups_cur if groups else 0,
    )


def checked_against(drift: DriftResult, report: DrawnReport, ref: Side, cur: Side) -> DriftResult:
    """Check the scores against those of the report, where that is of the whole months: they must be equal.

    Returns:
        The result, which says of a column what the report shows otherwise.

    Raises:
        MissingSignalError: a score of Evidently is another than that of the counts.
    """
    if not (ref.profile.exact and cur.profile.exact):
        return drift
    # Of a wide service only some features are drawn.
    pairs = {
        item.name: (ref.profile.columns[item.name], cur.profile.columns[item.name])
        for item in drift.columns
        if item.state is ColumnState.COMPARED and item.name in report.scores
    }
    columns = tuple(
        _drawn_alike(item, report.scores[item.name], pairs[item.name]) if item.name in pairs else item
        for item in drift.columns
    )
    if drift.prediction is not None:
        _drawn_alike(drift.prediction, report.scores[drift.prediction.name], ())
    return replace(drift, columns=columns)


def _drawn_alike(item: ColumnResult, drawn: float, pair: Sequence[Column]) -> ColumnResult:
    if any(_is_clipped(column) for column in pair):
        return replace(item, detail=f"Evidently's report shows values beyond {LARGEST_DRAWN:g} as {LARGEST_DRAWN:g}")
    if not math.isclose(item.score, drawn, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        raise MissingSignalError(
            f"Evidently's {item.method} of {item.name} is {drawn!r}, and the same from the counts is {item.score!r}",
            allowed=f"scores that are equal to {_TOLERANCE:g}",
            remedy="this Evidently release may compute it in another way; install the versions in requirements.lock",
        )
    return item


def compare_columns(
    profiles: tuple[Profile, Profile], ledger: Ledger, monitor: Monitor, pair: str, groups: GroupedRows | None = None
) -> tuple[ColumnResult, ...]:
    """Score every comparable column of two months and say which drift, in the order of the ledger.

    Args:
        profiles: of the reference and of the current month.
        ledger: what can be compared, and how.
        monitor: thresholds.
        pair: what is compared; the permutations of the same pair are the same.
        groups: the rows of both months, where they depend on each other.
    """
    level, columns = level_of(ledger, monitor), []
    for item in ledger.columns:
        if item.state is ColumnState.COMPARED:
            counted = _Counted(profiles[0].columns[item.name], profiles[1].columns[item.name], groups)
            columns.append(_decide_column(item, counted, monitor, level, seed_of(monitor.name, pair, item.name)))
        else:
            columns.append(replace(item, drifted=True, drifted_by="not comparable"))
    return tuple(columns)


def level_of(ledger: Ledger, monitor: Monitor) -> float:
    """Return the level at which each column is tested, see `significance.column_level`."""
    return column_level(monitor.signal_level, monitor.threshold, len(ledger.columns))


def _compare_scores(
    scores: tuple[Path, Path], ledger: Ledger, monitor: Monitor, pair: str, groups: GroupedRows | None
) -> ColumnResult:
    columns = [predicted(path) for path in scores]
    kind = prediction_kind(columns)
    form = Form.NUMBER if kind is Kind.NUMERIC else Form.CATEGORY
    ref, cur = (count_column(column, form, date.min) for column in columns)
    assert ref is not None
    assert cur is not None
    name = prediction_name(ledger, monitor)
    method, threshold = choose_method(name, kind, count_distinct(ref, cur), None)
    item = ColumnResult(
        name=name,
        view="",
        dtype="FLOAT64" if kind is Kind.NUMERIC else "STRING",
        state=ColumnState.COMPARED,
        values_ref=ref.count,
        values_cur=cur.count,
        missing_ref=0.0,
        missing_cur=0.0,
        method=method,
        threshold=threshold,
    )
    if groups is not None:
        # The scores are in the order of the features.
        tables = [
            table.append_column(name, column) for table, column in zip((groups.ref, groups.cur), columns, strict=True)
        ]
        groups = replace(groups, ref=tables[0], cur=tables[1])
    counted = _Counted(ref, cur, groups)
    return _decide_column(item, counted, monitor, monitor.signal_level, seed_of(monitor.name, pair, name))


@dataclass(frozen=True)
class _Counted:
    """A column of both months, counted, with the rows themselves where they depend on each other."""

    ref: Column
    cur: Column
    groups: GroupedRows | None

    @property
    def any_missing(self) -> bool:
        return bool(self.ref.missing or self.cur.missing)

    def pooled(self, item: ColumnResult) -> Pooled:
        if self.groups is None:
            return pooled_columns(item.method, self.ref, self.cur)
        return self.groups.pooled(item.method, item.name)

    def missing_chance(self, name: str, level: float, seed: int) -> tuple[float, float]:
        """The p-value of the change of the missing share, and the change that chance reaches once in twenty."""
        if self.groups is not None:
            found = permutation_test(self.groups.pooled_missing(name), level, True, seed)
            return found.p_value, found.chance
        shares = self.ref.missing, _rows(self.ref), self.cur.missing, _rows(self.cur)
        return proportions_p_value(*shares), proportions_chance(*shares)


def _rows(column: Column) -> int:
    return column.missing + column.count


def _decide_column(item: ColumnResult, counted: _Counted, monitor: Monitor, level: float, seed: int) -> ColumnResult:
    """Return the column with its score, and whether it drifts: beyond its threshold, and by more than chance explains.

    Args:
        counted: the column in both months.
        level: of the column's tests together.
        seed: of the permutations.
    """
    # Two questions share the level; without a missing value there is one.
    level = level / 2 if counted.any_missing else level
    item = _score_column(item, counted, level, seed)
    if counted.any_missing:
        p_value, chance = counted.missing_chance(item.name, level, seed)
        item = replace(item, missing_p_value=p_value, missing_chance=chance)
    by = []
    reached = is_drift(item.method, item.met_score, item.threshold)
    if reached and (is_p_value(item.method) or item.p_value <= level):
        by.append("values")
    # Rounding can put a change that equals the threshold a bit below it, because two shares are subtracted.
    moved = abs(item.missing_change) >= monitor.missing_threshold - 1e-9
    # NaN is at most nothing: without a missing value nothing moved.
    if moved and item.missing_p_value <= level:
        by.append("missing share")
    return replace(item, drifted=bool(by), drifted_by=" and ".join(by))


def _score_column(item: ColumnResult, counted: _Counted, level: float, seed: int) -> ColumnResult:
    found = score(item.method, counted.ref, counted.cur)
    item = replace(item, score=found.value, corrected_score=found.corrected)
    if is_p_value(item.method):
        return item
    tested = permutation_test(counted.pooled(item), level, is_drift(item.method, item.met_score, item.threshold), seed)
    return replace(item, p_value=tested.p_value, chance=tested.chance)


def _is_clipped(column: Column) -> bool:
    if not isinstance(column, NumberColumn) or column.count == 0:
        return False
    return bool(max(abs(column.least), abs(column.most)) > LARGEST_DRAWN)
