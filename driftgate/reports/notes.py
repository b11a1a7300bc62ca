"""What a reader must know beside the answer: what was started, what waiting costs, which model, what is an estimate.

Each is a sentence or two of a record, or empty.
"""

from collections.abc import Iterator

from driftgate.decision import HeldBack
from driftgate.features.skew import STANDS_FOR, Served, SkewState
from driftgate.performance.result import UNSAID, PerformanceState
from driftgate.reports.words import label_name, month_name
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import SkewRecord

_PLACES = {Served.ONLINE: "the online store", Served.LOG: "the log of predictions"}
_FEATURES_NAMED = 3


def start_note(record: RunRecord) -> str:
    """What the trigger started; empty where there was none."""
    if not record.triggered:
        return ""
    if record.retrain == "deployment" and record.pending:
        return "The training of a challenger starts when the labels of the month are there."
    return {
        "simulated": (
            "SIMULATED: the monitor only says that it would retrain. No training was started, and the same model "
            'goes on serving. Start one by the command, or set retrain = "deployment" to have it started.'
        ),
        "off": "RETRAIN OFF: an event was sent for others to act on, and Driftgate itself started nothing.",
        "deployment": "A training of a challenger was asked for; the list of runs in Prefect shows it.",
    }.get(record.retrain, "")


def split_note(record: RunRecord) -> str:
    """How much of the drop comes of what the features mean, and how much of other entities.

    Empty where it is not split, or the champion knows the change.
    """
    found = record.performance.causes if record.performance else None
    known = record.held_back_code is HeldBack.CHAMPION_KNOWS
    if known or found is None or found.code is not None or record.performance is None:
        return ""
    meaning, entities = (
        f"{part.value:z.2f} ({part.low:z.2f} to {part.high:z.2f})"
        for part in (found.meaning.interval, found.entities.interval)
    )
    rule = record.performance.rule
    # Not of the one since its validation, which may be older than both months.
    months = f"from {month_name(record.inputs.as_of_ref)} to {month_name(record.inputs.as_of_cur)}"
    return (
        f"Of the {rule.drop_word} in {rule.unit} {months}, {meaning} comes of what the features mean and {entities} of "
        "other entities."
    )


def waiting_note(record: RunRecord) -> str:
    """What waiting a month costs; empty where that is not known, or the champion knows the change."""
    found = record.decision.waiting
    if found is None or record.held_back_code is HeldBack.CHAMPION_KNOWS:
        return ""
    return f"Waiting a month costs about {found.money_text}."


def model_note(record: RunRecord) -> str:
    """Which model was measured, where it is not simply the champion; else empty."""
    found = record.performance
    if found is None or found.state is not PerformanceState.MEASURED:
        return ""
    trained = f" trained on {month_name(found.trained_on)}" if found.trained_on else ""
    model = f"version {found.champion}," if found.champion else "a probe, a small model"
    if found.passed_over is not None:
        champion, month = found.passed_over.version, month_name(found.passed_over.trained_on)
        if split := found.passed_over.split:
            return (
                f"The training of the champion, version {champion}, was {split}, and the monitor has other groups, so "
                f"that it cannot be judged; measured is {f'{model}{trained}'.rstrip(',')}."
            )
        return (
            f"The champion, version {champion}, was trained on {month} and cannot be judged on this month; "
            f"measured is {f'{model}{trained}'.rstrip(',')}."
        )
    if found.champion is None:
        return f"There is no champion: measured is {model}{trained}."
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
