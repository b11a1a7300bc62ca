"""The overview of all monitors: what needs a person today, then each monitor's newest answer. Pure, escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape

from driftgate.pairs import Pair
from driftgate.reports import charts
from driftgate.reports.chain import chain_text
from driftgate.reports.figures import figures
from driftgate.reports.layout import link, moment, page, pair_text, stakes
from driftgate.reports.notes import missing_note
from driftgate.reports.pills import pills, pills_html
from driftgate.reports.sentences import Tone, background, headline, next_step, tone
from driftgate.reports.series import chain, series_of
from driftgate.reports.words import month_name
from driftgate.store.record import RunRecord


@dataclass(frozen=True)
class Unreadable:
    """A record that is there and cannot be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """A record, and those of its files that are there: name and address relative to the page.

    Attributes:
        page: address of the verdict page, or empty.
        monitor_page: address of the page of its monitor, or empty.
    """

    record: RunRecord
    files: tuple[tuple[str, str], ...] = ()
    page: str = ""
    monitor_page: str = ""

    @property
    def order(self) -> tuple[date, datetime, date]:
        """Later is newer: by month, then by when it was decided."""
        as_of_ref, as_of_cur = self.record.pair
        decided_at = self.record.decided_at
        # A record that was written by hand may lack the zone.
        return as_of_cur, decided_at if decided_at.tzinfo else decided_at.replace(tzinfo=UTC), as_of_ref


def render(entries: Sequence[Entry], broken: Sequence[Unreadable]) -> str:
    """The page as HTML.

    Args:
        entries: newest first, as by `Entry.order`; a monitor comes where its newest entry does.
        broken: records that cannot be read.
    """
    monitors: dict[str, list[Entry]] = {}
    for entry in entries:
        monitors.setdefault(entry.record.monitor, []).append(entry)
    count = f"{len(entries)} {'pair' if len(entries) == 1 else 'pairs'} of months judged"
    last = max((entry.record.decided_at for entry in entries), default=None)
    when = f", the last on {moment(last)}" if last else ""
    parts = [
        f"<header style='margin-bottom:1.3rem'><h1>Driftgate</h1><p class='soft'>{count}{when}.</p></header>",
        _today(monitors, broken),
        *(_monitor(of_monitor) for of_monitor in monitors.values()),
    ]
    return page("Driftgate", (), "\n".join(filter(None, parts)))


def _today(monitors: dict[str, list[Entry]], broken: Sequence[Unreadable]) -> str:
    """What needs a person; that there is nothing is said too."""
    waiting = [entries for entries in monitors.values() if _needs_person(entries[0].record)]
    items = "".join(_task(entries) for entries in waiting)
    if not monitors and not broken:
        text = "<p>No month is judged yet: <code>driftgate monitor</code> judges the newest.</p>"
    elif not items and not broken:
        text = f"<p>Nothing needs a person: no monitor asks for a retraining.{_lacking(monitors)}</p>"
    else:
        text = f"<ul class='todo'>{items}</ul>" if items else ""
    return f"<section><h2>What needs a person today?</h2>{text}{_broken(broken)}</section>"


def _lacking(monitors: dict[str, list[Entry]]) -> str:
    """Of which monitors values are missing, although none asks for a retraining."""
    names = [name for name, entries in monitors.items() if missing_note(entries[0].record)]
    return escape(f" But values are missing in {', '.join(names)}.") if names else ""


def _needs_person(record: RunRecord) -> bool:
    return tone(record) is Tone.ACT


def _task(entries: Sequence[Entry]) -> str:
    record = entries[0].record
    step = next_step(record)
    command = f" <code>{escape(step.command)}</code>" if step.command else ""
    name = link(record.monitor, entries[0].page) if entries[0].page else escape(record.monitor)
    return (
        f"<li class='{tone(record)}'><b>{name}</b>, {month_name(record.inputs.as_of_cur)}. "
        f"{escape(headline(record, _records(entries)))}{stakes(record)}"
        f"<p class='soft'>{escape(step.text)}{command}</p></li>"
    )


def _records(entries: Sequence[Entry]) -> tuple[RunRecord, ...]:
    """The runs on the newest entry's series, that entry last."""
    return chain(entries[0].record, [entry.record for entry in entries])


