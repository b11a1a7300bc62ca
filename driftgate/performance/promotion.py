"""The comparison of champion and challenger on the same entities; neither has seen any of them in training."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from driftgate.drift.ledger import read_table
from driftgate.errors import DataError, UsageError
from driftgate.features.types import FeatureMonth
from driftgate.performance.bootstrap import Scored, compare_scores
from driftgate.performance.champion import load_evaluation_model
from driftgate.performance.evaluation_model import texts
from driftgate.performance.result import Change
from driftgate.training.dataset import input_columns
from driftgate.training.registry.models import ModelRegistry

# A fall from the champion's own validation that is worth a warning, and how far the two rates may be apart.
_FALLEN = 0.05
_RATE_FACTOR = 2.0


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


def require_delta(delta: float) -> None:
    """Check that the least difference of the AUC that a caller gives is possible.

    Raises:
        UsageError: the difference is not a number in [0, 1].
    """
    if not 0.0 <= delta <= 1.0:
        raise UsageError(f"delta {delta} is no difference of an AUC", allowed="a number from 0 to 1")


def compare_versions(
    registry: ModelRegistry,
    champion: str,
    challenger: str,
    month: FeatureMonth,
    key: str,
    delta: float,
    min_rows: int,
    min_auc: float | None = None,
) -> ModelComparison:
    """Score the challenger's validation entities, except those of the champion's training, with both versions.

    Args:
        registry: registry of both versions.
        champion, challenger: versions.
        month: features of the challenger's training month, of all its entities.
        key: join key.
        delta, min_rows: see `compare_models`.
        min_auc: see `with_floor`.

    Raises:
        ConfigurationError: a version's files are absent or not those of its training.
        DataError: the month lacks a feature of the champion.
        DatabaseError: the registry cannot be asked.
    """
    if champion == challenger:
        return same(champion)
    old, model = load_evaluation_model(registry, registry.version_info(champion))
    new, _ = load_evaluation_model(registry, registry.version_info(challenger))
    unseen = ~np.isin(new.validation.keys, old.seen)
    cur = Scored(new.validation.keys[unseen], new.validation.labels[unseen], new.validation.scores[unseen])
    table = read_table(month)
    rows = np.flatnonzero(np.isin(texts(table.column(key)), cur.keys))
    table = table.take(pa.array(rows))
    info = registry.version_info(champion)
    scores = model.probabilities(input_columns(table, info.features)) if len(rows) else np.empty(0)
    keys = texts(table.column(key))
    if not np.isin(cur.keys, keys).all():
        raise DataError(
            f"the month {month.as_of} lacks entities that {challenger} was trained on",
            remedy="run again once the load that is under way has ended",
        )
    order = np.argsort(keys)
    ref = Scored(cur.keys, cur.labels, scores[order][np.searchsorted(keys, cur.keys, sorter=order)])
    comparison = compare_models((champion, ref), (challenger, cur), delta, min_rows)
    return with_floor(comparison, info.metrics, registry.version_info(challenger).metrics, min_auc)


def compare_models(
    champion: tuple[str, Scored], challenger: tuple[str, Scored], delta: float, min_rows: int, seed: int = 0
) -> ModelComparison:
    """Compare the two: the challenger wins if its AUC is greater by `delta`, and the interval excludes zero.

    Args:
        champion, challenger: each a version, and its scores of the same entities in the same order.
        delta: least difference of the AUC that is worth a change.
        min_rows: entities that are needed.
        seed: seed of the interval.
    """
    (old, ref), (new, cur) = champion, challenger
    entities = len(cur.labels)
    if entities < min_rows or not cur.both_classes:
        positive = int(cur.labels.sum())
        reason = f"{entities} entities that neither has seen, {positive} of them positive; {min_rows} are needed"
        return ModelComparison(old, new, entities, False, reason)
    measures = compare_scores(ref, cur, seed=seed)
    auc = measures["auc"]
    found = (
        f"auc {auc.cur:.4f} against {auc.ref:.4f}, difference {auc.difference:+.4f} [{auc.low:+.4f}, {auc.high:+.4f}]"
    )
    # A comparison with NaN is false, so NaN never promotes.
    wins = auc.difference >= delta and auc.low > 0.0
    return ModelComparison(old, new, entities, wins, f"{found}, {delta:g} needed", measures)


def with_floor(
    comparison: ModelComparison, before: Mapping[str, float], now: Mapping[str, float], min_auc: float | None
) -> ModelComparison:
    """Warn of a challenger that is the better of two bad models, and forbid one below the floor.

    Args:
        comparison: the result without a floor.
        before, now: metrics of the champion's and of the challenger's own validation.
        min_auc: AUC that a challenger needs to be promoted; None for no floor.
    """
    auc = comparison.measures["auc"].cur if "auc" in comparison.measures else now["auc"]
    warnings = []
    if before["auc"] - auc > _FALLEN:
        warnings.append(f"auc {auc:.4f}, and the champion had {before['auc']:.4f} in its own validation")
    predicted, rate = now["predicted_positive_rate"], now["positive_rate"]
    if not rate / _RATE_FACTOR <= predicted <= rate * _RATE_FACTOR:
        warnings.append(f"calls {predicted:.1%} positive where {rate:.1%} are")
    found = replace(comparison, warnings=tuple(warnings))
    if min_auc is None or auc >= min_auc:
        return found
    reason = f"{comparison.reason}; auc {auc:.4f} < min_auc {min_auc:g}"
    return replace(found, promote=False, reason=reason)


def unopposed(version: str) -> ModelComparison:
    """Return the result for a first version, which has no champion to beat."""
    return ModelComparison(None, version, 0, True, "there was no champion")


def same(version: str) -> ModelComparison:
    """Return the result where the champion itself was trained on these data."""
    return ModelComparison(version, version, 0, False, "the champion was trained on the same data")
