"""The page that `index` writes: pure, from records to HTML. All text is escaped, and nothing is fetched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path

from driftgate.performance.result import PerformanceState
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import PerformanceRecord

_CSS = Path(__file__).with_name("index.css")
# Months in a trend, and its size in pixels.
_MOST_POINTS = 60
_WIDTH, _HEIGHT, _EDGE, _FOOT = 320.0, 84.0, 8.0, 16.0


@dataclass(frozen=True)
class Unreadable:
    """A record that is there and cannot be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """A record, and those of its files that are there: name and address relative to the page."""

    record: RunRecord
    files: tuple[tuple[str, str], ...]

    @property
    def tone(self) -> str:
        """`alarm` where the verdict asks for something to be done, `wait` where that is held back, else `calm`."""
        if self.record.triggered:
            return "alarm"
        return "wait" if self.record.held_back else "calm"

    @property
    def order(self) -> tuple[date, date, datetime]:
        """Later is newer: by month, then by the month it is compared with, then by when it was decided."""
        as_of_ref, as_of_cur = self.record.pair
        decided_at = self.record.decided_at
        # A record that was written by hand may lack the zone.
        return as_of_cur, as_of_ref, decided_at if decided_at.tzinfo else decided_at.replace(tzinfo=UTC)


def render(entries: Sequence[Entry], broken: Sequence[Unreadable]) -> str:
    """The page as HTML.

    Args:
        entries: newest first; a monitor comes where its newest entry does.
        broken: listed below them.
    """
    monitors: dict[str, list[Entry]] = {}
    for entry in entries:
        monitors.setdefault(entry.record.monitor, []).append(entry)
    parts = [_section(name, of_monitor) for name, of_monitor in monitors.items()]
    if broken:
        parts.append(_broken(broken))
    if not parts:
        parts.append("<section><p>No report yet: <code>driftgate monitor</code> writes the first.</p></section>")
    count = f"{len(entries)} {'pair' if len(entries) == 1 else 'pairs'} of months judged"
    last = max((entry.record.decided_at for entry in entries), key=lambda when: when.timestamp(), default=None)
    when = f", the last on {_moment(last)}" if last else ""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>Drift reports</title>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<style>\n{_CSS.read_text(encoding='utf-8')}</style></head>\n<body>\n"
        f"<header><h1>Drift reports</h1><p class='soft'>{count}{when}.</p></header>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body></html>\n"
    )


def _section(name: str, entries: Sequence[Entry]) -> str:
    newest = entries[0]
    record = newest.record
    rows = "\n".join(map(_row, entries))
    return (
        f"<section><div class='head'><div><h2>{escape(name)}</h2><p>{_badge(newest)} for {record.inputs.as_of_cur}: "
        f"{record.drifted_features} of {record.declared_features} features drift.{_performance(record.performance)}</p>"
        f"</div>{_trend(entries)}</div>\n"
        "<div class='scroll'><table><thead><tr><th scope='col'>Month</th><th scope='col'>Verdict</th>"
        "<th scope='col'>Drift share</th><th scope='col'>Target drift</th><th scope='col'>AUC fall</th>"
        "<th scope='col'>Files</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></div></section>"
    )


def _performance(found: PerformanceRecord | None) -> str:
    if found and found.auc:
        return f" AUC {found.auc.ref:.2f} then, {found.auc.cur:.2f} now."
    return " Performance is pending." if found and found.state is PerformanceState.PENDING else ""


def _row(entry: Entry) -> str:
    record, pair = entry.record, entry.record.inputs
    files = "".join(f"<a href='{escape(address)}'>{name}</a>" for name, address in entry.files)
    reasons = escape("; ".join(record.reasons))
    return (
        f"<tr><td class='month'><b>{pair.as_of_cur}</b><span class='why soft'>against {pair.as_of_ref}</span></td>"
        f"<td>{_badge(entry)}<span class='why soft'>{reasons}; decided {_moment(record.decided_at)}</span></td>"
        f"<td class='share'>{record.drift_share:.2f} <span class='soft'>({record.drifted_features} of "
        f"{record.declared_features})</span>{_bar(entry)}</td>"
        f"<td class='target'>{_target(record)}</td><td class='auc'>{_auc_drop(record)}</td>"
        f"<td class='files'>{files}</td></tr>"
    )


def _badge(entry: Entry) -> str:
    verdict = f"<span class='badge {entry.tone}'>{escape(entry.record.verdict)}</span>"
    return f"{verdict} <span class='badge wait'>held back</span>" if entry.record.held_back else verdict


def _bar(entry: Entry) -> str:
    record = entry.record
    over = " alarm" if record.drift_share >= record.threshold else ""
    return (
        f"<div class='bar{over}' title='threshold {record.threshold:.2f}'>"
        f"<i style='width:{record.drift_share:.1%}'></i><b style='left:{record.threshold:.1%}'></b></div>"
    )


