"""The gain of retraining: a challenger fitted on half of the current month, against the model that scores it.

The halves are drawn a few times, by a hash of the entity's key. Both models are compared on the entities of the other
half that the present model has not seen in training. The interval is that of one such comparison: it holds the chance
of the entities and the chance of the halves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftgate.measures import Floats
from driftgate.performance.bootstrap import Scored, drop_differences
from driftgate.performance.result import Performance, PerformanceState
from driftgate.training.dataset import input_columns
from driftgate.training.features import ModelFeature
from driftgate.training.model import TrainedModel
from driftgate.training.split import validation_mask

SPLITS = 3
_REPLICATES = 200
_HALF = 0.5

FitAndScore = Callable[[NDArray[np.bool_], NDArray[np.bool_]], Floats]
"""Fits on the rows of the first mask, and returns the scores of the rows of the second."""


class NoGain(StrEnum):
    """Why a gain is not computable."""

    OFF = "off"
    LABELS_PENDING = "labels_pending"
    CHAMPION_KNOWS = "champion_knows"
    NOT_MEASURED = "not_measured"
    TOO_FEW = "too_few_entities"


@dataclass(frozen=True)
class Gain:
    """What retraining would bring, or why that is not computable.

    Attributes:
        value: AUC of the challenger minus that of the present model, the mean over the halves; NaN without one.
        low, high: 95% interval.
        entities: on which the smallest comparison was made.
        code, reason: why there is none; None and empty where there is one.
    """

    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    entities: int = 0
    code: NoGain | None = None
    reason: str = ""

    @property
    def computed(self) -> bool:
        """Whether there is a figure."""
        return self.code is None

    @property
    def surely_positive(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.computed and self.low > 0.0


def why_no_gain(performance: Performance) -> Gain | None:
    """The gain without a figure where the performance says already that there is none, else None."""
    if performance.passed_over is not None:
        return Gain(code=NoGain.CHAMPION_KNOWS, reason=performance.passed_over.text)
    if performance.measured:
        return None
    code = {PerformanceState.OFF: NoGain.OFF, PerformanceState.PENDING: NoGain.LABELS_PENDING}
    reason = performance.reason.removeprefix("not computable: ") or "the performance is off"
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
        fitted = validation_mask(present.keys.tolist(), split, _HALF)
        scored = ~fitted & ~seen
        ref = _part(present, scored, present.scores[scored])
        fewest = min(fewest, int(fitted.sum()), int(scored.sum()))
        one_class = not ref.varied or len(np.unique(present.labels[fitted])) < 2
        if fewest < min_rows or one_class:
            reason = f"{fewest} entities in a half; {min_rows} in each, and both classes, are needed"
            return Gain(code=NoGain.TOO_FEW, reason=reason)
        cur = _part(present, scored, fit_and_score(fitted, scored))
        difference, resampled = drop_differences(ref, cur, _REPLICATES, split)
        plain.append(0.0 - difference)
        drawn.append(0.0 - resampled)
    low, high = np.nanpercentile(np.concatenate(drawn), [2.5, 97.5])
    return Gain(float(np.mean(plain)), float(low), float(high), fewest)


def challenger_of(table: pa.Table, labels: Floats, features: tuple[ModelFeature, ...], seed: int = 0) -> FitAndScore:
    """Return the function that fits a challenger as a training does, on rows of a month's labelled features.

    Args:
        table: features of the labelled entities, in the order of `labels`.
        labels: 0 or 1, shape (n,).
        features: inputs of the challenger.
        seed: of the trees.
    """
    from driftgate.training.pipeline import fit_pipeline

    def fit_and_score(fitted: NDArray[np.bool_], scored: NDArray[np.bool_]) -> Floats:
        columns = input_columns(table.filter(pa.array(fitted)), features)
        pipeline = fit_pipeline(columns, labels[fitted], features, seed)
        model = TrainedModel("challenger", "", tuple(item.name for item in features), pipeline)
        return model.scores(input_columns(table.filter(pa.array(scored)), features))

    return fit_and_score


def _part(present: Scored, rows: NDArray[np.bool_], scores: Floats) -> Scored:
    return Scored(present.keys[rows], present.labels[rows], scores)
