"""What a reader must know beside the answer: what waiting costs, what is missing, which model, what is estimated.

Each is a sentence or two of a record, or empty.
"""

from collections.abc import Iterator, Sequence

from driftgate.decision import HeldBack
from driftgate.drift.result import ColumnState, is_p_value
from driftgate.features.skew import STANDS_FOR, Served, SkewState
from driftgate.performance.interval import money
from driftgate.performance.result import UNSAID, PerformanceState
from driftgate.reports.words import drop_text, label_name, month_name, percents
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import ColumnRecord, SkewRecord

_PLACES = {Served.ONLINE: "the online store", Served.LOG: "the log of predictions"}
_FEATURES_NAMED = 3
# How many times as many entities one month may have as another without a question.
_OF_ONE_SIZE = 1.5
# A mean distance between probability and rate that a reader of probabilities would mind.
_MISCALIBRATED = 0.05
# As it stands in `ColumnRecord.drifted_by`.
_BY_MISSING = "missing share"


def start_note(record: RunRecord) -> str:
    """What the trigger started; empty where there was none."""
    if not record.triggered:
        return ""
    if record.retrain == "deployment" and record.pending:
        return "The training of a new model starts when the labels of the month are there."
    return {
        "simulated": (
            "Nothing was started (SIMULATED): the monitor only says that it would retrain, and the same model goes on "
            'serving. Start a training by the command, or set retrain = "deployment" to have it started.'
        ),
        "off": "Driftgate itself started nothing (RETRAIN OFF): an event was sent for others to act on.",
        "deployment": "A training of a new model was asked for; the list of runs in Prefect shows it.",
    }.get(record.retrain, "")


def split_note(record: RunRecord) -> str:
    """How much of the drop comes of what the features mean, and how much of other entities.

    Empty where it is not split, or the champion knows the change.
    """
    found = record.performance.causes if record.performance else None
    known = record.held_back_code is HeldBack.CHAMPION_KNOWS
    if known or found is None or found.code is not None or record.performance is None:
        return ""
    rule = record.performance.rule
    meaning, entities = (
        f"{drop_text(rule, part.value)} ({drop_text(rule, part.low)} to {drop_text(rule, part.high)})"
        for part in (found.meaning.interval, found.entities.interval)
    )
    # Not of the one since its validation, which may be older than both months.
    months = f"from {month_name(record.inputs.as_of_ref)} to {month_name(record.inputs.as_of_cur)}"
    return (
        f"Of the {rule.drop_word} of the {rule.short} {months}, {meaning} comes of what the features mean and "
        f"{entities} of other entities."
    )


def calibration_note(record: RunRecord) -> str:
    """That the probabilities of a boolean label surely come true less than they did; empty where they do not."""
    found = record.performance.measures.get("calibration_error") if record.performance else None
    if found is None or found.low <= 0.0 or found.cur < _MISCALIBRATED:
        return ""
    now, was = percents(found.cur, found.ref)
    return (
        f"The probabilities have become wrong, whatever the order: they are {now} away from what happens, on average, "
        f"and were {was} away in its validation. Only the order decides; lists that hang on a probability do not hold."
    )


def waiting_note(record: RunRecord) -> str:
    """What waiting a month costs, and a retraining; empty where that is not known, or the champion knows the change."""
    found = record.decision.waiting
    if found is None or record.held_back_code is HeldBack.CHAMPION_KNOWS:
        return ""
    price = record.inputs.retrain_cost
    beside = "" if price is None else f"; a retraining costs {money(price)}"
    if found.high <= 0.0:
        return f"Waiting a month costs nothing{beside}."
    if found.low <= 0.0:
        return f"Waiting a month costs at most {money(found.high)}, and may cost nothing{beside}."
    return f"Waiting a month costs about {found.money_text}{beside}."


