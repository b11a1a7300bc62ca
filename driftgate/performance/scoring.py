"""Both months scored, with the champion or an earlier model or, without one, a probe of the reference month."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from driftgate.database import ConnectionParameters
from driftgate.drift.comparison import Side
from driftgate.drift.ledger import Ledger
from driftgate.drift.result import ColumnState
from driftgate.errors import ConfigurationError, DataError, bounded
from driftgate.measures import LabelKind, measures_of
from driftgate.monitors import Monitor
from driftgate.performance.champion import find_champion, load_evaluation_model
from driftgate.performance.evaluate import common_kind, evaluate, why_not, why_not_of, why_unusable
from driftgate.performance.evaluation_model import EvaluationModel, ScoredMonth, fit_probe, score_with
from driftgate.performance.result import PassedOver, Performance, PerformanceState, not_measured
from driftgate.shared import Shared
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.registry.versions import VersionInfo


@dataclass(frozen=True)
class Scoring:
    """The scores of a run, and the model that gave them.

    Attributes:
        evaluation: the champion or a probe; None where no model scores.
        cur: scores of the current month, where a model scores.
        ref: scores of the reference month; only a champion gives them.
        without: why there will be no performance, or None.
        passed_over: the champion, where it may not be measured on the current month; else None.
    """

    evaluation: EvaluationModel | None
    cur: ScoredMonth | None
    ref: ScoredMonth | None
    without: Performance | None
    passed_over: PassedOver | None = None

    @property
    def champion_paths(self) -> tuple[Path, Path] | None:
        """The files of the champion's scores of both months, for the comparison of their distributions."""
        return (self.ref.path, self.cur.path) if self.ref and self.cur else None


def open_registry(parameters: ConnectionParameters, artifacts: Path, monitor: Monitor) -> ModelRegistry | None:
    """Return the registry of the monitor's model; None where it names none. A process opens it once."""
    return _registry(parameters, artifacts, monitor.model) if monitor.model else None


@lru_cache(maxsize=16)
def _registry(parameters: ConnectionParameters, artifacts: Path, model: str) -> ModelRegistry:
    return ModelRegistry(parameters, artifacts, model)


def require_registry(parameters: ConnectionParameters, artifacts: Path, monitor: Monitor) -> ModelRegistry:
    """The registry of the monitor's model.

    Raises:
        ConfigurationError: the monitor names no model.
    """
    registry = open_registry(parameters, artifacts, monitor)
    if registry is None:
        raise ConfigurationError(
            f"the monitor {monitor.name!r} names no model", remedy='give it a key `model = "NAME"` in monitors.toml'
        )
    return registry


def score_months(
    registry: ModelRegistry | None, monitor: Monitor, ref: Side, cur: Side, ledger: Ledger, shared: Shared
) -> Scoring:
    """Score the months and write the scores to files.

    Args:
        registry: of the monitor's model, where it names one.
        monitor: says whether performance is wanted, and gives the join key.
        ref, cur: both months.
        ledger: its comparable features are a probe's inputs.
        shared: models and scores of other pairs of the same job.

    Raises:
        DataError: a feature holds values of another type than the model was trained on.
        MissingSignalError: a score is not a probability, or not a finite number.
        ConfigurationError: the champion's files are absent or not those of its training.
        DatabaseError: the registry cannot be asked.
    """
    off = why_not(ref.labels, cur.labels, monitor, champion=True)
    if off is not None and off.state is PerformanceState.OFF:
        return Scoring(None, None, None, off)
    info, passed_over = (
        find_champion(registry, cur.size.as_of, monitor.entity.group or "") if registry else (None, None)
    )
    if registry is None or info is None:
        scoring = _with_probe(monitor, ref, cur, ledger, shared)
    else:
        scoring = _with_champion(registry, info, monitor, ref, cur, ledger, shared)
    return replace(scoring, passed_over=passed_over)


