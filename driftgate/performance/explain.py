"""Why a model is worse, and where. Asked only where it surely is, by what may matter: calm months cost nothing."""

from dataclasses import replace

import pyarrow as pa

from driftgate.drift.comparison import Side
from driftgate.drift.ledger import Ledger, read_table
from driftgate.errors import DataError
from driftgate.measures import Floats
from driftgate.monitors import Monitor
from driftgate.performance.causes import MOST_ENTITIES, month_probabilities, split_drop
from driftgate.performance.evaluation_model import (
    EvaluationModel,
    Labelled,
    Rows,
    challenger_inputs,
    find_rows,
    labelled,
    texts,
)
from driftgate.performance.feature_costs import feature_costs
from driftgate.performance.findings import Causes, FeatureCost, Segments, Unexplained
from driftgate.performance.result import Performance
from driftgate.performance.scoring import Scoring
from driftgate.performance.segments import candidates_of, find_segments
from driftgate.training.dataset import input_columns
from driftgate.training.split import drawn_mask


def explain(
    scoring: Scoring, performance: Performance, monitor: Monitor, ref: Side, cur: Side, ledger: Ledger
) -> Performance:
    """Return the performance with the causes of its drop between the two months, and the segments that hold it.

    With them goes what the change of each feature costs.

    The reference side is the model's own validation where it was trained on the reference month, else the entities of
    that month that it has not seen.

    Args:
        scoring: the model and its scores.
        performance: what was measured of it.
        monitor: gives the join key, the entities that are needed, the segments, the rate of false alarms, and the seed.
        ref, cur: features and labels of both months.
        ledger: its comparable features say which entities are alike.
    """
    if not performance.measured:
        return _without(performance, Unexplained.NOT_MEASURED, "the performance was not measured")
    if not performance.drop_interval[0] > 0.0:
        return _without(performance, Unexplained.NO_DROP, "there is no sure drop")
    if performance.drop_interval[1] < monitor.performance_drop:
        # Of a large month every drop is sure, however small, and what asks for nothing needs no cause.
        reason = f"the drop is surely less than performance_drop, {monitor.performance_drop:g}"
        return _without(performance, Unexplained.SMALL_DROP, reason)
    old, new = reference_rows(scoring, ref, monitor.entity.feast_key), _current_rows(scoring, cur, monitor)
    if old is None:
        reason = f"no labelled entity of {ref.size.as_of} has a score"
        return _without(performance, Unexplained.NO_REFERENCE, reason)
    if min(len(old.scored.keys), len(new.scored.keys)) < monitor.min_rows:
        reason = f"fewer than {monitor.min_rows} entities in one of the months"
        return _without(performance, Unexplained.TOO_FEW, reason)
    return replace(
        performance,
        causes=_causes(old, new, monitor, cur, ledger),
        segments=_segments(old, new, monitor, cur, ledger),
        feature_costs=_feature_costs(old, new, monitor, cur, ledger),
    )


def _without(performance: Performance, code: Unexplained, reason: str) -> Performance:
    return replace(performance, causes=Causes(code=code, reason=reason), segments=Segments(code=code, reason=reason))


def _causes(old: Rows, new: Rows, monitor: Monitor, cur: Side, ledger: Ledger) -> Causes:
    old, new = (side.part(drawn_mask(side.scored.units, MOST_ENTITIES, monitor.sample_seed)) for side in (old, new))
    try:
        inputs = challenger_inputs(cur.features, [column.name for column in ledger.comparable])
        probabilities = month_probabilities(old.entities, new.entities, inputs, monitor.sample_seed)
        return split_drop(old.scored, new.scored, probabilities, monitor.min_rows, monitor.sample_seed)
    except DataError as error:
        reason = f"the months cannot be told from each other: {error.received}"
        return Causes(code=Unexplained.NOT_MEASURED, reason=reason)


def _feature_costs(old: Rows, new: Rows, monitor: Monitor, cur: Side, ledger: Ledger) -> tuple[FeatureCost, ...]:
    try:
        inputs = challenger_inputs(cur.features, [column.name for column in ledger.comparable])
    except DataError:
        # The causes say that there is nothing to compare.
        return ()
    names = [item.name for item in inputs]
    return feature_costs(old, new, names, monitor.min_rows, monitor.sample_seed)


def _segments(old: Rows, new: Rows, monitor: Monitor, cur: Side, ledger: Ledger) -> Segments:
    wanted = [item.name for item in ledger.comparable if not monitor.segments or item.name in monitor.segments]
    try:
        features = challenger_inputs(cur.features, wanted)
        candidates = candidates_of(features, *(input_columns(side.table, features) for side in (old, new)))
    except DataError as error:
        return Segments(code=Unexplained.NOT_MEASURED, reason=f"there is nothing to divide by: {error.received}")
    return find_segments(old.scored, new.scored, candidates, monitor.false_alarm_rate, monitor.min_rows)


def reference_rows(scoring: Scoring, ref: Side, key: str) -> Rows | None:
    """Return labelled entities that the model has not seen in training, with the features of the reference month.

    They are the model's own validation where it was trained on that month, else the month's unseen entities; None where
    their labels do not differ, or there are none.
    """
    evaluation = scoring.evaluation
    assert evaluation is not None
    if evaluation.trained_on == ref.size.as_of:
        table = read_table(ref.features)
        rows, there = find_rows(texts(table.column(key)), evaluation.validation.keys)
        return Rows(evaluation.validation.part(there), table.take(pa.array(rows[there])))
    if scoring.ref is None or ref.labels.path is None:
        return None
    entities = labelled(ref.features, ref.labels, key)
    found = _unseen(evaluation, entities, scoring.ref.of(entities.keys))
    return found if found.scored.varied else None


def _current_rows(scoring: Scoring, cur: Side, monitor: Monitor) -> Rows:
    assert scoring.evaluation is not None
    assert scoring.cur is not None
    entities = labelled(cur.features, cur.labels, monitor.entity.feast_key)
    return _unseen(scoring.evaluation, entities, scoring.cur.of(entities.keys))


def _unseen(evaluation: EvaluationModel, entities: Labelled, scores: Floats) -> Rows:
    unseen = evaluation.unseen(entities.units)
    found = entities.part(unseen)
    return Rows(evaluation.scored_of(found, scores[unseen]), found.table)
