"""The signals of a month held against the monitor's own past: what happens every year, or often, is no news. Pure.

Seasonal: a year before, the month looked as it does now. That is asked directly, of the profiles of both months, so
that a change that came in between is seen however large the season is.

Usual: before the same month of a year before is kept, a move is compared with those of earlier pairs of months that
are as far from each other. A feature has moved as usual where it also drifted, and at least as far, in two of the
earlier pairs, and in so many that the conformal p-value (1 + as far) / (1 + pairs) is at least a quarter. A move beyond
all earlier ones by more than chance is therefore never usual. Both rules only hold signals back, so that no month
without change triggers more often by them.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Self

from driftgate.drift.result import (
    ColumnResult,
    ColumnState,
    DriftResult,
    Level,
    TargetDrift,
    is_p_value,
    level_distance,
)

LEAST_PAIRS = 6
"""So many earlier pairs are needed before anything is usual."""

_LEAST_AS_FAR = 2
_USUAL = 0.25
# Month ends differ by so many days: 28 to 31.
_DAYS_OFF = 3
# A week and ten days are other steps.
_SHARE_OFF = 0.12

Moves = Mapping[tuple[str, str], float]
"""How far columns that drifted have moved: by name, and by the method or "missing share"."""


class Known(StrEnum):
    """Why a signal is no news."""

    SEASONAL = "seasonal"
    USUAL = "usual"


@dataclass(frozen=True)
class Explained:
    """A signal that the past explains.

    Attributes:
        signal: its name, as in `driftgate.decision.Signal`.
        text: what of the past explains it.
    """

    signal: str
    known: Known
    text: str


@dataclass(frozen=True)
class PastPair:
    """An earlier pair of months.

    Attributes:
        moved: see `Moves`; infinite where a move has no size.
        target: how far the label moved, where that reached its threshold beyond chance; else NaN.
        label_ref, label_cur: rate, mean or shares of the label; NaN where it is not known.
    """

    as_of_ref: date
    as_of_cur: date
    moved: Moves = field(default_factory=dict)
    target: float = math.nan
    label_ref: Level = math.nan
    label_cur: Level = math.nan

    @classmethod
    def of(cls, drift: DriftResult, target: TargetDrift, target_reached: bool) -> Self:
        """The pair for what was found of it."""
        far = target.abs_diff if target_reached else math.nan
        return cls(drift.as_of_ref, drift.as_of_cur, moves(drift.columns), far, target.level_ref, target.level_cur)


@dataclass(frozen=True)
class YearAgo:
    """The months of a pair held against the same months a year before.

    Attributes:
        month: a year before the current month.
        share_cur: the drift share between the two, in [0, 1].
        share_ref: the same of the reference month; None where that of a year before is not kept.
    """

    month: date
    share_cur: float
    share_ref: float | None = None


def signals_of_data(drift: DriftResult, target: TargetDrift, thresholds: tuple[float, float | None]) -> bool:
    """Whether there is anything to explain, see `explained_by_past`."""
    share, diff = thresholds
    return drift.drift_share >= share or (diff is not None and target.abs_diff >= diff * (1 - 1e-9))


def explained_by_past(
    drift: DriftResult,
    target: TargetDrift,
    thresholds: tuple[float, float | None],
    pairs: Sequence[PastPair],
    year_ago: YearAgo | None,
) -> tuple[Explained, ...]:
    """Return which of the two signals of the data the past explains.

    Args:
        drift, target: of the pair that is judged.
        thresholds: of the drift share and of the target drift; None where the label has no say.
        pairs: earlier ones of the monitor, with any step.
        year_ago: the seasonal comparison; None where the month of a year before is not kept.
    """
    share, diff = thresholds
    if year_ago is not None:
        found = [_seasonal_share(drift, share, year_ago), _seasonal_target(drift, target, diff, pairs, year_ago)]
    else:
        alike = [pair for pair in pairs if same_step(drift, pair)]
        if len(alike) < LEAST_PAIRS:
            return ()
        found = [_usual_share(drift, share, alike), _usual_target(target, diff, alike)]
    return tuple(item for item in found if item is not None)


def year_before(month: date, months: Collection[date]) -> date | None:
    """Return the one of the months that lies a year before, give or take three days; None where there is none.

    >>> str(year_before(date(2025, 2, 28), [date(2024, 1, 31), date(2024, 2, 29)]))
    '2024-02-29'
    """
    # The 29th of February has no day of its own in most years.
    day = min(month.day, 28) if month.month == 2 else month.day
    wanted = month.replace(year=month.year - 1, day=day)
    near = [(abs((item - wanted).days), item) for item in months if abs((item - wanted).days) <= _DAYS_OFF]
    return min(near)[1] if near else None


def years_before(as_of_ref: date, as_of_cur: date, months: Collection[date]) -> tuple[date, date | None] | None:
    """Return the months a year before the current one and before the reference.

    The reference must be younger than the first of them: a month is no season of a reference that lies a year back or
    more, because then what changed a year ago and stayed would look like one.

    Returns:
        None where the first is not there; for the second None where that is not there.
    """
    found = year_before(as_of_cur, months)
    if found is None or found >= as_of_ref:
        return None
    return found, year_before(as_of_ref, months)


def same_step(drift: DriftResult, pair: PastPair) -> bool:
    """Whether the months of an earlier pair are as far from each other as those that are judged."""
    days, other = (drift.as_of_cur - drift.as_of_ref).days, (pair.as_of_cur - pair.as_of_ref).days
    return abs(days - other) <= min(_DAYS_OFF, _SHARE_OFF * min(days, other))


def moves(columns: Iterable[ColumnResult]) -> Moves:
    """Return how far each of the columns that drifted has moved."""
    found: dict[tuple[str, str], float] = {}
    for item in columns:
        if not item.drifted:
            continue
        if item.state is not ColumnState.COMPARED:
            found[item.name, str(item.state)] = math.inf
        if "values" in item.drifted_by:
            # A p-value says how sure a move is, and not how far it is.
            found[item.name, item.method] = math.inf if is_p_value(item.method) else item.met_score
        if "missing share" in item.drifted_by:
            found[item.name, "missing share"] = abs(item.missing_change)
    return found


def _seasonal_share(drift: DriftResult, threshold: float, year_ago: YearAgo) -> Explained | None:
    if drift.drift_share < threshold or year_ago.share_cur >= threshold:
        return None
    if year_ago.share_ref is not None and year_ago.share_ref >= threshold:
        # The reference was no month like that of a year before: the current one returns from somewhere.
        return None
    text = f"against {year_ago.month}, a year before, drift_share={year_ago.share_cur:.2f} < {threshold:.2f}"
    return Explained("drift_share", Known.SEASONAL, text)


def _seasonal_target(
    drift: DriftResult, target: TargetDrift, threshold: float | None, pairs: Sequence[PastPair], year_ago: YearAgo
) -> Explained | None:
    labels = {pair.as_of_ref: pair.label_ref for pair in pairs} | {pair.as_of_cur: pair.label_cur for pair in pairs}
    # NaN is not below anything.
    diff = level_distance(target.level_cur, labels.get(year_ago.month, math.nan))
    if threshold is None or not diff < threshold:
        return None
    before = year_before(drift.as_of_ref, labels)
    if before is not None and level_distance(target.level_ref, labels[before]) >= threshold:
        return None
    text = f"against {year_ago.month}, a year before, target_drift={diff:.4f} < {threshold:.4f}"
    return Explained("target_drift", Known.SEASONAL, text)


def _usual_share(drift: DriftResult, threshold: float, pairs: Sequence[PastPair]) -> Explained | None:
    if drift.drift_share < threshold:
        return None
    news = [item for item in drift.drifted if not _moved_as_usual(item, pairs)]
    if len(news) / len(drift.columns) >= threshold:
        return None
    usual = len(drift.drifted) - len(news)
    text = f"{usual} of {len(drift.drifted)} drifted features often moved as far in the {len(pairs)} pairs before"
    return Explained("drift_share", Known.USUAL, text)


def _moved_as_usual(item: ColumnResult, pairs: Sequence[PastPair]) -> bool:
    # Two scores that differ by less than chance gives are alike.
    room = item.chance if math.isfinite(item.chance) else 0.0
    return all(
        _often(far - (room if question == item.method else 0.0), [pair.moved.get((name, question)) for pair in pairs])
        for (name, question), far in moves([item]).items()
    )


def _usual_target(target: TargetDrift, threshold: float | None, pairs: Sequence[PastPair]) -> Explained | None:
    if threshold is None or not _often(target.abs_diff, [pair.target for pair in pairs]):
        return None
    return Explained("target_drift", Known.USUAL, f"the label often moved as far in the {len(pairs)} pairs before")


def _often(far: float, before: Sequence[float | None]) -> bool:
    as_far = sum(other is not None and other >= far for other in before)
    return math.isfinite(far) and as_far >= _LEAST_AS_FAR and (1 + as_far) / (1 + len(before)) >= _USUAL
