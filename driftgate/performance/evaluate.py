"""The performance of the evaluation model in the current month, compared with that in its own validation."""

import math
from dataclasses import replace

import numpy as np

from driftgate.features.labels import LabelMonth
from driftgate.features.types import FeatureMonth
from driftgate.measures import LARGEST_LABEL, LabelKind, Measure, measures_of
from driftgate.monitors import Monitor
from driftgate.performance.bootstrap import Scored, compare_scores
from driftgate.performance.evaluation_model import EvaluationModel, ScoredMonth, labelled
from driftgate.performance.feature_auc import feature_auc
from driftgate.performance.result import Change, FeatureAuc, Performance, PerformanceState, is_finite, not_measured
from driftgate.performance.score_bins import score_bins

Month = tuple[FeatureMonth, LabelMonth]


def why_not(ref: LabelMonth, cur: LabelMonth, monitor: Monitor, champion: bool) -> Performance | None:
    """Return a performance without figures where it is clear before scoring that there will be none, else None.

    Args:
        ref, cur: labels of both months.
        monitor: says whether performance is wanted.
        champion: whether there is a champion; without one the reference's labels are needed too, to train a probe.
    """
    if monitor.performance == "off":
        return not_measured(PerformanceState.OFF, "")
    needed = [cur] if champion else [ref, cur]
    if cur.pending and (champion or not ref.reason):
        return not_measured(PerformanceState.PENDING, cur.reason)
    reason = next(filter(None, map(why_unusable, needed)), "")
    return _not_computable(reason) if reason else None


def why_unusable(month: LabelMonth) -> str:
    """Why a month's labels cannot be measured against; empty where they can."""
    if month.reason:
        return f"{month.as_of}: {month.reason}"
    if month.constant:
        return f"every label of {month.as_of} is {month.constant}"
    if month.largest > LARGEST_LABEL:
        return f"a label of {month.as_of} is {month.largest:.3g}, and up to {LARGEST_LABEL:g} can be measured"
    return month.too_many_classes


def common_kind(ref: LabelMonth, cur: LabelMonth) -> LabelKind | None:
    """Return the kind of the label in both months; None where one has classes and the other numbers.

    A number that is 0 and 1 in one month and another in the other is a number.
    """
    if ref.kind is cur.kind:
        return ref.kind
    return None if LabelKind.CATEGORICAL in (ref.kind, cur.kind) else LabelKind.NUMERIC


def why_not_of(kind: LabelKind | None, model: str, month: LabelMonth) -> Performance | None:
    """Return a performance without figures where a model predicts another kind of label than the month has, else None.

    Args:
        kind: what it predicts.
        model: the model in words.
        month: with labels.
    """
    if kind is month.kind or (kind is LabelKind.NUMERIC and month.kind is LabelKind.BOOLEAN):
        return None
    return _not_computable(f"{model} predicts a {kind} label, and the label of {month.as_of} is {month.kind}")


def evaluate(evaluation: EvaluationModel, scores: ScoredMonth, ref: Month, cur: Month, monitor: Monitor) -> Performance:
    """Compare the scores of the current month with the labels, for entities that the model has not seen in training.

    Args:
        evaluation: the champion or a probe.
        scores: its scores of the current month.
        ref, cur: features and labels; the relations of single features come from both, where both have labels.
        monitor: gives the number of entities that are needed, and the join key.
    """
    key = monitor.entity.feast_key
    side = _unseen(evaluation, scores, cur, key)
    fewest = min(len(side.labels), len(evaluation.validation.labels))
    rule = measures_of(evaluation.kind)[0]
    if fewest < monitor.min_rows or not side.varied or not evaluation.validation.varied:
        words = _in_words(side, monitor.min_rows)
        return _not_computable(f"{len(side.labels)} labelled entities that the model has not seen, {words}", rule)
    measures = compare_scores(evaluation.validation, side, _replicates(monitor.signal_level), monitor.sample_seed)
    reason = _no_change(rule, measures[rule.name])
    if reason:
        return _not_computable(reason, rule)
    return Performance(
        PerformanceState.MEASURED,
        version=evaluation.version,
        trained_on=evaluation.trained_on,
        users_ref=len(evaluation.validation.labels),
        users_cur=len(side.labels),
        measures={name: change for name, change in measures.items() if is_finite(change)},
        relations=_relations(ref, cur, key, evaluation.features),
        measure=rule.name,
        score_bins=score_bins(evaluation.validation, side),
        decision_threshold=evaluation.threshold,
    )


def _not_computable(reason: str, rule: Measure | None = None) -> Performance:
    found = not_measured(PerformanceState.NOT_COMPUTABLE, f"not computable: {reason}")
    return replace(found, measure=rule.name) if rule else found


def _no_change(rule: Measure, change: Change) -> str:
    """Why there is no figure to decide by; empty where there is one."""
    if not is_finite(change):
        return f"the {rule.short} is {change.ref:g} in the model's own validation and {change.cur:g} now"
    if rule.lower_is_better and not change.ref > 0.0:
        return f"the {rule.short} in the model's own validation is 0, and a rise has no size in parts of that"
    if change.low == change.high:
        return f"resampling the entities does not change the {rule.short}, as with scores that are all alike"
    return ""


def _replicates(level: float) -> int:
    """As many as it takes for the level to be reached with room to spare."""
    return max(500, math.ceil(4 / level))


def _unseen(evaluation: EvaluationModel, scores: ScoredMonth, cur: Month, key: str) -> Scored:
    found = labelled(*cur, key)
    return evaluation.scored_of(found, scores.of(found.keys)).part(evaluation.unseen(found.units))


def _in_words(side: Scored, min_rows: int) -> str:
    if side.kind is LabelKind.BOOLEAN:
        return f"{int(side.labels.sum())} of them positive; {min_rows} and both classes are needed"
    return f"with {len(np.unique(side.labels))} different labels; {min_rows} are needed, and two different labels"


def _relations(ref: Month, cur: Month, key: str, features: tuple[str, ...]) -> tuple[FeatureAuc, ...]:
    kind = ref[1].kind
    if why_unusable(ref[1]) or kind is not cur[1].kind or kind not in (LabelKind.BOOLEAN, LabelKind.CATEGORICAL):
        return ()
    sides = [labelled(*month, key) for month in (ref, cur)]
    usable = [name for name in features if all(name in side.table.column_names for side in sides)]
    return feature_auc(sides[0], sides[1], usable)