def missing_note(record: RunRecord) -> str:
    """Which features lack values that they had, or could not be compared, and why; empty where there is none."""
    clauses: dict[str, list[str]] = {}
    for item in record.columns:
        if clause := _lacking(item, record):
            clauses.setdefault(clause, []).append(item.name)
    named = list(clauses.items())[:_FEATURES_NAMED]
    texts = [f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {clause}." for clause, names in named]
    more = sum(len(names) for names in clauses.values()) - sum(len(names) for _, names in named)
    return " ".join([*texts, *([f"So it is with {more} more, see the list of features."] if more else [])])


def loaded_note(record: RunRecord) -> str:
    """That a month has far fewer or more entities than the other, or is perhaps its copy; empty where it is neither."""
    ref, cur = record.inputs.rows_ref, record.inputs.rows_cur
    if max(ref, cur) <= _OF_ONE_SIZE * min(ref, cur):
        return copy_note(record)
    was, now = map(month_name, record.pair)
    return f"{now} has {cur:,} entities and {was} has {ref:,}: see whether all rows of both months are loaded."


def copy_note(record: RunRecord) -> str:
    """That one month may be a copy of the other; empty where anything has moved at all."""
    compared = [item for item in record.columns if item.state is ColumnState.COMPARED]
    alike = record.inputs.rows_ref == record.inputs.rows_cur and all(
        item.score == 0.0 and item.missing_share_ref == item.missing_share_cur for item in compared
    )
    if not compared or not alike or any(is_p_value(item.method) for item in compared):
        return ""
    ref, cur = map(month_name, record.pair)
    return (
        f"Every feature is distributed in {cur} exactly as in {ref}, to the last value: nothing at all has changed, or "
        "one of the months is a copy of the other."
    )


def _lacking(item: ColumnRecord, record: RunRecord) -> str:
    """What a feature lacks, as the end of a sentence; empty where its missing values have not moved."""
    before, after = item.missing_share_ref, item.missing_share_cur
    as_of_ref, as_of_cur = map(month_name, record.pair)
    if item.state is ColumnState.STALE:
        return f"stale: there is no new row for {as_of_cur}"
    if item.state is ColumnState.ALL_NULL:
        return f"missing for every entity in {as_of_ref if item.values_cur else as_of_cur}"
    if item.state is not ColumnState.COMPARED:
        return f"not compared: {item.detail or item.state}"
    if _BY_MISSING not in item.drifted_by or before is None or after is None:
        return ""
    now, was = percents(after, before)
    return f"missing for {now} of entities, {was} before"


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence: all of up to three, else three and how many more."""
    shown, more = list(names[:_FEATURES_NAMED]), len(names) - _FEATURES_NAMED
    last = f"{more} more" if more > 0 else shown.pop()
    return " and ".join(filter(None, [", ".join(shown), last]))


def model_note(record: RunRecord) -> str:
    """Which model was measured, where it is not simply the one in use; else empty."""
    found = record.performance
    if found is None or found.state is not PerformanceState.MEASURED:
        return ""
    trained = f" trained on {month_name(found.trained_on)}" if found.trained_on else ""
    model = f"v{found.champion}," if found.champion else "a stand-in (probe), a small model"
    if found.passed_over is not None:
        in_use, month = found.passed_over.version, month_name(found.passed_over.trained_on)
        if split := found.passed_over.split:
            return (
                f"The training of the model in use (v{in_use}) was {split}, and the monitor has other groups, so that "
                f"it cannot be judged; judged is {f'{model}{trained}'.rstrip(',')}."
            )
        return (
            f"The model in use (v{in_use}) was trained on {month} and cannot be judged on this month; "
            f"judged is {f'{model}{trained}'.rstrip(',')}."
        )
    if found.champion is None:
        return f"No model was in use when this was judged: judged is {model}{trained}."
    return ""


def group_note(record: RunRecord) -> str:
    """Which entities depend on each other; empty where each stands alone."""
    found = record.inputs.group
    if found is None:
        return ""
    return (
        f"Entities of one {found.column} depend on each other. What chance explains is found by dealing out whole "
        f"groups, {found.ref:,} then and {found.cur:,} now, and models are judged on groups that they have not seen."
    )


def estimate_note(record: RunRecord) -> str:
    """What labels to come are expected to give, and what such an estimate cannot see; why there is none; or empty."""
    found = record.performance.estimate if record.performance else None
    if found is None or found.code in UNSAID:
        return ""
    if found.code is not None:
        return f"There is no estimate before the labels come: {found.reason}."
    low, high = (f"{0.0 if end is None else end:.2f}" for end in (found.low, found.high))
    was = "" if found.ref is None else f", was {found.ref:.2f}"
    return (
        f"An estimate before the labels come: AUC {found.value:.2f} (between {low} and {high}){was}. It cannot see "
        f"whether what predicts {label_name(record)} has changed, and it decides nothing."
    )


def skew_note(record: RunRecord) -> str:
    """Whether the features that are served are those that are learnt; empty in a record of an earlier release."""
    found = record.skew
    if found is None:
        return ""
    month = month_name(record.pair[1])
    if found.state is SkewState.NOT_CHECKED or found.checked_at is None:
        words = f"What is served of {month} has not been compared with what a model learns from it."
        return f"Served features: {SkewState.NOT_CHECKED}. {words}"
    when, sentences = f"{found.checked_at:%Y-%m-%d at %H:%M} UTC", " ".join(_skew_sentences(found))
    if found.state is SkewState.NOT_CHECKED_SINCE:
        outdated = f"Since then {month} was written again, or more than {STANDS_FOR.days} days have passed."
        return f"Served features: {found.state} {when}. {outdated} Then: {sentences}"
    return f"Served features: {found.state}. {sentences} Checked on {when}."


def _skew_sentences(found: SkewRecord) -> Iterator[str]:
    counts = "; ".join(
        f"{item.differing:,} of {item.compared:,} entities differ in {_PLACES[item.source]}"
        + (f", {item.incomplete:,} without a whole row" if item.incomplete else "")
        + (f", {item.surplus:,} that the month does not have" if item.surplus else "")
        for item in found.sources
        if item.compared
    )
    allowed = "" if found.threshold is None else f"; allowed are {found.threshold * 100:g}%"
    yield f"{counts}{allowed}."
    if found.features:
        worst = list(found.features.items())[:_FEATURES_NAMED]
        more = len(found.features) - len(worst)
        named = ", ".join(f"{name} ({count:,})" for name, count in worst)
        yield f"Features that differ: {named}{f', and {more} more' if more else ''}."
