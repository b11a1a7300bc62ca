"""Past runs as lines on a terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from driftgate.decision import Decision, flips
from driftgate.performance.result import MEASURES
from driftgate.store.history import PastRun, decision_of

_RELATIONS_SHOWN = 5


def runs_table(runs: Sequence[PastRun]) -> list[str]:
    """One line for each run under a line of headings."""
    rows = [("reference", "current", "drift_share", "target_drift", "auc_drop", "verdict", "decided at (UTC)")]
    rows += [
        (
            str(run.as_of_ref),
            str(run.as_of_cur),
            _number(run.drift_share),
            _number(run.target_drift),
            _number(run.auc_drop),
            run.verdict + (", labels pending" if run.pending else ""),
            f"{run.decided_at:%Y-%m-%d %H:%M}",
        )
        for run in runs
    ]
    return _aligned(rows)


def run_lines(record: Mapping[str, Any]) -> list[str]:
    """One run from its record: the verdict with its reasons, what would flip it, performance, columns worst first."""
    inputs, decision = record["inputs"], decision_of(record)
    return [
        f"{record['monitor']}: {inputs['as_of_cur']} against {inputs['as_of_ref']}, decided at {record['decided_at']}",
        f"{record['verdict']}",
        *(f"  {reason}" for reason in record["reasons"]),
        *_flip_lines(decision),
        "",
        *_performance_lines(record.get("performance") or {}),
        *_column_lines(record["columns"]),
        "",
        f"report: {record['reports']['html']}",
    ]


def _flip_lines(decision: Decision) -> list[str]:
    changes = flips(decision)
    if decision.held_back:
        return ["no threshold would flip it: a signal is there, and it is held back"]
    if not changes:
        return ["no threshold would flip it"]
    if decision.triggered:
        return [f"it would be NO_ACTION with {' and '.join(changes)}"]
    return [f"it would trigger with {' or '.join(changes)}"]


def _performance_lines(found: Mapping[str, Any]) -> list[str]:
    measures = found.get("measures") or {}
    if not measures:
        return [f"performance: {found['reason']}", ""] if found.get("reason") else []
    who = f"champion v{found['champion']}" if found["champion"] else "a probe model"
    rows = [("measure", "then", "now", "difference", "95% interval")]
    rows += [
        (
            name,
            _number(item["ref"]),
            _number(item["cur"]),
            _number(item["difference"]),
            f"[{_number(item['low'])}, {_number(item['high'])}]",
        )
        for name, item in sorted(measures.items(), key=lambda pair: MEASURES.index(pair[0]))
    ]
    lost = ", ".join(
        f"{item['name']} {item['ref']:.2f} to {item['cur']:.2f}" for item in found["relations"][:_RELATIONS_SHOWN]
    )
    told = [f"what single features say about the label (AUC) changed most in: {lost}"] if lost else []
    head = f"performance of {who}, trained on {found['trained_on']}, on {found['users_cur']:,} users it has not seen:"
    return [head, *_aligned(rows), *told, ""]


def _column_lines(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [("feature", "drifts by", "score", "threshold", "method", "missing then", "now")]
    rows += [
        (
            item["name"],
            item["drifted_by"] or "-",
            _number(item["score"]),
            _number(item["threshold"]),
            item["method"] or item["state"],
            _number(item["missing_share_ref"]),
            _number(item["missing_share_cur"]),
        )
        for item in columns
    ]
    return _aligned(rows)


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
