"""The lines on standard output that scripts read, and the Markdown that people read."""

import math
from collections.abc import Sequence
from html import escape

from driftgate.drift.result import ColumnResult, TargetDrift
from driftgate.performance.findings import Causes
from driftgate.performance.interval import bounds
from driftgate.performance.result import UNSAID, Estimate, Gain, Performance, PerformanceState
from driftgate.reports.notes import group_note, skew_note
from driftgate.reports.sentences import explanation, headline, next_step
from driftgate.run import Run
from driftgate.store.record import RunRecord

_RELATIONS_SHOWN = 8
_COSTS_SHOWN = 3
_CLASSES_SHOWN = 3


def target_line(target: TargetDrift) -> str:
    """`[Target drift] ...`, with the reason behind it where the difference is not computable."""
    why = f" ({' '.join((target.reason or _moved_classes(target)).split())})"
    why = "" if why == " ()" else why
    return f"[Target drift] ref_rate={target.ref:.4f} cur_rate={target.cur:.4f} abs_diff={target.abs_diff:.4f}{why}"


def _moved_classes(target: TargetDrift) -> str:
    """The classes of the label whose shares moved furthest; empty where it has none."""
    if not target.classes:
        return ""
    named = target.classes[:_CLASSES_SHOWN]
    moved = ", ".join(f"{item.name} {item.ref:.4f} to {item.cur:.4f}" for item in named)
    return f"{len(target.classes)} classes: {moved}{', ...' if len(target.classes) > len(named) else ''}"


def performance_line(found: Performance) -> str:
    """`[Performance] ...`: the measure then and now and the interval of its drop, or why there is none."""
    note = f" ({found.passed_over.text})" if found.passed_over else ""
    if not found.measured:
        return f"[Performance] {' '.join(found.reason.split()) or found.state}{note}"
    return (
        f"[Performance] champion={found.model} ref_{found.measure}={_measured(found, found.change.ref)} "
        f"cur_{found.measure}={_measured(found, found.change.cur)} "
        f"drop={found.drop:z.2f} {bounds(*found.drop_interval)}{note}"
    )


def _measured(found: Performance, value: float) -> str:
    """A value as scripts read it: without a separator of thousands."""
    return found.rule.text(value).replace(",", "")


def gain_line(gain: Gain) -> str:
    """`[Retrain] gain=...`: the AUC that a model trained on the current month would win, or the part of the error."""
    return f"[Retrain] gain={gain.text}" if gain.computed else f"[Retrain] gain {' '.join(gain.text.split())}"


def estimate_text(found: Estimate) -> str:
    """What labels to come are expected to give; what such an estimate cannot see is part of the sentence."""
    return (
        f"estimated before the labels: AUC {found.text}, {found.ref:.2f} in its own validation; an estimate that "
        "cannot see a change of what the features mean, and that decides nothing"
    )


def no_estimate_text(found: Estimate) -> str:
    """Why there is no estimate; empty where nobody expects one."""
    return "" if found.computed or found.code in UNSAID else f"no estimate before the labels come: {found.reason}"


def causes_text(found: Causes) -> str:
    """What other entities and what another meaning of the features cost, with their 95% intervals."""
    parts = f"{found.entities.text} is of other entities, {found.meaning.text} of what the features mean"
    return f"of the drop between the months, {parts}"


def feature_costs_text(found: Performance) -> str:
    """Which features cost the model by their own change, and how much, the most costly first."""
    sure = [item for item in found.feature_costs if item.cost.low > 0.0][:_COSTS_SHOWN]
    if not sure:
        return "no feature's own change surely costs the model anything"
    return f"by its own change alone, {'; '.join(f'{item.name} costs {item.cost.text}' for item in sure)}"


def segments_text(found: Performance) -> str:
    """Where the drop is: each segment with its share of the entities, its measure then and now, and the rest's drop."""
    named, rule = found.segments.named, found.rule
    if not named:
        return f"the {rule.drop_word} is in no segment surely greater than elsewhere, of {found.segments.tested}"
    texts = [
        f"{item.segment.name} ({item.share_cur:.0%} of entities), {rule.short} {rule.text(item.ref)} to "
        f"{rule.text(item.cur)}, {rule.drop_word} {item.drop.text}, elsewhere {item.rest_drop:z.2f}"
        for item in named
    ]
    return f"the {rule.drop_word} is greatest where {'; '.join(texts)}"


def figure_lines(run: Run) -> list[str]:
    """What was measured beside the features; without the lines on the model where its performance is off."""
    off = run.performance.state is PerformanceState.OFF
    of_model = [] if off else [performance_line(run.performance), gain_line(run.performance.gain)]
    return [target_line(run.target), *of_model]


def result_lines(run: Run) -> list[str]:
    """What a run prints on standard output."""
    return [*figure_lines(run), decision_line(run)]


def decision_line(run: Run) -> str:
    """`[Evidently] ...`: the reports, the share, the verdict and the comparisons it rests on."""
    return (
        f"[Evidently] report_html={run.paths.html} report_json={run.paths.json} "
        f"drift_share={run.drift.drift_share:.2f} -> {run.decision.label} {', '.join(run.decision.reasons)} "
        f"(target_drift={run.target.abs_diff:.4f})"
    )


