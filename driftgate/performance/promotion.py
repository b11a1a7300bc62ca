"""The comparison of champion and challenger on the same entities; neither has seen any of them in training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftgate.drift.ledger import read_table
from driftgate.errors import DataError, UsageError
from driftgate.features.types import FeatureMonth
from driftgate.measures import Drop, LabelKind, Measure, measures_of
from driftgate.monitors import Monitor
from driftgate.performance.bootstrap import Scored, compare_scores
from driftgate.performance.champion import load_evaluation_model, split_text
from driftgate.performance.evaluation_model import find_rows, texts
from driftgate.performance.result import Change, drop_interval
from driftgate.training.dataset import input_columns
from driftgate.training.model import TrainedModel
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.registry.versions import VersionInfo

# A fall from the champion's own validation that is worth a warning, and how far rates, or means in parts of the
# labels' standard deviation, may be apart.
_FALLEN = {Drop.DIFFERENCE: 0.05, Drop.RELATIVE: 0.1}
_RATE_FACTOR = 2.0
# The greatest F1 of a rare label is often where twice as many are called: only so many of all are too many besides.
_MOST_CALLED = 0.5
_BIAS = 0.25


@dataclass(frozen=True)
class ModelComparison:
    """The result of a comparison.

    Attributes:
        champion, challenger: versions; the champion is None where there was none.
        entities: number of entities behind the measures.
        measures: by name; `ref` is the champion's, `cur` the challenger's.
        promote: whether the challenger becomes the champion.
        reason: why, in words.
        warnings: what is wrong with the challenger although it may be the better of the two, in words.
    """

    champion: str | None
    challenger: str
    entities: int
    promote: bool
    reason: str
    measures: dict[str, Change] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Floor:
    """What forbids a promotion, however bad the champion is; None for no such rule.

    Attributes:
        least_auc: of what ranks, the AUC or the macro AUC.
        most_error: of a numeric label, the RMSE.
    """

    least_auc: float | None = None
    most_error: float | None = None

    @classmethod
    def of(cls, monitor: Monitor) -> Self:
        """The floor of a monitor."""
        return cls(monitor.min_auc, monitor.max_error)

    def why_below(self, rule: Measure, value: float) -> str:
        """Why a challenger with this value is not promoted; empty where it may be."""
        if rule.lower_is_better:
            beyond = self.most_error is not None and not value <= self.most_error
            return f"{rule.name} {value:.4f} > max_error {self.most_error:g}" if beyond else ""
        beyond = self.least_auc is not None and not value >= self.least_auc
        return f"{rule.name} {value:.4f} < min_auc {self.least_auc:g}" if beyond else ""

    def warning(self, rule: Measure) -> str:
        """Which key says nothing about a challenger that is measured otherwise; empty where all say something."""
        if rule.lower_is_better and self.least_auc is not None and self.most_error is None:
            return f"min_auc says nothing about a model that is measured by its {rule.name}: set max_error"
        if not rule.lower_is_better and self.most_error is not None and self.least_auc is None:
            return f"max_error says nothing about a model that is measured by its {rule.name}: set min_auc"
        return ""


def require_delta(delta: float) -> None:
    """Check that the least gain that a caller gives is possible.

    Raises:
        UsageError: it is not a number in [0, 1].
    """
    if not 0.0 <= delta <= 1.0:
        raise UsageError(
            f"delta {delta} is no gain",
            allowed="a number from 0 to 1: a difference of the AUC, or a part of the error",
        )


def compare_versions(
    registry: ModelRegistry,
    champion: str,
    challenger: str,
    month: FeatureMonth,
    key: str,
    delta: float,
    min_rows: int,
    floor: Floor | None = None,
) -> ModelComparison:
    """Score the challenger's validation entities, except those of the champion's training, with both versions.

    Args:
        registry: registry of both versions.
        champion, challenger: versions.
        month: features of the challenger's training month, of all its entities.
        key: join key.
        delta, min_rows: see `compare_models`.
        floor: see `with_floor`.

    Raises:
        ConfigurationError: a version's files are absent or not those of its training.
        DataError: the month lacks a feature of the champion.
        DatabaseError: the registry cannot be asked.
    """
    if champion == challenger:
        return same(champion)
    before, now = registry.version_info(champion), registry.version_info(challenger)
    if before.label_kind is not now.label_kind:
        reason = f"it predicts a {now.label_kind} label, and the champion a {before.label_kind} one: promote it by hand"
        return ModelComparison(champion, challenger, 0, False, reason)
    if before.group != now.group:
        reason = (
            f"its training was {split_text(now.group)}, the champion's {split_text(before.group)}: promote it by hand"
        )
        return ModelComparison(champion, challenger, 0, False, reason)
    old, model = load_evaluation_model(registry, before)
    new, _ = load_evaluation_model(registry, now)
    held = new.validation.part(old.unseen(new.validation.units))
    scores = _scores_of(model, before, month, key, held.keys)
    # The same class may have another number in another model.
    names = _class_names(held.labels, now.classes) if now.classes else held.labels
    classes = (*now.classes, *(name for name in before.classes if name not in now.classes))
    cur = new.scored(held.keys, names, held.scores, classes, held.groups)
    ref = old.scored(held.keys, names, scores, classes, held.groups)
    comparison = compare_models((champion, ref), (challenger, cur), delta, min_rows)
    return with_floor(comparison, before.metrics, now.metrics, floor or Floor(), now.label_kind)


def _class_names(numbers: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.str_]:
    # No text in PostgreSQL has a NUL, so no class is called like that.
    return np.array([classes[int(at)] if at >= 0 else "\0?" for at in numbers.tolist()], dtype=np.str_)


def _scores_of(
    model: TrainedModel, info: VersionInfo, month: FeatureMonth, key: str, wanted: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Score some entities of a month, in the order in which they are wanted."""
    table = read_table(month)
    rows, there = find_rows(texts(table.column(key)), wanted)
    if not there.all():
        raise DataError(
            f"the month {month.as_of} lacks entities that the challenger of {info.label} was trained on",
            remedy="run again once the load that is under way has ended",
        )
    return model.scores(input_columns(table.take(pa.array(rows)), info.features))


