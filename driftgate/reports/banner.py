"""The head of an Evidently report: the verdict in a sentence, and that Evidently's own count does not decide it."""

from collections.abc import Collection
from html import escape

from driftgate.drift.result import ColumnState
from driftgate.reports.sentences import answer, tone
from driftgate.run import Run
from driftgate.store.record import RunRecord

_STYLE = """
.driftgate{font-family:Roboto,Helvetica,Arial,sans-serif;color:#222;margin:24px auto;max-width:1180px;padding:0 16px}
.driftgate>div{border:1px solid #ddd;border-top:5px solid #17653c;border-radius:10px;padding:18px 22px}
.driftgate .act{border-top-color:#b3261e}
.driftgate .wait{border-top-color:#7d4e00}
.driftgate .known{border-top-color:#2c5da0}
.driftgate h1{font-size:22px;line-height:1.3;margin:4px 0 8px}
.driftgate p{font-size:15px;line-height:1.5;margin:4px 0;color:#444}
.driftgate a{color:#2c5da0}
"""


def with_banner(html: str, run: Run, drawn: Collection[str] | None = None) -> str:
    """Put the banner of a run at the head of an HTML page; what comes from data is escaped.

    Args:
        html: Evidently's page.
        run: what it is about.
        drawn: names of what the page shows; all of the run where it is None.
    """
    # The line break is part of the pattern, because a JSON string may hold any text but no line break.
    head, body, rest = html.partition("</head>\n    <body>\n")
    banner = _banner(run, drawn)
    return f"{head}{body}{banner}{rest}" if body else banner + html


def _banner(run: Run, drawn: Collection[str] | None) -> str:
    drift, record = run.drift, RunRecord.of(run)
    return (
        f"<style>{_STYLE}</style><section class='driftgate'><div class='{tone(record)}'>"
        f"<p>{escape(run.monitor.name)}: {drift.as_of_cur} against {drift.as_of_ref}: "
        f"<b>{escape(run.decision.label)}</b></p><h1>{escape(answer(record))}</h1>"
        f"<p>The verdict is decided by more than the count of drifted columns below: by the {len(drift.drifted)} of "
        f"{len(drift.columns)} declared features that moved by more than chance, and by the model and the label. "
        f"<a href='{escape(run.paths.page.name)}'>The verdict page</a> has all of it.</p>"
        f"{_left_out(run, drawn)}</div></section>"
    )


def _left_out(run: Run, drawn: Collection[str] | None) -> str:
    compared = [column.name for column in run.drift.columns if column.state is ColumnState.COMPARED]
    shown = [name for name in compared if drawn is None or name in drawn]
    if len(shown) == len(compared):
        return ""
    return (
        f"<p>Of {len(compared)} features that were compared, this report draws the {len(shown)} that moved furthest, "
        "and its own counts are of these. All of them stand on the verdict page and in the record.</p>"
    )
