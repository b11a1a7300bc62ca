"""The three figures of a decision record for people: the model, the features, the label. Pure, nothing escaped."""

import math
from dataclasses import dataclass

from driftgate.decision import PERFORMANCE_KEY
from driftgate.performance.result import PerformanceState
from driftgate.reports.words import (
    amount,
    amounts,
    class_moves,
    drop_texts,
    is_rate,
    label_kind,
    label_name,
    labelled,
    month_name,
    once_in,
    percent,
    percents,
    rarely,
    value_texts,
)
from driftgate.store.performance_record import EstimateRecord, PerformanceRecord
from driftgate.store.record import RunRecord

_CLASSES_NAMED = 3
# The part of all entities that the list of the highest scores holds.
_TENTH = 0.1
_PAIRS = (
    "AUC: of two entities, one with {} and one without, how often the model puts the right one first; 1 is always, and "
    "0.50 is a coin."
)


@dataclass(frozen=True)
class Figure:
    """One signal for people.

    Attributes:
        signal: its name in the record; of the model the key of its threshold, whatever the measure.
        title: what it is about.
        now: the figure; words where there is none.
        then: the figure it is held against, or empty.
        text: what it means, with its interval.
        reached: whether it is beyond its threshold.
    """

    signal: str
    title: str
    now: str
    then: str
    text: str
    reached: bool


def figures(record: RunRecord) -> list[Figure]:
    """The three figures: the model, the features, the label."""
    return [_model_figure(record), _features_figure(record), _label_figure(record)]


def features_needed(record: RunRecord) -> int:
    """The least number of drifted features that reaches the threshold of the drift share.

    Of 14 features and a threshold of 0.3 it is 5.
    """
    return math.ceil(record.threshold * record.declared_features - 1e-9)


def _model_figure(record: RunRecord) -> Figure:
    found, title = record.performance, "How good is the model?"
    if found is not None and found.estimate is not None and found.estimate.code is None:
        return _estimated_figure(record, found.estimate)
    if found is None or found.change is None or found.drop is None:
        return Figure(PERFORMANCE_KEY, title, *_unmeasured(found), False)
    rule, change = found.rule, found.change
    size = _size_of_drop(found)
    text = f"{size} {_meaning(record, found)}{_list_meaning(record, found)}"
    now, then = value_texts(rule, change.cur, change.ref)
    return Figure(PERFORMANCE_KEY, title, f"{rule.short} {now}", then, text, record.model_dropped)


def _size_of_drop(found: PerformanceRecord) -> str:
    """How much worse the model is than in its validation, or how much better, with its interval."""
    rule, worse = found.rule, found.drop is not None and found.drop >= 0
    assert found.drop is not None
    drop, threshold = drop_texts(rule, found.drop if worse else -found.drop, found.threshold)
    ends = [found.drop_low, found.drop_high]
    if not worse:
        ends = [None if end is None else -end for end in reversed(ends)]
    texts = ["unknown" if end is None else drop_texts(rule, round(end, 4), 0.0)[0] for end in ends]
    word = rule.drop_word if worse else {"fall": "rise", "rise": "fall"}[rule.drop_word]
    due = threshold if worse else f"a {rule.drop_word} of {threshold}"
    since = f"The {word} since its validation is {drop}, with 95% certainty between {' and '.join(texts)}"
    return f"{since}; retraining is due above {due}."


def _estimated_figure(record: RunRecord, found: EstimateRecord) -> Figure:
    """What labels to come are expected to give; it is never beyond a threshold."""
    low, high = (f"{0.0 if end is None else end:z.2f}" for end in (found.low, found.high))
    text = (
        f"{_PAIRS.format(label_name(record))} An estimate: {_waits(record)} With 95% certainty it will be between "
        f"{low} and {high} if {label_name(record)} still follows the features as before, which an estimate cannot see. "
        "It decides nothing."
    )
    ref, value = ("" if each is None else f"{each:z.2f}" for each in (found.ref, found.value))
    return Figure(PERFORMANCE_KEY, "How good is the model, by an estimate?", f"AUC ≈ {value}", ref, text, False)


def _waits(record: RunRecord) -> str:
    """How many labels of the month are there, in a sentence."""
    share = record.target.labelled_share_cur
    there = "the labels of the month are not there" if not share else f"{labelled(share)} of the month has a label now"
    return f"{there}."