def verdict_markdown(run: Run) -> str:
    """A page that answers at a glance: the sentence of the verdict page, the verdict, and the columns that moved."""
    drift, target, record = run.drift, run.target, RunRecord.of(run)
    step = next_step(record)
    command = f" `{step.command}`" if step.command else ""
    moved = [item for item in drift.worst_first if item.drifted]
    sample = (
        "\n\n_Every entity is counted. The report and the performance are of a seeded sample: "
        f"{drift.sample_rows_ref or drift.rows_ref:,} of {drift.rows_ref:,} and "
        f"{drift.sample_rows_cur or drift.rows_cur:,} of {drift.rows_cur:,} entities._"
        if drift.sampled
        else ""
    )
    groups = f"\n\n_{_cell(text)}_" if (text := group_note(record)) else ""
    return (
        f"# {_cell(headline(record))}\n\n{_cell(explanation(record))}\n\n**Next:** {_cell(step.text)}{command}\n\n"
        f"`{run.decision.label}` **{run.monitor.name}**, {drift.as_of_ref} against {drift.as_of_cur}: "
        + "; ".join(f"`{reason}`" for reason in run.decision.reasons)
        + f"\n\n- {len(drift.drifted)} of {len(drift.columns)} declared features drift"
        + f"\n- {_cell(label_text(target))}"
        + _performance_item(run.performance)
        + _gain_item(run.performance)
        + _prediction_item(drift.prediction)
        + f"\n- {_cell(skew_note(record))}"
        + f"\n- {drift.rows_ref:,} entities then, {drift.rows_cur:,} now"
        + f"\n- verdict page: `{run.paths.page}`, report: "
        + (f"`{run.paths.html}`" if run.drawn else "not drawn")
        + f"{sample}{groups}\n\n"
        + ("\n".join(_markdown_table(moved)) if moved else "No feature drifts.")
        + _relations(run.performance)
    )


def label_text(target: TargetDrift) -> str:
    """How far the label moved, what chance alone would give, and why there is no figure where there is none."""
    size = f"a difference of {_plain(target.abs_diff)}"
    by_chance = "" if math.isnan(target.chance) else f", {_plain(target.chance)} would be chance"
    if target.classes:
        return f"label: {_moved_classes(target)}, {size}{by_chance}"
    why = f" ({target.reason})" if target.reason else ""
    levels = f"{_plain(target.ref)} then, {_plain(target.cur)} now"
    return f"label: {levels}, {size}{by_chance}{_in_spreads(target)}{why}"


def _in_spreads(target: TargetDrift) -> str:
    found = target.in_spreads
    return "" if math.isnan(found) else f", {found:.2f} standard deviations of the label then"


def _performance_item(found: Performance) -> str:
    if found.state is PerformanceState.OFF:
        return ""
    note = f"; {found.passed_over.text}" if found.passed_over else ""
    if not found.measured:
        return f"\n- performance: {found.reason}{note}"
    low, high = found.drop_interval
    parts = " in parts of it" if found.rule.lower_is_better else ""
    return (
        f"\n- performance ({_measured_model(found)}, trained on {found.trained_on}): {found.rule.short} "
        f"{found.change.ref:.4f} in its own validation on that month, {found.change.cur:.4f} now, "
        f"a {found.rule.drop_word} of {found.drop:.4f}{parts} [{low:.4f}, {high:.4f}] on "
        f"{found.users_cur:,} entities it has not seen{note}"
    )


def _gain_item(found: Performance) -> str:
    if found.state is PerformanceState.OFF:
        return ""
    estimate = f"\n- {estimate_text(found.estimate)}" if found.estimate.computed else ""
    causes = f"\n- {causes_text(found.causes)}" if found.causes.split else ""
    costs = f"\n- {_cell(feature_costs_text(found))}" if found.feature_costs else ""
    where = f"\n- {_cell(segments_text(found))}" if found.segments.searched else ""
    gain = f"\n- gain in {found.rule.unit} of a model trained on this month: {found.gain.text}"
    return f"{estimate}{causes}{costs}{where}{gain}"


def _measured_model(found: Performance) -> str:
    if found.version is None:
        return "a probe model" if found.passed_over else "no champion; a probe model"
    return f"the earlier model v{found.version}" if found.passed_over else f"champion v{found.version}"


def _prediction_item(found: ColumnResult | None) -> str:
    if found is None:
        return ""
    moved = "moved" if found.drifted else "did not move"
    chance = "" if math.isnan(found.chance) else f", {_plain(found.chance)} would be chance"
    what = f"{found.method} {_plain(found.score)}, threshold {_plain(found.threshold)}{chance}"
    return f"\n- the champion's scores {moved}: {what}"


def _relations(found: Performance) -> str:
    if not found.relations:
        return ""
    lines = [
        "",
        "",
        f"What each feature alone says about the label ({found.rule.short}; 0.5 is nothing), most changed first:",
        "",
        "| feature | then | now | lost |",
        "|---|---|---|---|",
    ]
    shown = found.relations[:_RELATIONS_SHOWN]
    lines += [f"| {_cell(item.name)} | {item.ref:.3f} | {item.cur:.3f} | {item.lost:+.3f} |" for item in shown]
    return "\n".join(lines)


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
            "by chance": _plain(item.chance),
            "missing then": _plain(item.missing_ref),
            "missing now": _plain(item.missing_cur),
            "change by chance": _plain(item.missing_chance),
            "detail": item.detail,
        }
        for item in columns
    ]


def _markdown_table(columns: Sequence[ColumnResult]) -> list[str]:
    head = ["| feature | drifts by | score | threshold | by chance | method |", "|---|---|---|---|---|---|"]
    return head + [
        f"| {_cell(item.name)} | {item.drifted_by} | {_plain(item.score)} | {_plain(item.threshold)} | "
        f"{_plain(item.chance)} | "
        f"{_cell(item.method or item.detail)} |"
        for item in columns
    ]


def _cell(text: str) -> str:
    """Text that neither ends its cell nor is taken for HTML."""
    return escape(" ".join(text.split()), quote=False).replace("|", "&#124;")


def _plain(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
