"""What commands print: lines for people, and a JSON document for programs, which docs/reference/json.md describes."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from driftgate.decision import flips
from driftgate.measures import MEASURES
from driftgate.reports.chain import chain_text
from driftgate.reports.notes import estimate_note, loaded_note, skew_note, waiting_note
from driftgate.reports.text import causes_text
from driftgate.store.performance_record import PerformanceRecord
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import ColumnRecord

_RELATIONS_SHOWN = 5


def runs_table(runs: Sequence[RunRecord]) -> list[str]:
    """One line for each run under a line of headings; how it came about stands last, where there was a change."""
    head = ("reference", "current", "drift_share", "target_drift", _drop_name(runs), "verdict", "decided at (UTC)")
    rows: list[tuple[str, ...]] = [(*head, "so far"), *map(_run_row, runs)]
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    return aligned(rows)


def _run_row(run: RunRecord) -> tuple[str, ...]:
    return (
        str(run.inputs.as_of_ref),
        str(run.inputs.as_of_cur),
        _number(run.drift_share),
        _number(run.target.abs_diff),
        _number(run.performance.drop if run.performance else None),
        run.verdict + (", labels pending" if run.pending else ""),
        f"{run.decided_at:%Y-%m-%d %H:%M}",
        chain_text(run),
    )


def _drop_name(runs: Sequence[RunRecord]) -> str:
    """The heading of the model's drop: by its measure, where all runs have the same."""
    names = {run.performance.rule.signal for run in runs if run.performance and run.performance.change}
    return "performance_drop" if len(names) > 1 else next(iter(names), "auc_drop")


def run_lines(record: RunRecord) -> list[str]:
    """One run from its record: the verdict with its reasons, what would flip it, performance, columns worst first."""
    as_of_ref, as_of_cur = record.pair
    return [
        f"{record.monitor}: {as_of_cur} against {as_of_ref}, decided at {record.decided_at.isoformat()}",
        record.verdict,
        *(f"  {reason}" for reason in record.reasons),
        *_flip_lines(record),
        *filter(None, [waiting_note(record), loaded_note(record), estimate_note(record), skew_note(record)]),
        *_chain_lines(record),
        "",
        *_performance_lines(record.performance),
        *_column_lines(record.columns),
        "",
        f"report: {record.reports.html_file or 'not drawn'}",
    ]


def runs_document(monitor: str, runs: Sequence[RunRecord]) -> str:
    """The runs of a monitor in the order given, each as its record, without the features."""
    records = [{name: value for name, value in run.content.items() if name != "columns"} for run in runs]
    return json_text({"monitor": monitor, "runs": records})


def run_document(record: RunRecord) -> str:
    """One run as its record."""
    return json_text(record.content)


def months_document(monitor: str, months: Sequence[date]) -> str:
    """The loaded months of a monitor in the order given."""
    return json_text({"monitor": monitor, "months": [month.isoformat() for month in months]})


def _flip_lines(record: RunRecord) -> list[str]:
    decision = record.decision
    changes = flips(decision)
    if decision.held_back:
        return ["no threshold would flip it: a signal is there, and it is held back"]
    if not changes:
        return ["no threshold would flip it"]
    if decision.triggered:
        return [f"it would be NO_ACTION with {' and '.join(changes)}"]
    return [_if_it_signalled(record, " or ".join(changes))]


def _if_it_signalled(record: RunRecord, changes: str) -> str:
    """What comes of a signal: a trigger, unless a rule of the monitor holds it back."""
    inputs = record.inputs
    gain = record.performance.gain.gain if record.performance and record.performance.gain else None
    if inputs.require_gain and gain is not None and gain.computed and not gain.surely_positive:
        return f"with {changes} there would be a signal, held back by require_gain: the gain is {gain.text}"
    if (inputs.confirmations or 1) > 1 or inputs.cooldown_days or inputs.own_past:
        return f"with {changes} there would be a signal; it triggers unless a rule of the monitor holds it back"
    return f"it would trigger with {changes}"