def compare_models(
    champion: tuple[str, Scored], challenger: tuple[str, Scored], delta: float, min_rows: int, seed: int = 0
) -> ModelComparison:
    """Compare the two: the challenger wins if it is better by `delta`, and the interval excludes zero.

    Args:
        champion, challenger: each a version, and its scores of the same entities in the same order.
        delta: least gain that is worth a change: a difference of the AUC, or a part of the champion's error.
        min_rows: entities that are needed.
        seed: seed of the interval.
    """
    (old, ref), (new, cur) = champion, challenger
    entities = len(cur.labels)
    if entities < min_rows or not cur.varied:
        reason = f"{entities} entities that neither has seen, {_labels_in_words(cur)}; {min_rows} are needed"
        return ModelComparison(old, new, entities, False, reason)
    measures = compare_scores(ref, cur, seed=seed)
    rule = measures_of(cur.kind)[0]
    change = measures[rule.name]
    low, high = drop_interval(rule, change)
    gain = -rule.drop_of(change.ref, change.cur)
    # A comparison with NaN is false, so NaN never promotes.
    wins = gain >= delta and high < 0.0
    found = f"{rule.name} {change.cur:.4f} against {change.ref:.4f}"
    if rule.lower_is_better:
        found += f", lower by {gain:z.1%} [{-high:z.1%}, {-low:z.1%}], {delta:.1%} needed"
    else:
        found += f", difference {change.difference:+.4f} [{change.low:+.4f}, {change.high:+.4f}], {delta:g} needed"
    return ModelComparison(old, new, entities, bool(wins), found, measures)


def _labels_in_words(scored: Scored) -> str:
    if scored.kind is LabelKind.BOOLEAN:
        return f"{int(scored.labels.sum())} of them positive"
    return f"with {len(np.unique(scored.labels))} different labels"


def with_floor(
    comparison: ModelComparison,
    before: Mapping[str, float],
    now: Mapping[str, float],
    floor: Floor,
    kind: LabelKind = LabelKind.BOOLEAN,
) -> ModelComparison:
    """Warn of a challenger that is the better of two bad models, and forbid one below the floor.

    Args:
        comparison: the result without a floor.
        before, now: metrics of the champion's and of the challenger's own validation.
        floor: what forbids a promotion.
        kind: of the label.
    """
    rule = measures_of(kind)[0]
    value = comparison.measures[rule.name].cur if rule.name in comparison.measures else now[rule.name]
    warnings = [_fallen(rule, before[rule.name], value), _skewed(kind, now), floor.warning(rule)]
    found = replace(comparison, warnings=tuple(filter(None, warnings)))
    below = floor.why_below(rule, value)
    return replace(found, promote=False, reason=f"{comparison.reason}; {below}") if below else found


def _fallen(rule: Measure, before: float, now: float) -> str:
    if not rule.drop_of(before, now) > _FALLEN[rule.drop]:
        return ""
    return f"{rule.name} {now:.4f}, and the champion had {before:.4f} in its own validation"


def _skewed(kind: LabelKind, now: Mapping[str, float]) -> str:
    """What is wrong with the level of its predictions, whatever it ranks."""
    if kind is LabelKind.BOOLEAN:
        predicted, rate = now["predicted_positive_rate"], now["positive_rate"]
        right = rate / _RATE_FACTOR <= predicted <= max(rate * _RATE_FACTOR, _MOST_CALLED)
        return "" if right else f"calls {predicted:.1%} positive where {rate:.1%} are"
    if kind is LabelKind.NUMERIC and not abs(now["bias"]) <= _BIAS * now["label_sd"]:
        return f"predicts {now['mean_prediction']:.4g} on average where {now['mean_label']:.4g} is"
    return ""


def unopposed(version: str) -> ModelComparison:
    """Return the result for a first version, which has no champion to beat."""
    return ModelComparison(None, version, 0, True, "there was no champion")


def same(version: str) -> ModelComparison:
    """Return the result where the champion itself was trained on these data."""
    return ModelComparison(version, version, 0, False, "the champion was trained on the same data")