def _target(record: RunRecord) -> str:
    target = record.target
    if target.abs_diff is not None:
        return f"{target.abs_diff:.4f}"
    if target.pending:
        return _hint("<span class='badge wait'>pending</span>", target.reason)
    return _hint("<span class='soft'>not computable</span>", target.reason)


def _auc_drop(record: RunRecord) -> str:
    """The drop of the AUC, or why there is none; the interval is a hint."""
    found = record.performance
    if found is None:
        return "<span class='soft'>not recorded</span>"
    if found.state is PerformanceState.PENDING:
        return _hint("<span class='badge wait'>pending</span>", found.reason)
    if found.auc is None:
        return _hint(f"<span class='soft'>{found.state}</span>", found.reason)
    auc = found.auc
    model = f"champion v{found.champion}" if found.champion else "a probe model, as there is no champion"
    shown = f"<b class='dropped'>{auc.drop:z.2f}</b>" if record.auc_dropped else f"{auc.drop:z.2f}"
    interval = f"95% interval {auc.drop_low:z.2f} to {auc.drop_high:z.2f}, threshold {found.threshold:.2f}; {model}"
    return _hint(shown, interval) + f"<span class='why soft'>{auc.ref:.2f} then, {auc.cur:.2f} now</span>"


def _hint(shown: str, text: str) -> str:
    """Something with an explanation that shows under the mouse and on focus, and that a screen reader reads out."""
    if not text:
        return shown
    return f"<span class='hint' tabindex='0'>{shown}<span class='tip'>{escape(text)}</span></span>"


def _trend(entries: Sequence[Entry]) -> str:
    """The drift share by month as a line, its threshold as a dashed one; nothing for a single month."""
    by_month = {entry.record.inputs.as_of_cur: entry for entry in reversed(entries)}
    shown = [by_month[month] for month in sorted(by_month)][-_MOST_POINTS:]
    if len(shown) < 2:
        return ""
    top = max(0.1, *(max(entry.record.drift_share, entry.record.threshold) for entry in shown))
    marks = list(zip(_across(len(shown)), shown, strict=True))
    share = " ".join(f"{x:.1f},{_down(entry.record.drift_share / top):.1f}" for x, entry in marks)
    limit = " ".join(f"{x:.1f},{_down(entry.record.threshold / top):.1f}" for x, entry in marks)
    dots = "".join(
        f"<circle class='{entry.tone}' cx='{x:.1f}' "
        f"cy='{_down(entry.record.drift_share / top):.1f}' r='3'>"
        f"<title>{entry.record.inputs.as_of_cur}: {entry.record.drift_share:.2f}</title></circle>"
        for x, entry in marks
    )
    first, last = shown[0].record, shown[-1].record
    label = (
        f"Drift share from {first.inputs.as_of_cur} to {last.inputs.as_of_cur}: "
        f"{first.drift_share:.2f} then, {last.drift_share:.2f} now, threshold {last.threshold:.2f}"
    )
    return (
        f"<svg class='trend' viewBox='0 0 {_WIDTH:.0f} {_HEIGHT:.0f}' role='img' aria-label='{label}'>"
        f"<line class='base' x1='0' x2='{_WIDTH:.0f}' y1='{_down(0):.1f}' y2='{_down(0):.1f}'/>"
        f"<polyline class='limit' points='{limit}'/><polyline class='share' points='{share}'/>{dots}"
        f"<text x='{_EDGE:.0f}' y='{_HEIGHT - 3:.0f}'>{first.inputs.as_of_cur}</text>"
        f"<text x='{_WIDTH - _EDGE:.0f}' y='{_HEIGHT - 3:.0f}' text-anchor='end'>{last.inputs.as_of_cur}</text></svg>"
    )


def _across(count: int) -> Iterator[float]:
    step = (_WIDTH - 2 * _EDGE) / (count - 1)
    return (_EDGE + step * position for position in range(count))


def _down(part: float) -> float:
    """Where a part of the full height, in [0, 1], is drawn, in pixels from the top."""
    return _HEIGHT - _FOOT - part * (_HEIGHT - _FOOT - _EDGE)


def _moment(when: datetime) -> str:
    when = when.astimezone(UTC) if when.tzinfo else when
    return f"<time datetime='{when.isoformat()}'>{when:%Y-%m-%d %H:%M} UTC</time>"


def _broken(broken: Sequence[Unreadable]) -> str:
    items = "".join(f"<li><code>{escape(item.path)}</code>: {escape(item.reason)}</li>" for item in broken)
    return (
        "<section class='broken'><h2>Unreadable records</h2><p>What these pairs came to is not known here. Run them "
        f"again, or delete the files.</p><ul>{items}</ul></section>"
    )
