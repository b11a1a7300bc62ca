"""Plots as SVG and HTML that fit every width: signals over months, features on one scale, changes of single features.

Positions are percentages, lines keep their width, and text is text, so that a plot is as readable at 400 pixels as on
a large screen. A plot of a signal has its words for those who do not see it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from html import escape

from driftgate.decision import PERFORMANCE_KEY
from driftgate.drift.result import ColumnState, is_p_value
from driftgate.measures import MEASURES, Measure
from driftgate.performance.interval import distinct
from driftgate.reports.layout import name_html
from driftgate.reports.words import amount, drop_text, is_rate, month_name, percent, value_text
from driftgate.store.performance_record import RelationRecord, SegmentRecord
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import ClassRecord, ColumnRecord

SIGNALS = (PERFORMANCE_KEY, "drift_share", "target_drift")
"""The signals in the order in which they are shown; that of the model by the key of its threshold."""

# A bar that is ten thousand thresholds long is as long as any longer one would be.
_MOST = 1e4
# Up to so many thresholds the scale is linear.
_LINEAR = 6.0
# A feature that lost less says about the label what it said.
_LOST = 0.05


Write = Callable[[float, int], str]
"""A number, and how many digits more than usual, in; its text out."""


def _hundredths(value: float, more: int) -> str:
    return f"{value:z.{2 + more}f}"


@dataclass(frozen=True)
class Point:
    """A month of a signal: None for `value` where it is not known, for `threshold` where there is none."""

    month: date
    value: float | None
    threshold: float | None
    reached: bool


def title(records: Sequence[RunRecord], signal: str) -> str:
    """A signal in words; that of the model names its measure."""
    if signal != PERFORMANCE_KEY:
        return {"drift_share": "Share of features that moved", "target_drift": "Change of the label"}[signal]
    rule = MEASURES[_measure(records)]
    return f"{rule.drop_word.title()} of the {rule.short}"


def writer(records: Sequence[RunRecord], signal: str) -> Write:
    """How the values of a signal are written, in the unit in which the other figures of its kind are."""
    if signal == "drift_share":
        return percent
    if signal == "target_drift":
        known = [record for record in records if record.target.abs_diff is not None]
        rate = bool(known) and is_rate(known[-1])
        return lambda value, more: amount(value, rate, change=True, more=more)
    rule = MEASURES[_measure(records)]
    return lambda value, more: drop_text(rule, value, more)


def with_threshold(point: Point, write: Write) -> tuple[str, str]:
    """The value of a point and its threshold, in digits in which they do not look alike; empty where there is none."""
    if point.value is None or point.threshold is None:
        value, limit = (("" if each is None else write(each, 0)) for each in (point.value, point.threshold))
        return value, limit
    return distinct(point.value, point.threshold, write)


def points(records: Sequence[RunRecord], signal: str) -> list[Point]:
    """A signal by month."""
    measure = _measure(records)
    return [_point(record, signal, measure) for record in records]


def _measure(records: Sequence[RunRecord]) -> str:
    """The newest measure of the model; another one of earlier months has no place on its scale."""
    found = [record.performance.measure for record in records if record.performance and record.performance.change]
    return found[-1] if found else "auc"


def _point(record: RunRecord, signal: str, measure: str) -> Point:
    value, threshold = _values(record, signal, measure)
    named = [item for item in record.signals if signal in (item.name, item.key)]
    reached = any(item.reached for item in named)
    if not record.signals and signal == "drift_share":
        # A record of the first release.
        reached = record.drift_share >= record.threshold
    return Point(record.inputs.as_of_cur, value, threshold, reached)


def _values(record: RunRecord, signal: str, measure: str) -> tuple[float | None, float | None]:
    if signal == "drift_share":
        return record.drift_share, record.threshold
    if signal == "target_drift":
        return record.target.abs_diff, record.target.threshold
    found = record.performance
    return (found.drop if found and found.measure == measure else None), (found.threshold if found else None)


def trend(shown: Sequence[Point], name: str, write: Write = _hundredths, most: float = 0.0) -> str:
    """A signal by month as a line, its threshold as a dashed one, a dot for each month; filled where it is reached.

    The months share the width evenly and stand in the middle of their part.

    Args:
        shown: the months from left to right.
        name: of the signal.
        write: how its values are written.
        most: a value that is to have its place on the scale, so that several plots have the same one.
    """
    bottom, top = _range(shown, most)
    across = [(number + 0.5) / len(shown) * 100 for number in range(len(shown))]
    placed = list(zip(across, shown, strict=True))
    lines = "".join(
        f"<polyline points='{' '.join(f'{x:.2f},{_down(value, bottom, top):.2f}' for x, value in run)}'/>"
        for run in _runs([(x, point.value) for x, point in placed])
    )
    limits = [(x, point.threshold) for x, point in placed]
    if limits and limits[-1][1] is not None:
        limits = [(0.0, limits[0][1]), *limits, (100.0, limits[-1][1])]
    lines += "".join(
        f"<polyline class='limit' points='{' '.join(f'{x:.2f},{_down(v, bottom, top):.2f}' for x, v in run)}'/>"
        for run in _runs(limits)
    )
    dots = "".join(
        f"<i{' class=reached' if point.reached else ''} "
        f"title='{month_name(point.month)}: {with_threshold(point, write)[0]}' "
        f"style='left:{x:.2f}%;top:{_down(point.value, bottom, top):.2f}%'></i>"
        for x, point in placed
        if point.value is not None
    )
    return (
        f"<div class='plot' role='img' aria-label='{escape(_spoken(shown, name, write))}'>"
        f"<svg viewBox='0 0 100 100' preserveAspectRatio='none' aria-hidden='true'>{lines}</svg>{dots}"
        f"{_limit_label(shown, bottom, top, write)}</div>"
    )


def _limit_label(shown: Sequence[Point], bottom: float, top: float, write: Write) -> str:
    last = shown[-1].threshold
    if last is None:
        return ""
    # At the end where the signal is further from it: a word must not lie on a dot.
    away = [math.inf if point.value is None else abs(point.value - last) for point in (shown[0], shown[-1])]
    side = " class='first'" if len(shown) > 1 and away[0] > away[1] else ""
    return f"<em{side} style='top:{_down(last, bottom, top):.2f}%'>threshold {with_threshold(shown[-1], write)[1]}</em>"


def _range(shown: Sequence[Point], most: float) -> tuple[float, float]:
    """The ends of the scale: it holds zero, every value and every threshold, with room above."""
    values = [value for point in shown for value in (point.value, point.threshold) if value is not None] + [most]
    bottom, top = min(0.0, *values, 0.0), max(0.02, *values, 0.02)
    return bottom, top + (top - bottom) * 0.35


def _down(value: float, bottom: float, top: float) -> float:
    return (top - value) / (top - bottom) * 100


def _runs(placed: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    """Neighbours that have values, of two or more: a gap breaks the line."""
    run: list[tuple[float, float]] = []
    for x, value in [*placed, (0.0, None)]:
        if value is not None:
            run.append((x, value))
            continue
        if len(run) > 1:
            yield run
        run = []


def _spoken(shown: Sequence[Point], name: str, write: Write) -> str:
    """The plot in words."""
    known = [point for point in shown if point.value is not None]
    if not known:
        return f"{name}: no month has a figure"
    first, last = known[0], known[-1]
    reached = sum(point.reached for point in shown)
    (then, _), (now, threshold) = (with_threshold(point, write) for point in (first, last))
    limit = f", threshold {threshold}, reached in {reached} of {len(shown)}" if threshold else ""
    if first is last:
        return f"{name}, {month_name(last.month)}: {now}{limit}"
    months = f"from {month_name(first.month)} to {month_name(last.month)}"
    return f"{name} {months}: {then} then, {now} now{limit}"


def ends(shown: Sequence[Point]) -> str:
    """The first and the last month below a plot."""
    months = [shown[0].month] + ([shown[-1].month] if len(shown) > 1 else [])
    texts = "".join(f"<span>{month_name(month)}</span>" for month in months)
    return f"<div class='ends' aria-hidden='true'>{texts}</div>"


def severity(item: ColumnRecord) -> float | None:
    """How many thresholds a feature is away from no change; None where it was not compared. For p-values the inverse.

    A feature that drifts by its share of missing values alone may have less than one.
    """
    if item.state is not ColumnState.COMPARED or item.score is None or not item.threshold:
        return None
    if is_p_value(item.method):
        return min(item.threshold / max(item.score, 1e-12), _MOST)
    score = item.score if item.corrected_score is None else item.corrected_score
    return min(max(score, 0.0) / item.threshold, _MOST)


@dataclass(frozen=True)
class Scale:
    """One scale for all features: linear where no feature is far out, else logarithmic. Nothing is cut off.

    Attributes:
        top: thresholds at its end.
        logarithmic: whether it begins at a tenth of the threshold and each step is ten times the last.
    """

    top: float
    logarithmic: bool

    @classmethod
    def over(cls, columns: Sequence[ColumnRecord]) -> "Scale":
        """The scale that holds all these features and the threshold."""
        most = max([1.0, *(value for value in map(severity, columns) if value is not None)])
        if most <= _LINEAR:
            return cls(max(1.5, most * 1.05), False)
        return cls(most * 1.15, True)

    def at(self, value: float) -> float:
        """Where a value is, in percent of the length."""
        if not self.logarithmic:
            return value / self.top * 100
        return max(0.0, (math.log10(max(value, 1e-9)) + 1) / (math.log10(self.top) + 1) * 100)


def bar(item: ColumnRecord, scale: Scale) -> str:
    """A feature on the scale, with a line at the threshold; nothing where it was not compared."""
    value = severity(item)
    if value is None:
        return ""
    return (
        f"<div class='far'><div class='bar' aria-hidden='true'><i style='width:{scale.at(value):.2f}%'></i>"
        f"<b style='left:{scale.at(1.0):.2f}%'></b></div>"
        f"<span class='number'>{thresholds_text(value)}&#160;&#215;</span></div>"
    )


def thresholds_text(value: float) -> str:
    """So many thresholds, in digits in which what has not reached one does not look as if it had.

    >>> thresholds_text(6.404), thresholds_text(0.96)
    ('6.4', '0.96')
    """
    return distinct(value, 1.0, lambda each, more: f"{each:,.{1 + more}f}")[0]


def changes(relations: Sequence[RelationRecord]) -> str:
    """What single features say about the label, then and now, as a list of lines from one dot to another."""
    axis = _Axis.over([value for item in relations for value in (item.ref, item.cur)], coin=0.5)
    rows = [
        _change(axis, name_html(item.name), item.ref, item.cur, lost=item.lost >= _LOST, text="{:.2f}".format)
        for item in relations
    ]
    return f"<ul class='changes'>{''.join(rows)}</ul>"


def classes(shares: Sequence[ClassRecord]) -> str:
    """The shares of the classes of a label, then and now, likewise."""
    axis = _Axis.over([value for item in shares for value in (item.ref, item.cur)], coin=None)
    rows = [
        _change(axis, name_html(item.name), item.ref, item.cur, lost=False, text="{:.1%}".format) for item in shares
    ]
    return f"<ul class='changes'>{''.join(rows)}</ul>"


def segments(named: Sequence[SegmentRecord], rule: Measure) -> str:
    """The measure of the model in each segment, then and now, likewise, with what the segment is."""
    coin = None if rule.lower_is_better else 0.5
    axis = _Axis.over([value for item in named for value in (item.ref, item.cur)], coin)
    rows = [
        _change(axis, _about(item, rule), item.ref, item.cur, lost=True, text=partial(value_text, rule))
        for item in named
    ]
    return f"<ul class='changes'>{''.join(rows)}</ul>"


def _about(item: SegmentRecord, rule: Measure) -> str:
    """The name of a segment, its share of the entities, and its drop beside that of the others."""
    drop, rest = ("" if value is None else drop_text(rule, value) for value in (item.drop.value, item.rest_drop))
    return (
        f"{name_html(item.name)} <span class='soft small'>{item.share_cur:.0%} of entities, {item.share_ref:.0%} then; "
        f"{rule.drop_word} {drop}, elsewhere {rest}</span>"
    )


@dataclass(frozen=True)
class _Axis:
    """Where values are on a line; `coin` is what chance gives, or None."""

    low: float
    high: float
    coin: float | None

    @classmethod
    def over(cls, values: Sequence[float], coin: float | None) -> "_Axis":
        if coin is None:
            return cls(0.0, max(values) * 1.05 or 1.0, None)
        return cls(min(0.45, *values) - 0.02, max(0.55, *values) + 0.02, coin)

    def at(self, value: float) -> float:
        """In percent of the length."""
        return (value - self.low) / (self.high - self.low) * 100


def _change(axis: _Axis, name: str, ref: float, cur: float, *, lost: bool, text: Callable[[float], str]) -> str:
    then, now = axis.at(ref), axis.at(cur)
    kind = " class='lost'" if lost else ""
    coin = "" if axis.coin is None else f"<span class='coin' style='left:{axis.at(axis.coin):.2f}%'></span>"
    return (
        f"<li{kind}><span>{name}</span><span class='line' aria-hidden='true'>{coin}"
        f"<span class='span' style='left:{min(then, now):.2f}%;width:{abs(then - now):.2f}%'></span>"
        f"<span class='from' style='left:{then:.2f}%'></span><span class='to' style='left:{now:.2f}%'></span></span>"
        f"<span class='value'>{text(ref)} <span aria-hidden='true'>→</span> {text(cur)}</span></li>"
    )