def _list_meaning(record: RunRecord, found: PerformanceRecord) -> str:
    """What part of those with the label a list of the highest scores holds; empty where that was not measured."""
    recall = found.measures.get("top_tenth_recall")
    if recall is None:
        return ""
    label = label_name(record)
    text = f" The tenth with the highest scores holds {percent(recall.cur)} of all with {label}"
    rate = found.measures.get("positive_rate")
    if rate is None or not rate.ref or not rate.cur:
        return f"{text}, {percent(recall.ref)} before."
    # A tenth of all can hold no more than all of it.
    best = [percent(min(1.0, _TENTH / whole)) for whole in (rate.ref, rate.cur)]
    hit = [percent(min(1.0, part * whole / _TENTH)) for part, whole in ((recall.ref, rate.ref), (recall.cur, rate.cur))]
    return (
        f"{text} (at best {best[1]}), {percent(recall.ref)} before (at best {best[0]}); {hit[1]} in it have {label}, "
        f"{hit[0]} before."
    )


def _meaning(record: RunRecord, found: PerformanceRecord) -> str:
    """What the measure says, in words."""
    label = label_name(record)
    if found.rule.lower_is_better:
        return f"{found.rule.description[:1].upper()}{found.rule.description[1:]}; in units of {label}."
    if found.measure == "auc":
        return _PAIRS.format(label)
    return (
        f"Macro AUC: of two entities of different classes of {label}, how often the model tells which is which; 1 is "
        "always, and 0.50 is a coin."
    )


def _unmeasured(found: PerformanceRecord | None) -> tuple[str, str, str]:
    """The figure, what it is held against, and the reason, where the model was not measured."""
    if found is None:
        return "not recorded", "", "An earlier release wrote this record; it measured no model."
    if found.state is PerformanceState.PENDING:
        text = f"The labels of the month are not all there: {found.reason}. The schedule judges the pair again then."
        return "pending", "", text
    if found.state is PerformanceState.OFF:
        return "off", "", 'This monitor does not measure a model: performance = "off".'
    return "not known", "", f"It was not computable: {found.reason}."


def _features_figure(record: RunRecord) -> Figure:
    needed, rate = features_needed(record), record.inputs.false_alarm_rate
    share, threshold = percents(record.drift_share, record.threshold)
    text = (
        f"features have moved since {month_name(record.inputs.as_of_ref)} by more than their own threshold and by more "
        f"than chance: {share} of them. Retraining is due from {threshold} on, which is {needed}."
    )
    if rate:
        units = "groups" if record.inputs.group else "rows"
        text += (
            f" A month without change starts a retraining at most {rarely(rate)}, if its {units} do not depend on each "
            "other."
        )
    now = f"{record.drifted_features} of {record.declared_features}"
    reached = record.drift_share >= record.threshold
    return Figure("drift_share", "How many features have moved?", now, "", text[:1].upper() + text[1:], reached)


def _label_figure(record: RunRecord) -> Figure:
    target, label = record.target, label_name(record)
    title = f"How has {label} moved?"
    reached = any(signal.name == "target_drift" and signal.reached for signal in record.signals)
    if target.classes and target.abs_diff is not None:
        now = amount(target.abs_diff, True, change=True)
        return Figure("target_drift", title, now, "", f"{_class_text(record)}{_label_text(record)}", reached)
    if target.abs_diff is None or target.cur is None or target.ref is None:
        now = "pending" if target.pending else "not known"
        return Figure("target_drift", title, now, "", f"{target.reason or 'It was not computable'}.", False)
    rate = is_rate(record)
    text = f"{label_kind(record).capitalize()} of {label} over all labelled entities of the month.{_label_text(record)}"
    now, then = amounts(target.cur, target.ref, rate=rate)
    return Figure("target_drift", title, now, then, text, reached)


def _class_text(record: RunRecord) -> str:
    """How far the shares of the classes moved, and which of them furthest."""
    moved = class_moves(record, _CLASSES_NAMED)
    most = f" Most of all moved {moved}." if moved else ""
    return (
        f"So large a part of all entities would have to take another class of {label_name(record)} for its "
        f"{len(record.target.classes)} classes to have the shares that they had in "
        f"{month_name(record.inputs.as_of_ref)}.{most}"
    )


def _label_text(record: RunRecord) -> str:
    """What chance alone gives, and whether the label decides."""
    target, rate, text = record.target, is_rate(record), ""
    if target.p_value is not None:
        text += f" Chance alone gives such a difference {once_in(target.p_value)}"
        # Records of earlier releases lack it.
        size = "" if target.chance is None else f"; {amount(target.chance, rate, change=True)} would be chance here"
        text += f"{size}."
    if target.in_spreads is not None:
        text += f" The difference is {target.in_spreads:.2f} standard deviations of the month it is held against."
    if target.threshold is None:
        text += " It has no threshold in this monitor, so it does not decide."
        return text
    limit = amount(target.threshold, rate, change=True)
    if target.abs_diff is not None:
        size, limit = amounts(target.abs_diff, target.threshold, rate=rate, change=True)
        text += "" if target.classes else f" The difference is {size}."
    return f"{text} Retraining is due from a difference of {limit} on."
