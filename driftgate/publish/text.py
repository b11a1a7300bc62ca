"""The lines on standard output that scripts read, and the Markdown that people read."""

import math
from collections.abc import Sequence
from html import escape

from driftgate.drift.result import ColumnResult, TargetDrift
from driftgate.publish.record import Run


def target_line(target: TargetDrift) -> str:
    """`[Target drift] ...`, with the reason behind it where the difference is not computable."""
    why = f" ({' '.join(target.reason.split())})" if target.reason else ""
    return f"[Target drift] ref_rate={target.ref:.4f} cur_rate={target.cur:.4f} abs_diff={target.abs_diff:.4f}{why}"


def decision_line(run: Run) -> str:
    """`[Evidently] ...`: the reports, the share, the verdict and the comparisons it rests on."""
    return (
        f"[Evidently] report_html={run.paths.html} report_json={run.paths.json} "
        f"drift_share={run.drift.drift_share:.2f} -> {run.decision.label} {', '.join(run.decision.reasons)} "
        f"(target_drift={run.target.abs_diff:.4f})"
    )


def verdict_markdown(run: Run) -> str:
    """A page that answers at a glance: the verdict, why, and the columns that moved."""
    drift, target = run.drift, run.target
    moved = [item for item in drift.worst_first if item.drifted]
    sample = (
        f"\n\n_A seeded sample is compared: {drift.compared_rows_ref:,} of {drift.rows_ref:,} and "
        f"{drift.compared_rows_cur:,} of {drift.rows_cur:,} entities._"
        if drift.sampled
        else ""
    )
    why = f" ({target.reason})" if target.reason else ""
    return (
        f"# {run.decision.label}\n\n"
        f"**{run.monitor.name}**, {drift.as_of_ref} against {drift.as_of_cur}: "
        + "; ".join(f"`{reason}`" for reason in run.decision.reasons)
        + f"\n\n- {len(drift.drifted)} of {len(drift.columns)} declared features drift"
        + f"\n- label: {_plain(target.ref)} then, {_plain(target.cur)} now, "
        + f"a difference of {_plain(target.abs_diff)}{why}"
        + f"\n- {drift.rows_ref:,} entities then, {drift.rows_cur:,} now"
        + f"\n- report: `{run.paths.html}`{sample}\n\n"
        + ("\n".join(_markdown_table(moved)) if moved else "No feature drifts.")
    )


def column_rows(columns: Sequence[ColumnResult]) -> list[dict[str, object]]:
    """The columns as rows of a table artifact, in the order given."""
    return [
        {
            "feature": item.name,
            "drifted by": item.drifted_by or "-",
            "state": str(item.state),
            "method": item.method or "-",
            "score": _plain(item.score),
            "threshold": _plain(item.threshold),
            "missing then": _plain(item.missing_ref),
            "missing now": _plain(item.missing_cur),
            "detail": item.detail,
        }
        for item in columns
    ]


def _markdown_table(columns: Sequence[ColumnResult]) -> list[str]:
    head = ["| feature | drifts by | score | threshold | method |", "|---|---|---|---|---|"]
    return head + [
        f"| {_cell(item.name)} | {item.drifted_by} | {_plain(item.score)} | {_plain(item.threshold)} | "
        f"{_cell(item.method or item.detail)} |"
        for item in columns
    ]


def _cell(text: str) -> str:
    """Text that neither ends its cell nor is taken for HTML."""
    return escape(" ".join(text.split()), quote=False).replace("|", "&#124;")


def _plain(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
