"""The page of one monitor: its months from left to right, one kind of reference at a time. Pure, from records to HTML.

Answers, signals and features share the columns of one table, so that what happened in a month stands in one column.
The switch between references is a group of radio buttons, which needs no script.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

from driftgate.pairs import Pair
from driftgate.reports import charts
from driftgate.reports.chain import chain_text
from driftgate.reports.layout import hero, link, name_html, page
from driftgate.reports.pills import judged_by, short_answer
from driftgate.reports.sentences import action, tone
from driftgate.reports.series import Series, series_of
from driftgate.reports.words import drop_text, labelled, month_name, percent, short_month
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import ColumnRecord

_MOST_MONTHS = 60
_MOST_FEATURES = 60


def render(
    name: str, records: Sequence[RunRecord], pages: Mapping[Pair, str], overview: str, backtest: str = ""
) -> str:
    """The page as HTML.

    Args:
        name: the monitor's.
        records: its runs, in any order.
        pages: addresses of the verdict pages that are there.
        overview: address of the page above.
        backtest: address of the page of the replayed policies, or empty.
    """
    found = series_of(records)
    if not found:
        main = (
            "<section><h1>No month is judged yet</h1><p><code>driftgate monitor</code> judges the newest.</p></section>"
        )
    else:
        main = _main(name, found, pages, backtest)
    return page(f"{name}: months", [("Overview", overview), (name, "")], main)


def _main(name: str, found: Sequence[Series], pages: Mapping[Pair, str], backtest: str) -> str:
    newest = found[0].records[-1]
    ways = [
        ("Why, where and since when", pages.get(newest.pair, "")),
        ("What other policies would have cost", backtest),
    ]
    items = "".join(f"<li>{link(words, address)}</li>" for words, address in ways if address)
    way = f"<ul class='files'>{items}</ul>" if items else ""
    choices = "".join(_choice(number, series, pages) for number, series in enumerate(found))
    return (
        f"{hero(newest, found[0].records[:-1], way)}\n"
        f"<section><h2>What happened in each month?</h2><p class='soft'>Each column is a month of {escape(name)}. A "
        "filled dot has reached its threshold, the dashed line, by more than chance. A gain in bold is surely one. "
        "Below, how far each feature has moved, in thresholds; it is coloured where it counts, which chance alone "
        "would not give.</p>"
        f"<fieldset class='switch'><legend>Held against</legend>{choices}</fieldset></section>"
    )


def _choice(number: int, series: Series, pages: Mapping[Pair, str]) -> str:
    checked = " checked" if number == 0 else ""
    return (
        f"<input type='radio' name='reference' id='reference-{number}'{checked}>"
        f"<label for='reference-{number}'>{escape(series.name)}</label>"
        f"<div class='panel'>{_months(series, pages)}</div>\n"
    )


def _months(series: Series, pages: Mapping[Pair, str]) -> str:
    shown = series.records[-_MOST_MONTHS:]
    heads = "".join(f"<th scope='col'>{short_month(record.inputs.as_of_cur)}</th>" for record in shown)
    answers = "".join(f"<td>{_answer(record, pages)}</td>" for record in shown)
    older = len(series.records) - len(shown)
    note = f"<p class='small soft'>{older} older months are in the overview.</p>" if older else ""
    return (
        f"<div class='scroll newest' tabindex='0' role='region' aria-label='Months against {escape(series.name)}'>"
        f"<table class='months' style='--count:{len(shown)}'><colgroup><col class='gutter'></colgroup>"
        f"<thead><tr><th scope='row'>Month</th>{heads}</tr></thead><tbody><tr><th scope='row'>Answer</th>{answers}</tr>"
        f"{_marks(shown)}{_signals(shown)}{_heat(shown)}</tbody></table></div>{note}"
    )


def _answer(record: RunRecord, pages: Mapping[Pair, str]) -> str:
    text = f"{action(record)}: {'; '.join(record.reasons)}"
    mark = f"<span class='verdict {tone(record)}'>{short_answer(record)}</span>"
    address = pages.get(record.pair)
    if not address:
        return f"<span title='{escape(text)}'>{mark}</span>"
    month = f"{short_answer(record)}, {month_name(record.inputs.as_of_cur)}"
    return f"<a href='{escape(address)}' title='{escape(text)}' aria-label='{month}'>{mark}</a>"


def _marks(shown: Sequence[RunRecord]) -> str:
    """What a month has beside its signals: the model in use, who was judged, the labels, what would be gained."""
    before = [None, *shown[:-1]]
    rows = {
        "Model in use": [_champion(*pair) for pair in zip(shown, before, strict=True)],
        "Another model was judged": [_judged(record) for record in shown],
        "Labels that are there": [_labels(record) for record in shown],
        "Gain of retraining": [_gain(record) for record in shown],
    }
    return "".join(
        f"<tr class='marks'><th scope='row'>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, cells in rows.items()
        if any(cells)
    )


def _champion(record: RunRecord, before: RunRecord | None) -> str:
    """The version of the model in use, marked where it took the place of another since the decision before."""
    if record.champion is None:
        return ""
    known = record.earlier[-1].champion if record.earlier else before.champion if before else record.champion
    if known in (record.champion, None):
        return f"v{escape(record.champion)}"
    # Versions are numbered as they are trained: a lower one was taken back.
    back = known.isdigit() and record.champion.isdigit() and int(record.champion) < int(known)
    title = chain_text(record) or f"v{record.champion} {'is back' if back else 'promoted'}"
    word = "back" if back else "new"
    return f"<span class='mark' title='{escape(title)}'>v{escape(record.champion)}, {word}</span>"


def _judged(record: RunRecord) -> str:
    """That a stand-in or an earlier model was judged and not the model in use; empty where that was judged."""
    found = judged_by(record)
    if found is None or record.performance is None:
        return ""
    version = record.performance.champion
    words = f"v{escape(version)}" if version else "stand-in"
    return f"<span class='mark {found.tone}' title='{found.words} ({found.code})'>{words}</span>"


def _labels(record: RunRecord) -> str:
    """How many of the labels are there, marked where the month waits for them, or did and they have come."""
    share = record.target.labelled_share_cur
    if share is None:
        return ""
    if record.pending:
        return f"<span class='mark wait'>{labelled(share)}, waits</span>"
    if record.waited is None:
        return labelled(share)
    title = f"the decision of {record.waited.decided_at:%Y-%m-%d} waited for labels; this one has them"
    return f"<span class='mark' title='{title}'>{labelled(share)}, arrived</span>"


def _gain(record: RunRecord) -> str:
    """What a model trained on the month would win, in bold where it surely would; empty where that is not known."""
    found = record.performance.gain if record.performance else None
    if found is None or found.code is not None:
        return ""
    assert record.performance is not None
    text = f"<span title='{escape(found.gain.text)}'>{drop_text(record.performance.rule, found.gain.value)}</span>"
    return f"<b>{text}</b>" if found.gain.surely_positive else text


def _signals(shown: Sequence[RunRecord]) -> str:
    rows = []
    for signal in charts.SIGNALS:
        name, found = charts.title(shown, signal), charts.points(shown, signal)
        if not any(point.value is not None for point in found):
            continue
        newest = next(point for point in reversed(found) if point.value is not None)
        write = charts.writer(shown, signal)
        value, threshold = charts.with_threshold(newest, write)
        limit = f"threshold {threshold}" if threshold else "no threshold"
        rows.append(
            f"<tr class='signal'><th scope='row'>{name}<small>{value}, {limit}</small></th>"
            f"<td colspan='{len(shown)}'>{charts.trend(found, name, write)}</td></tr>"
        )
    return "".join(rows)


def _heat(shown: Sequence[RunRecord]) -> str:
    """A row for each feature, that which ever moved furthest first."""
    by_month = [{item.name: item for item in record.columns} for record in shown]
    names = {name for columns in by_month for name in columns}
    order = sorted(names, key=lambda name: (-max(_weight(columns.get(name)) for columns in by_month), name))
    rows = "".join(
        f"<tr class='heat'><th scope='row'>{name_html(name)}</th>"
        + "".join(f"<td>{_cell(columns.get(name))}</td>" for columns in by_month)
        + "</tr>"
        for name in order[:_MOST_FEATURES]
    )
    more = len(order) - _MOST_FEATURES
    if more > 0:
        rows += f"<tr class='heat'><th scope='row'><small>{more} more moved less</small></th></tr>"
    return rows


def _weight(item: ColumnRecord | None) -> float:
    """How far a feature moved, for the order and the colour; what could not be compared comes first."""
    if item is None:
        return -1.0
    found = charts.severity(item)
    if found is None:
        return math.inf
    return max(found, 1.0) if item.drifted else found


def _cell(item: ColumnRecord | None) -> str:
    """The number of thresholds, coloured from where it begins to count."""
    if item is None:
        return ""
    found = charts.severity(item)
    if found is None:
        return f"<span style='--w:1' title='{escape(item.detail or item.state)}'>not compared</span>"
    # Ten thresholds and more have the full colour.
    strength = min(1.0, 0.35 + 0.65 * math.log10(max(found, 1.0))) if item.drifted else 0.0
    kind = "drifted" if item.drifted else "quiet"
    text = charts.thresholds_text(found)
    if item.drifted and found < 1.0 and item.missing_share_cur is not None:
        # It counts for its missing values, and not for how far the others have moved.
        text = f"{percent(item.missing_share_cur)} missing"
    return f"<span class='{kind}' style='--w:{strength:.2f}'>{text}</span>"
