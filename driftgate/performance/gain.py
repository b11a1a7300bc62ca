"""The gain of retraining: a challenger fitted on half of the current month, against the model that scores it.

The halves are drawn a few times, by a hash of the entity's key, or of its group where entities depend on each other.
Both models are compared on the entities of the other half that the present model has not seen in training. The interval
is that of one such comparison: it holds the chance of the entities and the chance of the halves.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftgate.drift.comparison import Side
from driftgate.drift.ledger import Ledger
from driftgate.errors import DataError
from driftgate.measures import Floats, LabelKind
from driftgate.monitors import Monitor
from driftgate.performance.bootstrap import Scored, drop_differences
from driftgate.performance.evaluation_model import challenger_inputs, fit_model, labelled
from driftgate.performance.result import Gain, NoGain, Performance, PerformanceState
from driftgate.performance.scoring import Scoring
from driftgate.training.dataset import input_columns, over_classes
from driftgate.training.features import ModelFeature
from driftgate.training.split import held_out

SPLITS = 3
_REPLICATES = 200
_HALF = 0.5

FitAndScore = Callable[[NDArray[np.bool_], NDArray[np.bool_]], Floats]
"""Fits on the rows of the first mask, and returns the scores of the rows of the second."""


def gain_of(scoring: Scoring, performance: Performance, monitor: Monitor, cur: Side, ledger: Ledger) -> Gain:
    """Measure what a model trained on the current month would bring over the one that was measured on it.

    Args:
        scoring: the scores of the current month, and the model that gave them.
        performance: what was measured of that model.
        monitor: gives the join key, the entities that a half needs, and the seed.
        cur: features and labels of the current month.
        ledger: its comparable features are the challenger's inputs.
    """
    none = why_no_gain(performance)
    if none is not None:
        return none
    assert scoring.evaluation is not None
    assert scoring.cur is not None
    key = monitor.entity.feast_key
    try:
        found = labelled(cur.features, cur.labels, key)
        inputs = challenger_inputs(cur.features, [column.name for column in ledger.comparable])
        kind, known = scoring.evaluation.kind, scoring.evaluation.classes
        # A class that is new to the present model is not new to a challenger.
        classes = tuple(sorted({*known, *found.values.tolist()})) if kind is LabelKind.CATEGORICAL else ()
        present = scoring.evaluation.scored_of(found, scoring.cur.of(found.keys), classes)
        seen = ~scoring.evaluation.unseen(found.units)
        challenger = challenger_of(found.table, found.values, inputs, kind, classes)
        return measure_gain(present, seen, challenger, monitor.min_rows, monitor.sample_seed)
    except DataError as error:
        return Gain(code=NoGain.NOT_MEASURED, reason=f"no challenger can be fitted: {error.received}")


def why_no_gain(performance: Performance) -> Gain | None:
    """The gain without a figure where the performance says already that there is none, else None."""
    if performance.passed_over is not None and not performance.passed_over.split:
        return Gain(code=NoGain.CHAMPION_KNOWS, reason=performance.passed_over.text)
    if performance.measured:
        return None
    code = {PerformanceState.OFF: NoGain.OFF, PerformanceState.PENDING: NoGain.LABELS_PENDING}
    reason = performance.reason.removeprefix("not computable: ") or "performance is off"
    return Gain(code=code.get(performance.state, NoGain.NOT_MEASURED), reason=reason)


def measure_gain(
    present: Scored, seen: NDArray[np.bool_], fit_and_score: FitAndScore, min_rows: int, seed: int = 0
) -> Gain:
    """Fit challengers on halves of the labelled entities, and compare each with the present model on the other half.

    Args:
        present: all labelled entities of the month, with the scores of the present model.
        seen: which of them the present model has seen in training, in whatever month; shape (n,).
        fit_and_score: fits a challenger as a training does.
        min_rows: entities that each half needs.
        seed: the first seed of the halves; the same seed and entities give the same gain.
    """
    plain, drawn, fewest = [], [], len(present.labels)
    for split in range(seed, seed + SPLITS):
        fitted = held_out(present.keys, present.groups, split, _HALF)
        scored = ~fitted & ~seen
        ref = present.part(scored)
        fewest = min(fewest, int(fitted.sum()), int(scored.sum()))
        alike = not ref.varied or len(np.unique(present.labels[fitted])) < 2
        if fewest < min_rows or alike:
            labels = "both classes" if present.kind is LabelKind.BOOLEAN else "labels that differ"
            reason = f"{fewest} entities in a half; {min_rows} in each, and {labels}, are needed"
            return Gain(code=NoGain.TOO_FEW, reason=reason)
        cur = replace(ref, scores=fit_and_score(fitted, scored))
        difference, resampled = drop_differences(ref, cur, _REPLICATES, split)
        plain.append(0.0 - difference)
        drawn.append(0.0 - resampled)
    low, high = np.nanpercentile(np.concatenate(drawn), [2.5, 97.5])
    return Gain(float(np.mean(plain)), float(low), float(high), fewest)


def challenger_of(
    table: pa.Table,
    labels: NDArray[Any],
    features: tuple[ModelFeature, ...],
    kind: LabelKind = LabelKind.BOOLEAN,
    classes: Sequence[str] = (),
    seed: int = 0,
) -> FitAndScore:
    """Return the function that fits a challenger as a training does, on rows of a month's labelled features.

    Args:
        table: features of the labelled entities, in the order of `labels`.
        labels: 0 or 1, numbers, or classes as text; shape (n,).
        features: inputs of the challenger.
        kind: of the label.
        classes: those that the scores are for, where it is categorical.
        seed: of the trees.
    """

    def fit_and_score(fitted: NDArray[np.bool_], scored: NDArray[np.bool_]) -> Floats:
        model = fit_model(table.filter(pa.array(fitted)), labels[fitted], features, kind, seed)
        scores = model.scores(input_columns(table.filter(pa.array(scored)), features))
        return over_classes(scores, model.classes, classes) if classes else scores

    return fit_and_score