def _monitor(entries: Sequence[Entry]) -> str:
    newest, shown = entries[0], _records(entries)
    record = newest.record
    name = escape(record.monitor)
    title = link(record.monitor, newest.monitor_page) if newest.monitor_page else name
    more = background(record, shown)
    # What needs a person has said it above.
    stake = "" if _needs_person(record) else stakes(record)
    links = [("Why, where and since when", newest.page), ("All months", newest.monitor_page)]
    ways = "".join(f"<li>{link(text, address)}</li>" for text, address in links if address)
    return (
        f"<section><div class='card'><div><h2>{title} {pills_html(record)}</h2>"
        f"<p class='answer'>{escape(headline(record, shown))}</p>{stake}"
        + (f"<p class='soft'>{escape(more)}</p>" if more else "")
        + _so_far(record)
        + f"<p class='small soft' style='margin-top:.6rem'>{pair_text(record)}"
        f"{_others(entries)}</p><ul class='files'>{ways}</ul></div>{_trend(shown)}</div>\n{_all(entries)}</section>"
    )


def _so_far(record: RunRecord) -> str:
    """How the pair came to its answer, where that is not its first."""
    text = chain_text(record)
    return f"<p class='soft'>So far: {escape(text)}.</p>" if text else ""


def _others(entries: Sequence[Entry]) -> str:
    """The same month against other references, so that answers that differ stand beside each other."""
    month = entries[0].record.inputs.as_of_cur
    same = [entry for entry in entries[1:] if entry.record.inputs.as_of_cur == month]
    texts = [
        f"against {month_name(each.inputs.as_of_ref)}: {pills(each)[0].words}" for each in (e.record for e in same)
    ]
    return escape(f"; {'; '.join(texts)}") if texts else ""


def _trend(shown: Sequence[RunRecord]) -> str:
    """The signal that decides, over the months; the share of features where none is reached."""
    reached = next((item.signal for item in figures(shown[-1]) if item.reached), "drift_share")
    name = charts.title(shown, reached)
    found = charts.points(shown, reached)
    drawn = charts.trend(found, name, charts.writer(shown, reached))
    return f"<figure><h3>{name}</h3>{drawn}{charts.ends(found)}</figure>"


def _all(entries: Sequence[Entry]) -> str:
    earlier = _earlier([entry.record for entry in entries])
    rows = "\n".join(_row(entry, earlier.get(entry.record.pair, ())) for entry in entries)
    return (
        f"<details><summary>All {len(entries)} answers</summary><div class='scroll'><table class='stack'><thead><tr>"
        "<th scope='col'>Month</th><th scope='col'>Against</th><th scope='col'>Answer</th>"
        "<th scope='col'>Files</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></div></details>"
        if len(entries) > 1
        else f"<ul class='files'>{_file_links(entries[0])}</ul>"
    )


def _earlier(records: Sequence[RunRecord]) -> dict[Pair, tuple[RunRecord, ...]]:
    """The records before each on the longest series that holds it."""
    found: dict[Pair, tuple[RunRecord, ...]] = {}
    for series in series_of(records):
        for number, record in enumerate(series.records):
            found[record.pair] = max(found.get(record.pair, ()), series.records[:number], key=len)
    return found


def _row(entry: Entry, earlier: Sequence[RunRecord]) -> str:
    record = entry.record
    as_of_ref, as_of_cur = record.pair
    name = month_name(as_of_cur)
    month = link(name, entry.page) if entry.page else name
    # The pill says what to do, and the sentence the reason.
    reason = headline(record, earlier).partition(": ")[2]
    return (
        f"<tr><th scope='row' class='nowrap'>{month}</th><td class='nowrap' data-name='against'>"
        f"{month_name(as_of_ref)}</td>"
        f"<td>{pills_html(record)}<br><span class='soft small' title='{escape('; '.join(record.reasons))}'>"
        f"{escape(reason[:1].upper() + reason[1:])}</span>"
        f"{_so_far(record)}</td>"
        f"<td><ul class='files' style='margin:0'>{_file_links(entry)}</ul></td></tr>"
    )


def _file_links(entry: Entry) -> str:
    return "".join(f"<li>{link(name, address)}</li>" for name, address in entry.files)


def _broken(broken: Sequence[Unreadable]) -> str:
    if not broken:
        return ""
    items = "".join(f"<li><code>{escape(item.path)}</code>: {escape(item.reason)}</li>" for item in broken)
    return (
        "<div class='broken act'><h3>Unreadable records</h3><p>What these pairs came to is not known here. Run them "
        f"again, or delete the files.</p><ul>{items}</ul></div>"
    )
