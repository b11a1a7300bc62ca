"""The head of a report page: the verdict, what was compared, and how far each column is from its threshold."""

import math
from html import escape

from driftgate.drift.result import ColumnResult, ColumnState, DriftResult
from driftgate.reports.text import figure_lines
from driftgate.run import Run

# A bar is full at this many times the threshold.
_FULL = 3.0

_STYLE = """
.driftgate{font-family:Roboto,Helvetica,Arial,sans-serif;color:#222;margin:24px auto;max-width:1180px;padding:0 16px}
.driftgate h1{font-size:26px;margin:0 0 4px}
.driftgate p{margin:4px 0 14px}
.driftgate .verdict{font-size:18px}
.driftgate table{border-collapse:collapse;width:100%;font-size:14px}
.driftgate th{text-align:left;font-weight:500;color:#666;padding:4px 8px}
.driftgate td{padding:3px 8px;border-top:1px solid #eee;white-space:nowrap}
.driftgate .bar{position:relative;width:260px;height:14px;background:#f2f2f2}
.driftgate .bar i{position:absolute;left:0;top:0;bottom:0;background:#9aa5b1}
.driftgate .bar b{position:absolute;top:-2px;bottom:-2px;width:2px;background:#222}
.driftgate .drifted .bar i{background:#ed0400}
.driftgate .drifted td:first-child{font-weight:600}
"""


def with_banner(html: str, run: Run) -> str:
    """Put the banner of a run at the head of an HTML page; what comes from data is escaped."""
    # The line break is part of the pattern, because a JSON string may hold any text but no line break.
    head, body, rest = html.partition("</head>\n    <body>\n")
    banner = _banner(run)
    return f"{head}{body}{banner}{rest}" if body else banner + html


def _banner(run: Run) -> str:
    drift = run.drift
    rows = "".join(_row(item) for item in drift.worst_first)
    return (
        f"<style>{_STYLE}</style><section class='driftgate'>"
        f"<h1>{escape(run.monitor.name)}: {drift.as_of_cur} against {drift.as_of_ref}</h1>{_verdict(run)}"
        f"<p><b>{len(drift.drifted)} of {len(drift.columns)}</b> declared features drift: drift_share "
        f"{drift.drift_share:.2f}, threshold {run.monitor.threshold:.2f}. {drift.rows_ref:,} entities then, "
        f"{drift.rows_cur:,} now.</p>{_sample(drift, run.monitor.sample_seed)}{_excluded(drift)}"
        f"{_prediction(drift.prediction)}"
        "<table><tr><th>feature</th><th>distance from its threshold (line)</th><th>score</th><th>threshold</th>"
        "<th>by chance</th><th>method</th><th>missing then</th><th>now</th><th>drifts by</th></tr>"
        f"{rows}</table></section>"
    )


def _verdict(run: Run) -> str:
    reasons = "; ".join(escape(reason) for reason in run.decision.reasons)
    figures = "<br>".join(escape(line) for line in figure_lines(run))
    return f"<p class='verdict'><b>{escape(run.decision.label)}</b>: {reasons}</p><p>{figures}</p>"


def _sample(drift: DriftResult, seed: int) -> str:
    if not drift.sampled:
        return ""
    return (
        f"<p><b>A seeded sample is compared</b> (seed {seed}): {drift.compared_rows_ref:,} of "
        f"{drift.rows_ref:,} and {drift.compared_rows_cur:,} of {drift.rows_cur:,} entities.</p>"
    )


def _excluded(drift: DriftResult) -> str:
    if not drift.excluded:
        return ""
    names = ", ".join(f"{escape(name)} ({escape(reason)})" for name, reason in drift.excluded)
    return f"<p>Not features, and not counted: {names}.</p>"


def _prediction(item: ColumnResult | None) -> str:
    if item is None:
        return ""
    moved = "have moved" if item.drifted else "have not moved"
    return (
        f"<p>The champion's scores {moved}: {escape(item.method)} {item.score:.4f}, threshold {item.threshold:.4f}. "
        "They are compared like a feature and not counted as one.</p>"
    )


def _row(item: ColumnResult) -> str:
    kind = " class='drifted'" if item.drifted else ""
    what = item.method if item.state is ColumnState.COMPARED else f"{item.state}: {item.detail}"
    return (
        f"<tr{kind}><td>{escape(item.name)}</td><td>{_bar(item)}</td><td>{_number(item.score)}</td>"
        f"<td>{_number(item.threshold)}</td><td>{_number(item.chance)}</td><td>{escape(what)}</td><td>{_share(item.missing_ref)}</td>"
        f"<td>{_share(item.missing_cur)}</td><td>{escape(item.drifted_by)}</td></tr>"
    )


def _bar(item: ColumnResult) -> str:
    filled = min(item.severity, _FULL) / _FULL * 100
    return f"<div class='bar'><i style='width:{filled:.1f}%'></i><b style='left:{100 / _FULL:.1f}%'></b></div>"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1%}"
