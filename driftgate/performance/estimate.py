"""The performance of a model before labels come, as an estimate that takes the labels to follow the features as before.

The scores are turned into probabilities by the labels of the reference, whose entities are weighted so that their
features are those of the current month; from the probabilities follows the AUC to be expected. Sources:
confidence-based performance estimation (NannyML), with the weights of Białek, Kuberski, Perrakis & Bifet, "Estimating
Model Performance Under Covariate Shift Without Labels", 2024. A change of what the features mean leaves no trace in it.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from driftgate.drift.comparison import Side
from driftgate.drift.dealing import groups_of
from driftgate.drift.ledger import Ledger, read_table
from driftgate.errors import DataError
from driftgate.measures import Floats, LabelKind, measures_of
from driftgate.monitors import Monitor
from driftgate.performance.bootstrap import Scored
from driftgate.performance.causes import (
    MOST_ENTITIES,
    REPLICATES,
    Probabilities,
    effective_size,
    month_probabilities,
    of_enough_groups,
    resampled_interval,
    resampled_sides,
)
from driftgate.performance.evaluation_model import Entities, challenger_inputs, texts
from driftgate.performance.explain import reference_rows
from driftgate.performance.result import Estimate, NoEstimate, Performance, PerformanceState
from driftgate.performance.scoring import Scoring
from driftgate.training.split import drawn_mask

_BINS = 20
# An entity of the reference stands for at most 49 others; what is more surely of the current month is unlike any of it.
_LEAST_PROBABILITY = 0.02
_MOST_UNLIKE = 0.05


def estimate_of(
    scoring: Scoring, performance: Performance, monitor: Monitor, ref: Side, cur: Side, ledger: Ledger
) -> Estimate:
    """Estimate the AUC of the model that scored a month without labels.

    Args:
        scoring: the model, and its scores of the current month.
        performance: what was measured of it: nothing, where there is an estimate.
        monitor: gives the join key, the entities that are needed, and the seed.
        ref, cur: both months; only the reference needs labels.
        ledger: its comparable features say which entities are alike.
    """
    if (why := _why_not(scoring, performance, ref, cur)) is not None:
        return why
    assert scoring.evaluation is not None
    old = reference_rows(scoring, ref, monitor.entity.feast_key)
    if old is None:
        return _none(NoEstimate.NO_REFERENCE, f"no labelled entity of {ref.size.as_of} has a score")
    old = old.part(drawn_mask(old.scored.units, MOST_ENTITIES, monitor.sample_seed))
    new, scores = _current(scoring, cur, monitor)
    if min(len(old.scored.keys), len(scores)) < monitor.min_rows:
        return _none(NoEstimate.TOO_FEW, f"fewer than {monitor.min_rows} entities in one of the months")
    try:
        inputs = challenger_inputs(cur.features, [column.name for column in ledger.comparable])
        probabilities = month_probabilities(old.entities, new, inputs, monitor.sample_seed)
    except DataError as error:
        return _none(NoEstimate.TOO_DIFFERENT, f"the months cannot be told from each other: {error.received}")
    found = estimate_auc(old.scored, new.units, scores, probabilities, monitor.min_rows, monitor.sample_seed)
    validation = scoring.evaluation.validation
    ref_auc = measures_of(LabelKind.BOOLEAN)[0].prepare(validation.labels, validation.scores)
    return replace(found, ref=float(ref_auc(np.ones((1, len(validation.labels))))[0]))


def estimate_auc(
    ref: Scored,
    units: NDArray[np.str_],
    scores: Floats,
    probabilities: Probabilities,
    min_rows: int = 2,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Estimate:
    """Estimate the AUC that the labels of the current month will give if they follow the features as before.

    The interval is that of Student's t over resampled sets, for each of which the weights and the probabilities are
    found again and labels are drawn by the probabilities: it holds the chance of the reference, of the weights, and of
    the labels to come.

    Args:
        ref: n entities with a boolean label, none of which the model has seen in training.
        units, scores: of m entities of the current month; see `driftgate.performance.bootstrap.Scored.units`.
        probabilities: how likely each entity is of the current month.
        min_rows: entities of equal weight that the weighted ones of the reference must be worth.
        seed: the same seed and entities give the same estimate.
        replicates: number of resampled sets.
    """
    if not ref.varied:
        return _none(NoEstimate.TOO_FEW, f"all {len(ref.keys)} labels of the reference are the same")
    calibrate, measure = _calibration(ref, scores), measures_of(LabelKind.BOOLEAN)[0]
    ones, random = (np.ones(len(ref.keys)), np.ones(len(scores))), np.random.default_rng(seed)
    chances = probabilities(*ones)
    if not np.isfinite(chances[0]).all():
        return _none(NoEstimate.TOO_FEW, "the groups are too few to tell the months from each other")
    weights = _weights(chances[0])
    alike = effective_size(weights)
    if reason := _too_different(chances[1], alike, min_rows):
        return replace(_none(NoEstimate.TOO_DIFFERENT, reason), alike=alike)
    drawn, equal = [], np.ones((1, len(scores)))
    # With shares in place of labels, each pair counts by the chance that it is one of a positive and a negative.
    expected = float(measure.prepare(calibrate(weights), scores)(equal)[0])
    for resampled in resampled_sides(ref.units, units, replicates, seed):
        found = probabilities(*resampled)[0]
        if not np.isfinite(found).all():
            drawn.append(math.nan)
            continue
        rates = calibrate(resampled[0] * _weights(found))
        labels = (random.random(len(rates)) < rates).astype(np.float64)
        drawn.append(float(measure.prepare(labels, scores)(equal)[0]))
    enough = np.array(drawn) if ref.groups is None else of_enough_groups(np.array(drawn))
    if not np.isfinite([expected, *enough]).all():
        return _none(NoEstimate.TOO_FEW, "labels as rare as these may be all the same")
    interval = resampled_interval(expected, enough)
    return Estimate(expected, max(0.0, interval.low), min(1.0, interval.high), entities=len(scores), alike=alike)


def _too_different(probabilities: Floats, alike: int, min_rows: int) -> str:
    """Why the reference cannot stand for the month; empty where it can.

    Args:
        probabilities: how likely each entity of the month is of the month.
        alike: entities of equal weight that the weighted ones of the reference are worth.
        min_rows: how many are needed.
    """
    unlike = float(np.mean(probabilities > 1 - _LEAST_PROBABILITY))
    if unlike > _MOST_UNLIKE:
        return f"{unlike:.0%} of the month's entities are unlike any of the reference"
    if alike < min_rows:
        return f"the entities of the reference that are like those of the month are worth {alike}, {min_rows} needed"
    return ""


def _calibration(ref: Scored, scores: Floats) -> Callable[[Floats], Floats]:
    """Return the function of weights of the reference that gives the probability of the label for each score.

    It is the weighted rate of the label among the reference's entities with such a score, in twenty bins of equal size
    (Zadrozny & Elkan 2001). A rate that had to rise from bin to bin, as that of isotonic regression, would make a model
    that ranks badly look better: it fits the chance of the labels too.
    """
    edges = np.unique(np.quantile(ref.scores, np.linspace(0, 1, _BINS + 1)[1:-1]))
    of_ref, of_cur = (np.searchsorted(edges, side, "right") for side in (ref.scores, scores))

    def calibrated(weights: Floats) -> Floats:
        sums, positive = (np.bincount(of_ref, each, len(edges) + 1) for each in (weights, weights * ref.labels))
        overall = positive.sum() / sums.sum()
        rates: Floats = np.where(sums > 0, positive / np.where(sums > 0, sums, 1.0), overall)
        return rates[of_cur]

    return calibrated


def _weights(probabilities: Floats) -> Floats:
    """How many entities of the current month one of the reference stands for, but for a factor."""
    bounded = np.clip(probabilities, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    weights: Floats = bounded / (1 - bounded)
    return weights


def _why_not(scoring: Scoring, performance: Performance, ref: Side, cur: Side) -> Estimate | None:
    """The estimate without a figure where it is clear before that there is none, else None."""
    if performance.state is PerformanceState.OFF:
        return _none(NoEstimate.OFF, "performance is off")
    if performance.measured or cur.labels.path is not None:
        return _none(NoEstimate.LABELS_THERE, "the labels of the month are there")
    kind = scoring.evaluation.kind if scoring.evaluation else ref.labels.kind
    if kind not in (LabelKind.BOOLEAN, None):
        return _none(NoEstimate.OTHER_LABEL, f"it is not estimated for {kind} labels")
    if scoring.evaluation is None or scoring.cur is None:
        return _none(NoEstimate.NO_MODEL, "no model has scored the month")
    return None


def _current(scoring: Scoring, cur: Side, monitor: Monitor) -> tuple[Entities, Floats]:
    """Entities of the month that the model has not seen in training, or some of very many, with their scores."""
    assert scoring.evaluation is not None
    assert scoring.cur is not None
    table = read_table(cur.features)
    month = Entities(texts(table.column(monitor.entity.feast_key)), table, groups_of(table))
    unseen = month.part(scoring.evaluation.unseen(month.units))
    found = unseen.part(drawn_mask(unseen.units, MOST_ENTITIES, monitor.sample_seed))
    return found, scoring.cur.of(found.keys)


def _none(code: NoEstimate, reason: str) -> Estimate:
    return Estimate(code=code, reason=reason)
