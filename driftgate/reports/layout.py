"""What the pages have in common: one head with one style sheet, the way back, the answer, times. Nothing is fetched."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from driftgate.reports.notes import loaded_note, missing_note, start_note, waiting_note
from driftgate.reports.pills import pills_html
from driftgate.reports.sentences import headline, next_step, tone
from driftgate.reports.words import month_name
from driftgate.store.record import RunRecord

_CSS = Path(__file__).with_name("pages.css")


def page(title: str, path: Iterable[tuple[str, str]], main: str) -> str:
    """A whole page.

    Args:
        title: plain text.
        path: names and addresses of the pages above, the outermost first; an empty address is no link.
        main: HTML, with what comes from data escaped.
    """
    steps = "".join(f"<li>{_step(name, address)}</li>" for name, address in path)
    way = f"<nav aria-label='Where this page is'><ol class='path'>{steps}</ol></nav>\n" if steps else ""
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<style>\n{_CSS.read_text(encoding='utf-8')}</style></head>\n<body>\n"
        f"{way}<main>\n{main}\n</main>\n</body></html>\n"
    )


def _step(name: str, address: str) -> str:
    return link(name, address) if address else f"<span aria-current='page'>{escape(name)}</span>"


def link(name: str, address: str) -> str:
    """A link, with its name and address escaped."""
    return f"<a href='{escape(address)}'>{escape(name)}</a>"


def name_html(name: str) -> str:
    """A name of a column, escaped, that may break after an underscore."""
    return escape(name).replace("_", "_<wbr>")


def pair_text(record: RunRecord) -> str:
    """The months of a pair, such as `March 2024 against February 2024`."""
    as_of_ref, as_of_cur = record.pair
    return f"{month_name(as_of_cur)} against {month_name(as_of_ref)}"


def hero(record: RunRecord, earlier: Sequence[RunRecord], ways: str = "") -> str:
    """The top of a page: the answer, what waiting costs, which data are missing, and what to do.

    Args:
        record: the run.
        earlier: those before it on its series.
        ways: HTML that stands below.
    """
    about = f"<span class='soft small'>{escape(record.monitor)}, {pair_text(record)}</span>"
    return (
        f"<div class='hero {tone(record)}'><div class='badges'>{pills_html(record)}{about}</div>"
        f"<h1>{escape(headline(record, earlier))}</h1>{stakes(record)}{_next(record)}{ways}</div>"
    )


def stakes(record: RunRecord) -> str:
    """What a reader must not miss: the price of waiting, and the data that are missing; nothing where there is none."""
    notes = filter(None, (waiting_note(record), loaded_note(record), missing_note(record)))
    return "".join(f"<p class='stake'>{escape(note)}</p>" for note in notes)


def _next(record: RunRecord) -> str:
    step, note = next_step(record), start_note(record)
    return (
        f"<div class='next'><h2>What should be done?</h2><p>{escape(step.text)}</p>"
        + (f"<code>{escape(step.command)}</code>" if step.command else "")
        + (f"<p class='soft small'>{escape(note)}</p>" if note else "")
        + "</div>"
    )


def moment(when: datetime) -> str:
    """A time in UTC."""
    when = when.astimezone(UTC)
    return f"<time datetime='{when.isoformat()}'>{when:%Y-%m-%d %H:%M} UTC</time>"
