"""The words for a decision record: what to do, why, and what the figures say. Pure, plain text, nothing escaped.

Pages, artifacts and messages take their sentences from here, so that they say the same. One function makes one part.
What a reader needs first comes first: an action, then the reason, each in a sentence of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from driftgate.decision import HeldBack
from driftgate.performance.result import Gain, PerformanceState
from driftgate.reports.figures import features_needed
from driftgate.reports.notes import (
    calibration_note,
    estimate_note,
    loaded_note,
    missing_note,
    model_note,
    split_note,
    waiting_note,
)
from driftgate.reports.words import (
    amount,
    amounts,
    class_moves,
    drop_text,
    drop_texts,
    is_rate,
    label_kind,
    label_name,
    labelled,
    month_name,
    once_in,
    value_texts,
)
from driftgate.store.performance_record import PerformanceRecord
from driftgate.store.record import RunRecord

# A feature that lost less says about the label what it said.
_LOST = 0.05
# A part of the drop that is less is not named in a sentence.
_PART = 0.2
# What holds a signal back, and leaves nothing to wait for.
_NOTHING_TO_DO = (HeldBack.CHAMPION_KNOWS, HeldBack.SEASONAL, HeldBack.USUAL)
_NOTES = (split_note, model_note, estimate_note, calibration_note)
_ANY_SIGNAL = "a figure is beyond its threshold"


class Tone(StrEnum):
    """What an answer asks of its reader; pages give each a colour and a mark."""

    ACT = "act"
    WAIT = "wait"
    KNOWN = "known"
    CALM = "calm"


class Part(StrEnum):
    """A part of the drop of a model."""

    ENTITIES = "entities"
    MEANING = "meaning"


@dataclass(frozen=True)
class Step:
    """What to do next: a sentence, and the command that does it, or empty."""

    text: str
    command: str = ""


def tone(record: RunRecord) -> Tone:
    """What the answer asks of its reader."""
    if record.triggered:
        return Tone.ACT
    if record.held_back:
        tones = dict.fromkeys(_NOTHING_TO_DO, Tone.KNOWN) | {HeldBack.NO_GAIN: Tone.ACT}
        return tones.get(record.held_back_code, Tone.WAIT) if record.held_back_code else Tone.WAIT
    return Tone.WAIT if record.pending else Tone.CALM


def action(record: RunRecord) -> str:
    """What to do, in one to four words."""
    if record.triggered:
        return "Retrain"
    if record.held_back_code is HeldBack.NO_GAIN:
        return "Look at the features"
    if record.held_back and record.held_back_code not in _NOTHING_TO_DO:
        return "Wait"
    return (
        "Nothing to do yet"
        if record.pending and record.held_back_code is not HeldBack.CHAMPION_KNOWS
        else "Nothing to do"
    )


def headline(record: RunRecord, earlier: Sequence[RunRecord] = ()) -> str:
    """The action and its first reason: one sentence.

    Args:
        record: the run.
        earlier: records of earlier months with the same kind of reference, in any order.
    """
    return f"{action(record)}: {_reasons(record, earlier)[0]}."


def explanation(record: RunRecord, earlier: Sequence[RunRecord] = ()) -> str:
    """What waiting costs, which data are missing, and the reasons; empty where the headline has said all."""
    return " ".join(
        filter(None, [waiting_note(record), loaded_note(record), missing_note(record), background(record, earlier)])
    )


def background(record: RunRecord, earlier: Sequence[RunRecord] = ()) -> str:
    """The other reasons, each a sentence; empty where the headline has said all."""
    rest = [f"{text[:1].upper()}{text[1:]}." for text in _reasons(record, earlier)[1:]]
    return " ".join([*rest, *filter(None, [note(record) for note in _NOTES])])


def answer(record: RunRecord, earlier: Sequence[RunRecord] = ()) -> str:
    """The headline and the explanation."""
    return f"{headline(record, earlier)} {explanation(record, earlier)}".strip()


def next_step(record: RunRecord) -> Step:
    """What a person does now."""
    as_of_ref, as_of_cur = record.pair
    of_monitor = f"--monitor {record.monitor}"
    again = f"driftgate monitor --as-of-ref {as_of_ref} --as-of-cur {as_of_cur} {of_monitor}"
    if record.triggered:
        return _step_of_trigger(record)
    if record.pending:
        return Step(f"Judge the pair again when the labels of {month_name(as_of_cur)} are there.", again)
    if record.held_back_code is HeldBack.NO_GAIN:
        text = "Find out why the features say less about the label; a new model would learn the same from them."
        return Step(text, f"driftgate show {as_of_cur} --as-of-ref {as_of_ref} {of_monitor}")
    if record.held_back and record.held_back_code not in _NOTHING_TO_DO:
        text = "Wait for the next month. To retrain all the same:"
        return Step(text, f"driftgate retrain --as-of {as_of_cur} {of_monitor}")
    if not record.held_back and (gain := _gain(record)) is not None and gain.surely_positive:
        text = "Nothing has to be done. A new model would surely be better; to train one all the same:"
        return Step(text, f"driftgate retrain --as-of {as_of_cur} {of_monitor}")
    return Step("Judge the next month when it is loaded.", f"driftgate monitor {of_monitor}")


def _step_of_trigger(record: RunRecord) -> Step:
    of_month = f"--as-of {record.inputs.as_of_cur} --monitor {record.monitor}"
    found = record.performance
    if found is not None and found.state is PerformanceState.MEASURED and found.champion is None:
        return Step("Train a first model on this month; it serves from then on.", f"driftgate train {of_month}")
    if record.pending:
        month = month_name(record.inputs.as_of_cur)
        return Step(f"Train a new model when the labels of {month} are there.", f"driftgate retrain {of_month}")
    if record.retrain == "deployment":
        return Step("See what came of the training.", f"driftgate runs --monitor {record.monitor}")
    better = "errs less" if found is not None and found.rule.lower_is_better else "ranks better"
    text = f"Train a new model on this month; it takes over only where it surely {better}."
    return Step(text, f"driftgate retrain {of_month}")


def since(record: RunRecord, earlier: Sequence[RunRecord]) -> date:
    """The month from which on the same model is worse without a break, this one included."""
    last = record
    before = (item for item in earlier if item.inputs.as_of_cur < record.inputs.as_of_cur)
    for item in sorted(before, key=lambda item: item.inputs.as_of_cur, reverse=True):
        if not item.model_dropped or not _follows(last, item):
            break
        last = item
    return last.inputs.as_of_cur


def _follows(record: RunRecord, before: RunRecord) -> bool:
    """Whether a record is of the same model, and no month between the two is left out, as far as they show."""
    models = [item.performance.champion if item.performance else None for item in (record, before)]
    together = record.inputs.as_of_ref in (before.inputs.as_of_cur, before.inputs.as_of_ref)
    return models[0] == models[1] and together


def _reasons(record: RunRecord, earlier: Sequence[RunRecord]) -> list[str]:
    """Clauses without a full stop, the one that decides first."""
    if record.held_back_code is HeldBack.NO_GAIN:
        first, *rest = _signals(record, earlier) or [_ANY_SIGNAL]
        return [f"{first}, and {_gain_clause(record)}", *rest]
    if record.held_back:
        return [_held_back(record), *_signals(record, earlier)]
    if record.triggered:
        return _of_trigger(record, earlier)
    clauses = [_model_clause(record), _calm_features(record), _unasked_gain(record)]
    return [clause for clause in clauses if clause]


def _of_trigger(record: RunRecord, earlier: Sequence[RunRecord]) -> list[str]:
    """The signals and the gain; where retraining would surely bring none, the first sentence says so."""
    first, *rest = _signals(record, earlier) or [_ANY_SIGNAL]
    clause = _gain_clause(record)
    if not clause:
        return [first, *rest]
    gain = _gain(record)
    if gain is not None and not gain.surely_positive:
        return [f"{first}, although {clause}", *rest]
    return [first, *rest, clause]


def _gain(record: RunRecord) -> Gain | None:
    """The gain of retraining that was measured; else None."""
    found = record.performance.gain if record.performance else None
    return found.gain if found and found.code is None else None


def _gain_clause(record: RunRecord) -> str:
    """What a model trained on the current month would bring; empty where that is not known."""
    gain, month = _gain(record), month_name(record.inputs.as_of_cur)
    if gain is None or record.performance is None:
        return ""
    rule = record.performance.rule
    # Whether it is surely positive hangs on its lower end.
    low, _ = drop_texts(rule, gain.low, 0.0)
    size, between = drop_text(rule, gain.value), f"between {low} and {drop_text(rule, gain.high)}"
    if rule.lower_is_better:
        if gain.surely_positive:
            return f"a model trained on {month} would err {size} less ({between})"
        return f"a model trained on {month} would not surely err less (part of the {rule.short} saved {between})"
    if gain.surely_positive:
        return f"a model trained on {month} would win back {size} {rule.short} ({between})"
    return f"a model trained on {month} would not surely rank better (gain in {rule.short} {between})"


def _unasked_gain(record: RunRecord) -> str:
    """The sure gain of a model of a month in which no signal asks for one; else empty."""
    gain = _gain(record)
    if gain is None or not gain.surely_positive:
        return ""
    return f"{_gain_clause(record)}, which alone starts no retraining"


def _held_back(record: RunRecord) -> str:
    inputs = record.inputs
    if record.held_back_code is HeldBack.CHAMPION_KNOWS and record.champion_trained_on:
        month = month_name(record.champion_trained_on)
        in_use = f"the model in use (v{record.champion})" if record.champion else "the model in use"
        return f"the data have changed, and {in_use} was trained on {month} and knows this change"
    if record.held_back_code in (HeldBack.SEASONAL, HeldBack.USUAL):
        return _no_news(record)
    if record.held_back_code is HeldBack.CONFIRMATIONS and inputs.confirmations:
        rule = f"{inputs.confirmations} of {inputs.confirmation_window} months must signal before it retrains"
        return f"there is a signal, and in this monitor {rule}"
    if record.held_back_code is HeldBack.COOLDOWN and inputs.cooldown_days:
        return f"there is a signal, and this monitor rests for {inputs.cooldown_days} days of data after a trigger"
    rule = "" if record.held_back_code is HeldBack.NOT_WORTH_IT else "it is held back: "
    return f"there is a signal, and {rule}{record.held_back}"


def _no_news(record: RunRecord) -> str:
    """Why a signal is no news: the season, or the size of the move."""
    month = record.inputs.as_of_cur
    if record.held_back_code is HeldBack.SEASONAL:
        year = month.year - 1
        return f"the data have changed as they do every year: {month_name(month)} is like that month of {year}"
    return "the data have changed no further than they often do from one month to another, and the model holds"


def _signals(record: RunRecord, earlier: Sequence[RunRecord]) -> list[str]:
    """What is beyond its threshold, the model before the data."""
    reached = {signal.name for signal in record.signals if signal.reached}
    clauses = []
    if record.model_dropped and record.performance and record.performance.change:
        fallen = _fallen(record, record.performance, since(record, earlier))
        clauses += [fallen + _because(record), _where(record), _relations(record)]
    if "drift_share" in reached:
        clauses.append(_moved(record))
    if "target_drift" in reached:
        clauses.append(f"the {label_kind(record)} of {label_name(record)} {_went(record)}")
    if not record.signals and record.triggered:
        # A record of the first release.
        clauses.append(_moved(record))
    return [clause for clause in clauses if clause]


def _fallen(record: RunRecord, found: PerformanceRecord, first: date) -> str:
    """The rise of an error, or the fall of an AUC; "no better than chance" where its own uncertainty reaches 0.5."""
    rule, change, model, when = found.rule, found.change, _subject(record), month_name(first)
    assert change is not None
    cur, ref = value_texts(rule, change.cur, change.ref)
    was = f"{rule.short} {cur}, was {ref}"
    if rule.lower_is_better:
        return f"{model} has erred more than in its validation since {when} ({was}; lower is better)"
    half = (change.high - change.low) / 2
    if change.cur + half < 0.5:
        return f"{model} ranks worse than chance since {when} ({was})"
    if change.cur - half <= 0.5:
        return f"{model} ranks no better than chance since {when} ({was})"
    return f"{model} has ranked worse than in its validation since {when} ({was})"


def _because(record: RunRecord) -> str:
    """Why the model is worse, by the parts of its drop that are surely there; empty where it was not split.

    The parts are of the fall between the two months, and the model's own validation may be older than both.
    """
    found = record.performance.causes if record.performance else None
    change = record.performance.change if record.performance else None
    if found is not None and found.code is None and change is not None:
        between = (found.meaning.value or 0.0) + (found.entities.value or 0.0)
        if between < abs(change.cur - change.ref) / 2:
            return f", most of it by {month_name(record.inputs.as_of_ref)}"
    words = [
        text
        for part, text in (
            (Part.MEANING, f"what predicts {label_name(record)} has changed"),
            (Part.ENTITIES, "other entities are there"),
        )
        if part in _sure_parts(record)
    ]
    return f", because {' and '.join(words)}" if words else ""


def _where(record: RunRecord) -> str:
    """The segment that holds the drop most clearly; empty where there is none, or none was looked for."""
    found = record.performance.segments if record.performance else None
    if found is None or not found.named or record.performance is None:
        return ""
    first, rule = found.named[0], record.performance.rule
    return (
        f"it is worst where {first.name} ({first.share_cur:.0%} of entities, {rule.short} "
        f"{' to '.join(value_texts(rule, first.ref, first.cur))})"
    )


def _sure_parts(record: RunRecord) -> tuple[Part, ...]:
    """The parts of the drop that are surely there and at least a fifth of it; empty where it was not split."""
    found = record.performance.causes if record.performance else None
    if found is None or found.code is not None:
        return ()
    values = {Part.MEANING: found.meaning, Part.ENTITIES: found.entities}
    total = sum(part.value or 0.0 for part in values.values())
    return tuple(
        name for name, part in values.items() if (part.low or 0.0) > 0.0 and (part.value or 0.0) >= _PART * total
    )


def _subject(record: RunRecord) -> str:
    """Which model the figures are of."""
    found = record.performance
    if found is not None and found.champion is None:
        return "a stand-in model"
    return "the earlier model" if found is not None and found.passed_over else "the model"


def _relations(record: RunRecord) -> str:
    found = record.performance.relations if record.performance else ()
    changed = sorted((item for item in found if item.lost >= _LOST), key=lambda item: -item.lost)
    if not changed:
        return ""
    names = " and ".join(item.name for item in changed[:2])
    causes = record.performance.causes if record.performance else None
    if causes is not None and causes.code is None:
        # The headline has named the cause; where it is other entities, a feature says less because of them.
        less = "says" if len(changed) == 1 else "say"
        return f"of the features, {names} {less} less about {label_name(record)} than before"
    return f"what predicts {label_name(record)} has changed, most of all {names}"


def _moved(record: RunRecord) -> str:
    have = "has" if record.drifted_features == 1 else "have"
    since_month = month_name(record.inputs.as_of_ref)
    return f"{record.drifted_features} of {record.declared_features} features {have} moved since {since_month}"


def _calm_features(record: RunRecord) -> str:
    needed = features_needed(record)
    rest = f", and retraining is due from {needed} on" if record.drifted_features else ""
    if not record.drifted_features:
        return f"none of {record.declared_features} features has moved since {month_name(record.inputs.as_of_ref)}"
    return _moved(record) + rest


def _model_clause(record: RunRecord) -> str:
    """What is known of the model where nothing triggers; empty where performance is off or was not recorded."""
    found = record.performance
    if found is None or found.state is PerformanceState.OFF:
        return ""
    if found.state is PerformanceState.PENDING:
        return f"whether the model still works is known when more labels are there ({_labelled(record, found.reason)})"
    if found.change is None or found.drop is None:
        return f"the data ask for nothing, and whether the model still works is not known ({found.reason})"
    rule, model = found.rule, _subject(record)
    ref, cur = value_texts(rule, found.change.ref, found.change.cur)
    was = f"{rule.short} {ref} then, {cur} now"
    if found.drop <= found.threshold:
        calm = "errs no more than it did" if rule.lower_is_better else "ranks as well as it did"
        return f"{model} {calm} ({was})"
    moved = "errs more" if rule.lower_is_better else "ranks lower"
    if found.change.p_value is None:
        return f"{model} {moved}, by no more than chance can explain ({was})"
    return f"{model} {moved}, and chance gives as much {once_in(found.change.p_value)} ({was})"


def _labelled(record: RunRecord, reason: str) -> str:
    """How many of the month's labels are there; the reason where that is not known."""
    share = record.target.labelled_share_cur
    return reason if share is None else f"{labelled(share)} of {month_name(record.inputs.as_of_cur)} has a label now"


def _went(record: RunRecord) -> str:
    target, rate = record.target, is_rate(record)
    if target.classes and target.abs_diff is not None:
        size = amount(target.abs_diff, rate, change=True)
        return f"has changed by {size}, most of all {class_moves(record, 1)}"
    if target.ref is None or target.cur is None:
        return "has changed"
    return f"went from {' to '.join(amounts(target.ref, target.cur, rate=rate))}"
