"""What the policies see: one model fitted on each month and scored on every later one, and the monitor's own results.

What takes long is kept in files, so that a replay that was cut short goes on where it was.
"""

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from driftgate.backtest.kept import Kept
from driftgate.backtest.replay import Scores, Track, untracked
from driftgate.decision import Decision, History, Policy, decide
from driftgate.drift.comparison import Side, compare
from driftgate.drift.ledger import Ledger, build_ledger, excluded_fields, read_table, require_comparable
from driftgate.drift.past import Explained, PastPair
from driftgate.drift.result import DriftResult, TargetDrift
from driftgate.drift.seasons import Past, PastMonth, explain_signals
from driftgate.drift.target import target_drift
from driftgate.errors import DataError
from driftgate.features.files import read_file
from driftgate.measures import LabelKind, measures_of
from driftgate.monitors import Monitor
from driftgate.performance.evaluate import evaluate
from driftgate.performance.evaluation_model import EvaluationModel, ScoredMonth, fit_probe, labelled, score_with
from driftgate.performance.gain import gain_of
from driftgate.performance.result import Gain, Performance, PerformanceState, not_measured
from driftgate.performance.scoring import Scoring
from driftgate.training.dataset import fingerprint, input_columns
from driftgate.training.model import TrainedModel

_WITHOUT_SAY = {
    *("notify", "retrain", "report_folder", "feast_repo", "retrain_cost", "error_cost", "payback_months", "own_past")
}
"""Keys of a monitor that no kept result hangs on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moved:
    """What the monitor says of a month beside the model."""

    drift: DriftResult
    target: TargetDrift


@dataclass(frozen=True)
class Evidence:
    """The months of a replay, oldest first, with labels.

    Attributes:
        monitor: whose decisions are replayed.
        policy: when it wants a retraining.
        sides: features, labels and profile of each month.
        folder: for temporary files.
        kept: files of what was found before.
    """

    monitor: Monitor
    policy: Policy
    sides: tuple[Side, ...]
    folder: Path
    kept: Kept
    _models: dict[int, tuple[EvaluationModel, TrainedModel]] = field(default_factory=dict)

    def scores(self, track: Track = untracked) -> Scores:
        """Measure the model of each month on every later month.

        Every model is measured on the same entities of a month: those that none of them has seen in training.

        Raises:
            DataError: a month has too few of them, or a model cannot be fitted or cannot read a month.
        """
        days = tuple(side.size.as_of for side in self.sides)
        values = np.full((len(days), len(days)), np.nan)
        for month, _ in enumerate(track(days[1:], "scoring"), 1):
            name = self._name("scores", *range(month + 1))
            values[:month, month] = self.kept.get(name, list[float], partial(self._column, month))
        entities = tuple(side.size.entities for side in self.sides)
        return Scores(days, entities, measures_of(self._kind)[0], values)

    def decide(self, trained: int, month: int, history: History | None) -> Decision:
        """Return the monitor's decision, see `driftgate.backtest.policies.Decide`.

        What it knows from before is the history, and of the data the months and pairs before this one.
        """
        pair, moved = (trained, month - 1, month), self._moved(month)
        if history is not None:
            history = replace(history, explained=self._explained(month, moved))
        name = self._name("performance", *pair)
        performance = self.kept.get(name, Performance, partial(self._performance, trained, month))
        found = decide(moved.drift, moved.target, self.policy, performance, history)
        if history is None or not (found.signalled and self.policy.require_gain):
            # A gain would change nothing.
            return found
        gain = self.kept.get(self._name("gain", *pair), Gain, partial(self._gain, trained, month, performance))
        return decide(moved.drift, moved.target, self.policy, replace(performance, gain=gain), history)

    def _column(self, month: int) -> list[float]:
        """The deciding measure of every earlier model in a month."""
        side = self.sides[month]
        entities = labelled(side.features, side.labels, self._key)
        models = [self._model(trained) for trained in range(month)]
        unseen = np.logical_and.reduce([evaluation.unseen(entities.units) for evaluation, _ in models])
        part = entities.part(unseen)
        found = []
        for evaluation, model in models:
            # The model itself names an absent feature in its error.
            there = [item for item in evaluation.inputs if item.name in part.table.column_names]
            scores = model.scores(input_columns(part.table, there))
            scored = evaluation.scored_of(part, scores)
            if len(scored.labels) < self.monitor.min_rows or not scored.varied:
                raise DataError(
                    f"{side.size.as_of} has {len(scored.labels)} labelled entities that no earlier model has seen",
                    allowed=f"at least {self.monitor.min_rows}, whose labels differ",
                    remedy="take other months by --from and --to, or set min_rows lower",
                )
            measure = measures_of(self._kind)[0].prepare(scored.labels, scored.scores)
            found.append(float(measure(np.ones((1, len(scored.labels))))[0]))
        return found

    def _moved(self, month: int) -> Moved:
        return self.kept.get(self._name("moved", month - 1, month), Moved, partial(self._compared, month))

    def _explained(self, month: int, moved: Moved) -> tuple[Explained, ...]:
        """The signals of the data that the months and pairs before this one explain."""
        before = {side.size.as_of: side for side in self.sides[:month]}

        def measured(months: Collection[date]) -> dict[date, PastMonth]:
            return {at: PastMonth(before[at].profile, partial(read_table, before[at].features)) for at in months}

        def pairs() -> list[PastPair]:
            return [self._past_pair(at) for at in range(1, month)]

        past = Past(lambda: before, measured, pairs, _log.warning)
        return explain_signals(self.sides[month - 1], self.sides[month], moved.drift, moved.target, self.monitor, past)

    def _past_pair(self, month: int) -> PastPair:
        if month not in self._pairs:
            moved = self._moved(month)
            found = decide(moved.drift, moved.target, self.policy)
            self._pairs[month] = PastPair.of(moved.drift, moved.target, found.reached("target_drift"))
        return self._pairs[month]

    def _compared(self, month: int) -> Moved:
        ref, cur = self.sides[month - 1], self.sides[month]
        ledger = self._ledger(month)
        target = target_drift(ref.labels, cur.labels, self.monitor.signal_level)
        return Moved(compare(ref, cur, ledger, self.monitor), target)

    def _performance(self, trained: int, month: int) -> Performance:
        if self.monitor.performance == "off":
            return not_measured(PerformanceState.OFF, "")
        ref, cur = self.sides[month - 1], self.sides[month]
        months = (ref.features, ref.labels), (cur.features, cur.labels)
        scoring = self._scoring(trained, month)
        assert scoring.evaluation is not None
        assert scoring.cur is not None
        return evaluate(scoring.evaluation, scoring.cur, *months, self.monitor)

    def _gain(self, trained: int, month: int, performance: Performance) -> Gain:
        scoring = self._scoring(trained, month)
        return gain_of(scoring, performance, self.monitor, self.sides[month], self._ledger(month))

    def _scoring(self, trained: int, month: int) -> Scoring:
        evaluation, model = self._model(trained)
        out = self.folder / f"scores_{trained}_{month}.arrow"
        cur = ScoredMonth(out)
        if not out.exists():
            cur = score_with(evaluation, model, self.sides[month].features, self._key, out)
        return Scoring(evaluation, cur, None, None)

    def _ledger(self, month: int) -> Ledger:
        """As the monitor accounts for the features of two months."""
        ref, cur = self.sides[month - 1], self.sides[month]
        ledger = build_ledger((ref.profile, cur.profile), cur.features.declared, self.monitor, cur.features.stale_views)
        require_comparable(ledger, self.monitor)
        return ledger

    def _model(self, trained: int) -> tuple[EvaluationModel, TrainedModel]:
        """The model of a month, fitted as a training does."""
        if trained not in self._models:
            side = self.sides[trained]
            excluded = {name for name, _ in excluded_fields(side.features.declared, self.monitor)}
            # A column of a wrong type is not kept.
            names = tuple(set(read_file(side.features.path).column_names) - excluded)
            self._models[trained] = fit_probe(side.features, side.labels, self._key, names, self._kind)
        return self._models[trained]

    @property
    def _key(self) -> str:
        return self.monitor.entity.feast_key

    @property
    def _kind(self) -> LabelKind:
        """Of the label in all months: 0 and 1 in some of them and other numbers in others are numbers."""
        kinds = {side.labels.kind for side in self.sides} - {None}
        if len(kinds) == 1:
            return kinds.pop() or LabelKind.BOOLEAN
        if LabelKind.CATEGORICAL in kinds:
            raise DataError(
                "the label has classes in some of the months and numbers in others",
                allowed="months whose labels are of one kind",
                remedy="take other months by --from and --to",
            )
        return LabelKind.NUMERIC

    @cached_property
    def _pairs(self) -> dict[int, PastPair]:
        """What was found of pairs, by their current month."""
        return {}

    @cached_property
    def _digests(self) -> tuple[str, ...]:
        return tuple(_digest_of(side, self._key) for side in self.sides)

    def _name(self, what: str, *months: int) -> str:
        """A name that changes with whatever the result hangs on."""
        settings = self.monitor.model_dump_json(exclude=_WITHOUT_SAY)
        versions = version("driftgate"), version("scikit-learn")
        parts = [settings, *versions, *(self._digests[month] for month in months)]
        return f"{what}_{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:32]}"


def _digest_of(side: Side, key: str) -> str:
    assert side.labels.path is not None
    tables = [read_file(path).sort_by(key) for path in (side.features.path, side.labels.path)]
    what = (side.size.as_of, side.size.entities, side.profile.grid, *map(fingerprint, tables))
    return "|".join(map(str, what))
