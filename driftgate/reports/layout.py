"""What the pages have in common: one head with one style sheet, the way back, badges, times. Nothing is fetched."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from driftgate.decision import Verdict
from driftgate.reports.sentences import Tone, tone
from driftgate.store.record import RunRecord

_CSS = Path(__file__).with_name("pages.css")
_LABELS = {Tone.ACT: "Retrain", Tone.WAIT: "Wait", Tone.KNOWN: "Known", Tone.CALM: "Calm"}


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


def verdict_badge(record: RunRecord) -> str:
    """The verdict as it is printed, in the colour of its tone, with what keeps it from being the last word.

    A trigger of the pair that was acted on stays to be seen, before the verdict that followed.
    """
    more = (["held back"] if record.held_back else []) + (["labels pending"] if record.pending else [])
    badges = [f"<span class='badge {tone(record)}'>{escape(record.verdict)}</span>"]
    badges += [f"<span class='badge wait'>{text}</span>" for text in more]
    earlier = [item.verdict for item in record.earlier if not item.withdrawn]
    triggers = [verdict for verdict in earlier if verdict.startswith(Verdict.RETRAINING_TRIGGERED)]
    if triggers and not record.triggered:
        red = f"<span class='badge {Tone.ACT}'>{escape(triggers[-1])}</span>"
        badges = [red, "<span class='soft small'>then</span>", *badges]
    return " ".join(badges)


def tone_label(record: RunRecord) -> str:
    """The answer in one word."""
    return _LABELS[tone(record)]


def moment(when: datetime) -> str:
    """A time in UTC."""
    when = when.astimezone(UTC)
    return f"<time datetime='{when.isoformat()}'>{when:%Y-%m-%d %H:%M} UTC</time>"
