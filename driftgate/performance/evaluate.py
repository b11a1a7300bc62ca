"""The performance of the evaluation model in the current month, compared with that in its own validation."""

import math

import numpy as np

from driftgate.features.labels import LabelMonth
from driftgate.features.types import FeatureMonth
from driftgate.monitors import Monitor
from driftgate.performance.bootstrap import Scored, compare_scores
from driftgate.performance.evaluation_model import EvaluationModel, ScoredMonth, labelled
from driftgate.performance.feature_auc import feature_auc
from driftgate.performance.result import FeatureAuc, Performance, PerformanceState, not_measured

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
    for month in needed:
        if month.reason:
            return not_measured(PerformanceState.NOT_COMPUTABLE, f"not computable: {month.as_of}: {month.reason}")
        if not month.binary:
            return not_measured(PerformanceState.NOT_COMPUTABLE, "not computable: the label is not boolean")
        if month.mean in (0.0, 1.0):
            word = "true" if month.mean else "false"
            return not_measured(
                PerformanceState.NOT_COMPUTABLE, f"not computable: every label of {month.as_of} is {word}"
            )
    return None


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
    if fewest < monitor.min_rows or not side.both_classes or not evaluation.validation.both_classes:
        return not_measured(
            PerformanceState.NOT_COMPUTABLE,
            f"not computable: {len(side.labels)} labelled entities that the model has not seen, "
            f"{int(side.labels.sum())} of them positive; {monitor.min_rows} and both classes are needed",
        )
    replicates = _replicates(monitor.signal_level)
    measures = compare_scores(evaluation.validation, side, replicates, monitor.sample_seed)
    if measures["auc"].low == measures["auc"].high:
        reason = "not computable: resampling the entities does not change the AUC, as with scores that are all alike"
        return not_measured(PerformanceState.NOT_COMPUTABLE, reason)
    return Performance(
        PerformanceState.MEASURED,
        version=evaluation.version,
        trained_on=evaluation.trained_on,
        users_ref=len(evaluation.validation.labels),
        users_cur=len(side.labels),
        measures=measures,
        relations=_relations(ref, cur, key, evaluation.features),
    )


def _replicates(level: float) -> int:
    """As many as it takes for the level to be reached with room to spare."""
    return max(500, math.ceil(4 / level))


def _unseen(evaluation: EvaluationModel, scores: ScoredMonth, cur: Month, key: str) -> Scored:
    _, keys, values = labelled(*cur, key)
    unseen = ~np.isin(keys, evaluation.seen)
    return Scored(keys[unseen], values[unseen], scores.of(keys[unseen]))


def _relations(ref: Month, cur: Month, key: str, features: tuple[str, ...]) -> tuple[FeatureAuc, ...]:
    if ref[1].path is None or ref[1].mean in (0.0, 1.0) or not ref[1].binary:
        return ()
    sides = [labelled(*month, key) for month in (ref, cur)]
    usable = [name for name in features if all(name in table.column_names for table, _, _ in sides)]
    return feature_auc((sides[0][0], sides[0][2]), (sides[1][0], sides[1][2]), usable)