def measure(scoring: Scoring, monitor: Monitor, ref: Side, cur: Side) -> Performance:
    """Return the performance of the model that scored."""
    if scoring.without is not None:
        # A month whose labels are pending has no kind of label yet.
        kind = cur.labels.kind or ref.labels.kind or LabelKind.BOOLEAN
        return replace(scoring.without, passed_over=scoring.passed_over, measure=measures_of(kind)[0].name)
    assert scoring.evaluation is not None
    assert scoring.cur is not None
    months = (ref.features, ref.labels), (cur.features, cur.labels)
    return replace(evaluate(scoring.evaluation, scoring.cur, *months, monitor), passed_over=scoring.passed_over)


def _with_probe(monitor: Monitor, ref: Side, cur: Side, ledger: Ledger, shared: Shared) -> Scoring:
    without = why_not(ref.labels, cur.labels, monitor, champion=False)
    if without is not None:
        return _probe_before_labels(without, monitor, ref, cur, ledger, shared)
    kind = common_kind(ref.labels, cur.labels)
    if kind is None:
        return Scoring(None, None, None, why_not_of(ref.labels.kind, "a probe", cur.labels))
    return _scored_by_probe(kind, None, monitor, ref, cur, ledger, shared)


def _probe_before_labels(
    without: Performance, monitor: Monitor, ref: Side, cur: Side, ledger: Ledger, shared: Shared
) -> Scoring:
    """The scores of a probe where only the current month's labels are missing: its performance can be estimated."""
    kind = ref.labels.kind
    # Only of a boolean label there is an estimate.
    if kind is LabelKind.BOOLEAN and cur.labels.path is None and not why_unusable(ref.labels):
        try:
            return _scored_by_probe(kind, without, monitor, ref, cur, ledger, shared)
        except DataError:
            # What keeps a probe from being fitted is no reason for a month to have no verdict.
            pass
    return Scoring(None, None, None, without)


def _scored_by_probe(
    kind: LabelKind,
    without: Performance | None,
    monitor: Monitor,
    ref: Side,
    cur: Side,
    ledger: Ledger,
    shared: Shared,
) -> Scoring:
    key = monitor.entity.feast_key
    names = tuple(column.name for column in ledger.comparable)
    month = ref.size.as_of
    evaluation, model = shared.once(
        month, ("probe", names, kind), lambda: fit_probe(ref.features, ref.labels, key, names, kind)
    )
    out = shared.file(cur.size.as_of, f"scores_by_probe_of_{month}.arrow")
    return Scoring(evaluation, score_with(evaluation, model, cur.features, key, out), None, without)


def _with_champion(
    registry: ModelRegistry, info: VersionInfo, monitor: Monitor, ref: Side, cur: Side, ledger: Ledger, shared: Shared
) -> Scoring:
    if lost := _lost(info, ref, cur, ledger):
        reason = f"not computable: champion v{info.version} reads features that are absent or retyped: {bounded(lost)}"
        return Scoring(None, None, None, not_measured(PerformanceState.NOT_COMPUTABLE, reason))
    name = f"champion v{info.version}"
    evaluation, model = shared.once(None, name, lambda: load_evaluation_model(registry, info))

    def scored(side: Side) -> ScoredMonth:
        month, key = side.size.as_of, monitor.entity.feast_key
        out = shared.file(month, f"scores_by_v{info.version}.arrow")
        return shared.once(month, name, lambda: score_with(evaluation, model, side.features, key, out))

    scores_cur, scores_ref = scored(cur), scored(ref)
    without = why_not(ref.labels, cur.labels, monitor, champion=True)
    without = without or why_not_of(info.label_kind, name, cur.labels)
    return Scoring(evaluation, scores_cur, scores_ref, without)


def _lost(info: VersionInfo, ref: Side, cur: Side, ledger: Ledger) -> list[str]:
    """Return the features that the champion reads and that have no values of their type in one of the months."""
    there = [{item.name for item in side.features.declared} - set(side.features.absent) for side in (ref, cur)]
    unusable = {item.name for item in ledger.columns if item.state in (ColumnState.MISSING, ColumnState.RETYPED)}
    return [name for name in info.feature_names if name not in there[0] & there[1] or name in unusable]
