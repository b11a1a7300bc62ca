"""The page of one verdict: what to do, why, where and since when, and below it everything that the verdict rests on.

The heading of a section is the question that it answers. The page is made of records alone, so that it can be drawn
again from the JSON files. All text is escaped.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from driftgate.features.skew import SkewState
from driftgate.measures import MEASURES
from driftgate.reports import charts, curves
from driftgate.reports.chain import chain_text
from driftgate.reports.figures import Figure, figures
from driftgate.reports.layout import hero, link, moment, name_html, page, pair_text
from driftgate.reports.notes import group_note, skew_note
from driftgate.reports.pills import pills
from driftgate.reports.sentences import Tone, background
from driftgate.reports.words import drop_text, label_name, labelled, month_name, once_in, percent
from driftgate.store.performance_record import FeatureCostRecord, PerformanceRecord
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import ColumnRecord

_RELATIONS_SHOWN = 8
_CLASSES_SHOWN = 8
_SKEW_TONES = {
    # No fault: a monitor may serve nothing.
    SkewState.NOT_CHECKED: Tone.KNOWN,
    SkewState.NOT_CHECKED_SINCE: Tone.KNOWN,
    SkewState.AGREES: Tone.CALM,
    SkewState.MISMATCHES: Tone.ACT,
}
_COSTS_HEAD = "<th scope='col' class='number'>Its cost</th>"

Files = Sequence[tuple[str, str]]


def render(record: RunRecord, chain: Sequence[RunRecord], files: Files, overview: str, monitor: str) -> str:
    """The page as HTML.

    Args:
        record: the run.
        chain: the runs before it on its series, oldest first, and the run itself last.
        files: name and address of each file of the run that is there.
        overview, monitor: addresses of the pages above.
    """
    pair, earlier = pair_text(record), chain[:-1]
    parts = [
        hero(record, earlier),
        _why(record, earlier),
        _causes(record),
        _relations(record),
        _classes(record),
        _segments(record),
        _trends(record, chain),
        _skew(record),
        _ledger(record),
        _scores_hold(record),
        _measures(record),
        _facts(record),
        _files(files),
    ]
    way = [("Overview", overview), (record.monitor, monitor), (pair, "")]
    return page(f"{record.monitor}: {pair}", way, "\n".join(filter(None, parts)))


def _why(record: RunRecord, earlier: Sequence[RunRecord]) -> str:
    """The reasons in words, and the three figures."""
    more = background(record, earlier)
    cards = "\n".join(map(_figure, figures(record)))
    return (
        "<section><h2>Why?</h2>"
        + (f"<p class='more'>{escape(more)}</p>" if more else "")
        + f"<div class='figures'>\n{cards}\n</div></section>"
    )


def _figure(figure: Figure) -> str:
    before = f" <small>was {escape(figure.then)}</small>" if figure.then else ""
    return (
        f"<div class='figure{' reached' if figure.reached else ''}'><h3>{escape(figure.title)}</h3>"
        f"<div class='now'>{escape(figure.now)}{before}</div><p>{escape(figure.text)}</p></div>"
    )


def _trends(record: RunRecord, chain: Sequence[RunRecord]) -> str:
    """Each signal by month against its threshold."""
    plots = "".join(filter(None, (_trend(chain, figure.signal) for figure in figures(record))))
    if not plots:
        return ""
    return (
        "<section><h2>Since when?</h2><p class='soft'>Month by month against the threshold, the dashed line; a "
        f"filled dot has reached it by more than chance.</p><div class='figures'>{plots}</div></section>"
    )


def _trend(chain: Sequence[RunRecord], signal: str) -> str:
    shown, name = charts.points(chain, signal), charts.title(chain, signal)
    if all(point.value is None for point in shown):
        return ""
    drawn = charts.trend(shown, name, charts.writer(chain, signal))
    return f"<figure><h3>{name}</h3>{drawn}{charts.ends(shown)}</figure>"


def _skew(record: RunRecord) -> str:
    """Whether the features that are served are those that a model learns; the colour repeats the state."""
    if record.skew is None:
        return ""
    note = f"<p class='served {_SKEW_TONES[record.skew.state]}'>{escape(skew_note(record))}</p>"
    return f"<section><h2>Does the model get the features that it learnt from?</h2>{note}</section>"


def _causes(record: RunRecord) -> str:
    """The drop in its two parts."""
    found = record.performance.causes if record.performance else None
    if found is None or found.code is not None or record.performance is None:
        return ""
    rule, rows = record.performance.rule, ""
    parts = [
        ("What the features mean", "the same entities, and other answers", found.meaning),
        ("Other entities", "the same meaning, and other entities", found.entities),
    ]
    for name, note, part in parts:
        rows += (
            f"<tr><th scope='row'>{name} <span class='soft small'>{note}</span></th>"
            f"<td class='number' data-name='{rule.drop_word.title()}'>{drop_text(rule, part.interval.value)}</td>"
            f"<td class='number' data-name='95% interval'>{drop_text(rule, part.interval.low)} to "
            f"{drop_text(rule, part.interval.high)}</td></tr>"
        )
    return (
        f"<section><h2>What is the {rule.drop_word} of the {escape(rule.short)} made of?</h2><p class='soft'>That from "
        f"{month_name(record.pair[0])} to {month_name(record.pair[1])}, in two parts that add up to it. Entities of "
        "both months that are alike are compared; what the model loses on those is what the features mean now. "
        f"{found.alike:,} entities are alike.</p><div class='scroll'><table class='stack'><thead><tr>"
        f"<th scope='col'>Part</th><th scope='col' class='number'>{rule.drop_word.title()}</th>"
        f"<th scope='col' class='number'>95% interval</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _segments(record: RunRecord) -> str:
    """The segments that hold the drop; nothing where they were not looked for."""
    found = record.performance.segments if record.performance else None
    if found is None or found.code is not None or record.performance is None:
        return ""
    rule, looked_at = record.performance.rule, f"{found.tested} segments were looked at"
    if not found.named:
        return (
            f"<section><h2>Where is the model worse?</h2><p class='soft'>Nowhere more than elsewhere: {looked_at}, and "
            f"in none is the {rule.drop_word} surely greater than among the other entities.</p></section>"
        )
    then, now = map(month_name, record.pair)
    coin = "" if rule.lower_is_better else "<span>┆ 0.50, chance</span>"
    return (
        f"<section><h2>Where is the model worse?</h2><p class='soft'>In these segments the {rule.drop_word} of the "
        f"{escape(rule.short)} is surely greater than among all other entities, the clearest first. {looked_at}; each "
        "figure is of the entities of the segment alone.</p>"
        f"{charts.segments(found.named, rule)}"
        f"<p class='legend'><span>○ {then}</span><span>● {now}</span>{coin}</p></section>"
    )


def _relations(record: RunRecord) -> str:
    found = record.performance.relations if record.performance else ()
    if not found:
        return ""
    as_of_ref, as_of_cur = map(month_name, record.pair)
    more = len(found) - _RELATIONS_SHOWN
    rest = f"<span>{more} more in the record</span>" if more > 0 else ""
    name = escape(label_name(record))
    what = (
        f"tells the classes of {name} from each other (macro AUC)" if record.target.classes else f"ranks {name} (AUC)"
    )
    return (
        "<section><h2>Which features say something else now?</h2>"
        f"<p class='soft'>How well each feature alone {what}. What comes nearer "
        f"to 0.50 is worth less to a model trained before; below 0.50 it points the other way.</p>"
        f"{charts.changes(found[:_RELATIONS_SHOWN])}"
        f"<p class='legend'><span>○ {as_of_ref}</span><span>● {as_of_cur}</span><span>┆ 0.50, no relation</span>{rest}"
        "</p></section>"
    )


def _classes(record: RunRecord) -> str:
    """The shares of the classes of the label; nothing for any other label."""
    found = record.target.classes
    if not found:
        return ""
    as_of_ref, as_of_cur = map(month_name, record.pair)
    more = len(found) - _CLASSES_SHOWN
    rest = f"<span>{more} more in the record</span>" if more > 0 else ""
    return (
        f"<section><h2>How have the classes of {escape(label_name(record))} moved?</h2><p class='soft'>The share of "
        "each among the labelled entities of the month, the one that moved furthest first.</p>"
        f"{charts.classes(found[:_CLASSES_SHOWN])}"
        f"<p class='legend'><span>○ {as_of_ref}</span><span>● {as_of_cur}</span>{rest}</p></section>"
    )


def _scores_hold(record: RunRecord) -> str:
    """How the scores rank, and whether they are right as probabilities; nothing where they were not counted."""
    found = record.performance
    if found is None or not found.score_bins:
        return ""
    then, now = map(month_name, (found.trained_on or record.pair[0], record.pair[1]))
    return (
        "<section><h2>What are its scores worth?</h2><p class='soft'>The further a line is to the upper left, the "
        "better the model ranks; the closer the dots are to the dashed line, the more its probabilities come true.</p>"
        f"<div class='curves'>{curves.roc(found.score_bins, _change(found, 'auc'), label_name(record))}"
        f"{curves.calibration(found.score_bins, _change(found, 'calibration_error'), label_name(record))}</div>"
        f"<p class='legend'><span>○ thin line: then, in its validation of {then}</span>"
        f"<span>● thick line: {now}</span></p></section>"
    )


def _change(found: PerformanceRecord, name: str) -> str:
    """A measure then and now with the interval of its difference, in words; empty where it was not measured."""
    item = found.measures.get(name)
    if item is None:
        return ""
    short = MEASURES[name].short
    if MEASURES[name].share:
        ends = f"a change between {item.low * 100:+z.0f} and {item.high * 100:+z.0f} points"
        return f"{short[:1].upper()}{short[1:]} {percent(item.ref)} then, {percent(item.cur)} now, {ends}"
    ends = f"a change between {item.low:+z.2f} and {item.high:+z.2f}"
    return f"{short[:1].upper()}{short[1:]} {item.ref:.2f} then, {item.cur:.2f} now, {ends}"


def _ledger(record: RunRecord) -> str:
    """Every declared feature on one scale."""
    scale = charts.Scale.over(record.columns)
    costs = {item.name: item for item in record.performance.feature_costs} if record.performance else {}
    rows = "\n".join(_ledger_row(item, scale, costs) for item in record.columns)
    kind = "The scale is logarithmic; each ten times further is as long as the last. " if scale.logarithmic else ""
    excluded = ", ".join(f"{escape(item.name)} ({escape(item.reason)})" for item in record.excluded)
    note = f"<p class='small soft'>Not features, and not counted: {excluded}.</p>" if excluded else ""
    return (
        "<section><h2>How far has each feature moved?</h2><p class='soft'>The furthest first. The line is the "
        f"feature's threshold. {kind}A feature counts when it reaches its threshold and chance does not explain it. "
        "<em>By chance</em> is the distance that chance alone reaches once in twenty; what counts must be far rarer, "
        "because many features are looked at."
        f"{_costs_note(record) if costs else ''}</p>"
        f"<div class='scroll'><table class='ledger{' costs' if costs else ''} stack'><thead><tr>"
        "<th scope='col'>Feature</th>"
        "<th scope='col' class='away'>Distance in thresholds</th><th scope='col' class='number'>Score</th>"
        "<th scope='col' class='number'>Threshold</th><th scope='col' class='number'>By chance</th>"
        "<th scope='col' class='number'>Missing then, now</th>"
        f"{_COSTS_HEAD if costs else ''}<th scope='col'>Counts by</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></div>{note}{_scores(record.prediction)}</section>"
    )


def _costs_note(record: RunRecord) -> str:
    """What the column of costs says."""
    assert record.performance is not None
    rule = record.performance.rule
    return (
        f" Its cost is the {rule.drop_word} of the {escape(rule.short)} that comes of its change alone, if the "
        "features mean what they meant; costs of features that go together overlap, and do not add up."
    )


def _cost(item: FeatureCostRecord | None) -> str:
    """The cost of a feature with its interval; why there is none where it was asked for."""
    if item is None:
        return ""
    if item.reason:
        return f"<span title='{escape(item.reason)}'>not known</span>"
    return f"{item.cost.interval.value:z.3f}<span class='soft small'>{item.cost.interval.ends_text}</span>"


def _ledger_row(item: ColumnRecord, scale: charts.Scale, costs: Mapping[str, FeatureCostRecord]) -> str:
    # Values then and now, with their direction, have their place after the share of missing values.
    cells = [
        ("Score", _number(item.score)),
        ("Threshold", _number(item.threshold)),
        ("By chance", _number(item.chance)),
        ("Missing", _missing(item)),
        *([("Cost", _cost(costs.get(item.name)))] if costs else []),
    ]
    numbers = "".join(f"<td class='number' data-name='{name}'>{text}</td>" for name, text in cells)
    what = escape(_moved_by(item))
    notes = f"<span class='soft small'>{escape(item.detail or item.method)}</span>"
    return (
        f"<tr{' class=drifted' if item.drifted else ''}><th scope='row'>{name_html(item.name)}</th>"
        f"<td>{charts.bar(item, scale)}</td>{numbers}<td class='by'>{what} {notes}</td></tr>"
    )


def _moved_by(item: ColumnRecord) -> str:
    """What a feature counts by, or why it does not count although it is beyond its threshold."""
    if item.drifted or not item.method:
        return item.drifted_by or item.state
    if item.p_value is None or item.score is None or item.threshold is None or item.score < item.threshold:
        return "no"
    return f"may be chance, which gives as much {once_in(item.p_value)}:"


def _missing(item: ColumnRecord) -> str:
    if item.missing_share_ref is None or item.missing_share_cur is None:
        return ""
    if not item.missing_share_ref and not item.missing_share_cur:
        return "none"
    chance = (
        "" if item.missing_chance is None else f"<span class='soft small'>{item.missing_chance:.1%} by chance</span>"
    )
    return f"{item.missing_share_ref:.1%} → {item.missing_share_cur:.1%}{chance}"


def _scores(item: ColumnRecord | None) -> str:
    if item is None or item.score is None or item.threshold is None:
        return ""
    moved = "have moved" if item.drifted else "have not moved"
    chance = "" if item.chance is None else f", {item.chance:.4f} would be chance"
    return (
        f"<p class='small soft'>The model's own scores {moved} ({escape(item.method)} {item.score:.4f}, threshold "
        f"{item.threshold:.4f}{chance}); they are compared like a feature and not counted as one.</p>"
    )


def _measures(record: RunRecord) -> str:
    found = record.performance
    if found is None or not found.measures:
        return ""
    known = [name for name in MEASURES if name in found.measures]
    rows = "".join(
        f"<tr><th scope='row'>{escape(MEASURES[name].description)}</th>"
        + "".join(f"<td class='number' data-name='{head}'>{text}</td>" for head, text in _measure_cells(name, found))
        + "</tr>"
        for name in known
    )
    model = f"Version {escape(found.champion)}" if found.champion else "A probe, a small model"
    trained = f", trained on {month_name(found.trained_on)}" if found.trained_on else ""
    return (
        f"<section><h2>What does every measure say?</h2><p class='soft'>{model}{trained}. Then: in its own validation, "
        f"{found.users_ref:,} entities. Now: {found.users_cur:,} labelled entities. It saw none of them before.</p>"
        "<div class='scroll'><table class='stack'><thead><tr><th scope='col'>Measure</th>"
        "<th scope='col' class='number'>Then</th><th scope='col' class='number'>Now</th>"
        "<th scope='col' class='number'>Difference</th><th scope='col' class='number'>95% interval</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _measure_cells(name: str, found: PerformanceRecord) -> Iterator[tuple[str, str]]:
    """The cells of a measure with their headings: shares in percent, all else in four digits."""
    item = found.measures[name]
    unit, times, digits = ("%", 100, 1) if MEASURES[name].share else ("", 1, 4)
    yield "Then", f"{item.ref * times:.{digits}f}{unit}"
    yield "Now", f"{item.cur * times:.{digits}f}{unit}"
    points = " points" if MEASURES[name].share else ""
    yield "Difference", f"{item.difference * times:+.{digits}f}{points}"
    yield "95% interval", f"{item.low * times:+.{digits}f} to {item.high * times:+.{digits}f}{points}"


def _facts(record: RunRecord) -> str:
    items = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in _fact_items(record))
    return f"<section><h2>What was compared?</h2><dl class='facts'>{items}</dl></section>"


def _fact_items(record: RunRecord) -> Iterator[tuple[str, str]]:
    inputs = record.inputs
    yield "Verdict", f"{escape(record.verdict)}: {escape('; '.join(record.reasons))}"
    yield "Badges", "; ".join(f"{escape(pill.words)}: <code>{escape(pill.code)}</code>" for pill in pills(record))
    yield "Decided", moment(record.decided_at)
    if record.champion:
        yield "Champion", f"v{escape(record.champion)}: what the registry calls the model in use"
    if so_far := chain_text(record):
        yield "So far", escape(so_far)
    yield "Entities", f"{inputs.rows_ref:,} then, {inputs.rows_cur:,} now, of {escape(inputs.entity_table)}"
    if inputs.sample_seed is not None:
        counted = f"{inputs.compared_rows_ref:,} entities then and {inputs.compared_rows_cur:,} now are compared"
        of = f"the report and the performance are of the same entities in both months (seed {inputs.sample_seed})"
        yield "A seeded sample", f"{counted}; {of}"
    if text := group_note(record):
        yield "Groups", escape(text)
    yield "Features", f"{record.declared_features} of the feature service {escape(inputs.feature_service)}"
    if record.target.labelled_share_cur is not None:
        yield "Labelled", f"{labelled(record.target.labelled_share_cur)} of the current month"
    if inputs.false_alarm_rate:
        yield "False alarms", f"at most {inputs.false_alarm_rate:.1%} of months without change"
    yield "Versions", escape(", ".join(f"{name} {number}" for name, number in record.versions.items()))


def _files(files: Files) -> str:
    if not files:
        return ""
    links = "".join(f"<li>{link(name, address)}</li>" for name, address in files)
    return f"<section><h2>Where is the rest?</h2><ul class='files'>{links}</ul></section>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