def _chain_lines(record: RunRecord) -> list[str]:
    if not record.earlier:
        return []
    lines = [f"decisions of this pair so far: {chain_text(record)}"]
    for past in record.earlier:
        codes = f" ({', '.join(past.reason_codes)})" if past.reason_codes else ""
        model = f"v{past.champion}" if past.champion else "no champion"
        withdrawn = ", withdrawn" if past.withdrawn else ""
        lines.append(f"  {past.decided_at:%Y-%m-%d %H:%M} {past.verdict}{codes}, {model}{withdrawn}")
    return lines


def _performance_lines(found: PerformanceRecord | None) -> list[str]:
    if found is None or not found.measures:
        return [f"performance: {found.reason}", ""] if found and found.reason else []
    model = f"champion v{found.champion}" if found.champion else "a probe model"
    rows = [("measure", "then", "now", "difference", "95% interval")]
    rows += [
        (
            name,
            _number(item.ref),
            _number(item.cur),
            _number(item.difference),
            f"[{_number(item.low)}, {_number(item.high)}]",
        )
        for name, item in sorted(found.measures.items(), key=lambda pair: list(MEASURES).index(pair[0]))
    ]
    changed = ", ".join(f"{item.name} {item.ref:.2f} to {item.cur:.2f}" for item in found.relations[:_RELATIONS_SHOWN])
    about = f"what single features say about the label ({found.rule.short}), the greatest loss first"
    relations = [f"{about}: {changed}"] if changed else []
    if found.decision_threshold is not None:
        model += f", which predicts 1 from a probability of {found.decision_threshold} on"
    head = f"performance of {model}, trained on {found.trained_on}, on {found.users_cur:,} entities it has not seen:"
    gain = [f"gain in {found.rule.unit} of a model trained on this month: {found.gain.gain.text}"] if found.gain else []
    causes = [causes_text(found.causes.causes)] if found.causes and found.causes.code is None else []
    return [head, *aligned(rows), *relations, *causes, *_cost_lines(found), *_segment_lines(found), *gain, ""]


def _cost_lines(found: PerformanceRecord) -> list[str]:
    """What the change of each feature costs, the most costly first; nothing where the drop was not explained."""
    if not found.feature_costs:
        return []
    rows = [("  feature", f"cost in {found.rule.unit}", "95% interval")]
    rows += [
        (
            f"  {item.name}",
            _number(item.cost.value),
            item.reason or f"[{_number(item.cost.low)}, {_number(item.cost.high)}]",
        )
        for item in found.feature_costs
    ]
    head = "what the change of each feature alone costs the model, if the features mean what they meant:"
    return [head, *aligned(rows)]


def _segment_lines(found: PerformanceRecord) -> list[str]:
    """Where the drop is; nothing where it was not looked for."""
    where, rule = found.segments, found.rule
    if where is None or where.code is not None:
        return []
    if not where.named:
        return [f"the {rule.drop_word} is in no segment surely greater than elsewhere, of {where.tested}"]
    rows = [("  segment", "entities then", "now", "share", f"{rule.short} then", "now", rule.drop_word, "elsewhere")]
    rows += [
        (
            f"  {item.name}",
            f"{item.entities_ref:,}",
            f"{item.entities_cur:,}",
            f"{item.share_cur:.0%}",
            rule.text(item.ref),
            rule.text(item.cur),
            f"{_number(item.drop.value)} [{_number(item.drop.low)}, {_number(item.drop.high)}]",
            _number(item.rest_drop),
        )
        for item in where.named
    ]
    return [f"the {rule.drop_word} is greatest in these segments, of {where.tested}:", *aligned(rows)]


def _column_lines(columns: Sequence[ColumnRecord]) -> list[str]:
    rows = [("feature", "drifts by", "score", "threshold", "by chance", "method", "missing then", "now", "by chance")]
    rows += [
        (
            item.name,
            item.drifted_by or "-",
            _number(item.score),
            _number(item.threshold),
            _number(item.chance),
            item.method or str(item.state),
            _number(item.missing_share_ref),
            _number(item.missing_share_cur),
            _number(item.missing_chance),
        )
        for item in columns
    ]
    return aligned(rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:z.4f}"


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines whose columns stand below each other."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def json_text(content: dict[str, Any]) -> str:
    """A document of a command."""
    return json.dumps(content, indent=2, allow_nan=False)
