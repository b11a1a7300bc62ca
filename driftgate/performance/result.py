"""What a performance check found, as plain values: no pandas, no scikit-learn, no MLflow."""

import math
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from driftgate.measures import MEASURES, Measure
from driftgate.performance.findings import NOT_SEARCHED, NOT_SPLIT, Causes, FeatureCost, ScoreBin, Segments
from driftgate.performance.interval import Interval


class PerformanceState(StrEnum):
    """Whether performance was measured, or why not."""

    MEASURED = "measured"
    PENDING = "pending"
    NOT_COMPUTABLE = "not computable"
    OFF = "off"


@dataclass(frozen=True)
class Change:
    """One measure in validation (`ref`) and in the current month.

    Attributes:
        low, high: 95% interval of current minus reference.
        p_value: how often chance gives such a difference: of a numeric label, and of entities in groups, by dealing
            them out to the two sides anew, of any other by how often a resampled difference has not the sign of this.
        relative_low, relative_high: 95% interval of the difference in parts of the reference; NaN where the measure's
            drop is not relative.
    """

    ref: float
    cur: float
    low: float
    high: float
    p_value: float
    relative_low: float = float("nan")
    relative_high: float = float("nan")

    @property
    def difference(self) -> float:
        """Current minus reference."""
        return self.cur - self.ref


@dataclass(frozen=True)
class FeatureAuc:
    """How well one feature alone ranks the labels, by rates of the reference month.

    Attributes:
        ref, cur: area under the ROC curve, of a label of classes its mean over the classes; 0.5 means no relation, less
            means that the relation is reversed.
    """

    name: str
    ref: float
    cur: float

    @property
    def lost(self) -> float:
        """AUC in the reference minus that in the current month."""
        return self.ref - self.cur


@dataclass(frozen=True)
class PassedOver:
    """The champion, where it cannot be measured on the current month.

    It was trained on that month or a later one, or its validation was not split by the monitor's groups.

    Attributes:
        version: the champion's.
        trained_on: month of its training.
        as_of: the current month.
        split: how its training was split, where that is not by the monitor's groups; else empty.
    """

    version: str
    trained_on: date
    as_of: date
    split: str = ""

    @property
    def text(self) -> str:
        """In words."""
        if self.split:
            return f"v{self.version} not measured: its training was {self.split}, and the monitor has other groups"
        when = "this month" if self.trained_on == self.as_of else f"{self.trained_on}, which is later"
        return f"v{self.version} not measured: the champion was trained on {when}"


class NoGain(StrEnum):
    """Why a gain is not computable."""

    OFF = "off"
    LABELS_PENDING = "labels_pending"
    CHAMPION_KNOWS = "champion_knows"
    NOT_MEASURED = "not_measured"
    TOO_FEW = "too_few_entities"


@dataclass(frozen=True)
class Gain(Interval):
    """What retraining would bring, or why that is not computable.

    Attributes:
        value: the drop of the measure that decides from the challenger to the present model: AUC that is won, or the
            part of the error that is saved; the mean over the halves; NaN without one.
        low, high: 95% interval.
        entities: on which the smallest comparison was made.
        code, reason: why there is none; None and empty where there is one.
    """

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

    @property
    def text(self) -> str:
        """The figure with its interval, such as `0.16 [0.12, 0.20]`; the reason where there is none."""
        if not self.computed:
            return f"not computable: {self.reason}"
        return super().text


class NoEstimate(StrEnum):
    """Why the performance is not estimated."""

    OFF = "off"
    LABELS_THERE = "labels_there"
    NO_MODEL = "no_model"
    OTHER_LABEL = "other_label"
    NO_REFERENCE = "no_reference"
    TOO_FEW = "too_few_entities"
    TOO_DIFFERENT = "too_different"


UNSAID = (NoEstimate.OFF, NoEstimate.LABELS_THERE, NoEstimate.NO_MODEL)
"""Of these the state of the performance says all."""


@dataclass(frozen=True)
class Estimate(Interval):
    """The AUC that labels to come will give if they follow the features as before, or why it is not estimated.

    It cannot see that the features mean something else now. It triggers nothing, and no decision reads it.

    Attributes:
        ref: AUC in the model's own validation; NaN without an estimate.
        entities: of the current month that it is of; the model saw none of them in training.
        alike: entities of equal weight that those of the reference are worth, once they are weighted like the month's.
        code, reason: why there is none; None and empty where there is one.
    """

    ref: float = float("nan")
    entities: int = 0
    alike: int = 0
    code: NoEstimate | None = None
    reason: str = ""

    @property
    def computed(self) -> bool:
        """Whether there is a figure."""
        return self.code is None


_NOT_ASKED = Gain(code=NoGain.OFF, reason="nobody asked for it")
_NOT_ESTIMATED = Estimate(code=NoEstimate.OFF, reason="nobody asked for it")


@dataclass(frozen=True)
class Performance:
    """A model's performance in the current month and in its own validation; it has seen none of the users in training.

    Attributes:
        state: whether `measures` has figures.
        reason: why it has none, or empty.
        version: the champion's version; None for the probe, a small model trained on the reference month.
        trained_on: month the model was trained on.
        users_ref, users_cur: number of labelled users behind each side's measures.
        measure: name of the one that decides, see `driftgate.measures`.
        measures: by the names in `MEASURES`.
        relations: features by the loss of their relation to a label that is boolean or has classes, the greatest loss
            first.
        passed_over: the champion, where an earlier model or the probe is measured in its place; else None.
        gain: what retraining on the current month would bring.
        causes: why the model is worse, where it surely is.
        segments: where it is worse, likewise.
        feature_costs: what the change of each feature costs it, likewise, the most costly first.
        score_bins: entities and labels by their score, of a boolean label; the lowest scores first.
        estimate: what labels to come are expected to give, where it was not measured without them.
        decision_threshold: probability from which the champion predicts a boolean label to be true; else None.
    """

    state: PerformanceState
    reason: str = ""
    version: str | None = None
    trained_on: date | None = None
    users_ref: int = 0
    users_cur: int = 0
    measures: dict[str, Change] = field(default_factory=dict)
    relations: tuple[FeatureAuc, ...] = ()
    passed_over: PassedOver | None = None
    measure: str = "auc"
    gain: Gain = _NOT_ASKED
    causes: Causes = NOT_SPLIT
    segments: Segments = NOT_SEARCHED
    feature_costs: tuple[FeatureCost, ...] = ()
    score_bins: tuple[ScoreBin, ...] = ()
    estimate: Estimate = _NOT_ESTIMATED
    decision_threshold: float | None = None

    @property
    def measured(self) -> bool:
        """Whether there are figures."""
        return self.state is PerformanceState.MEASURED

    @property
    def rule(self) -> Measure:
        """The entry of the measure that decides."""
        return MEASURES[self.measure]

    @property
    def change(self) -> Change:
        """The deciding measure in validation and in the current month; only where measured."""
        return self.measures[self.measure]

    @property
    def drop(self) -> float:
        """How much worse the model is than in its validation, see `Measure.drop_of`; only where measured."""
        return float(self.rule.drop_of(self.change.ref, self.change.cur))

    @property
    def drop_interval(self) -> tuple[float, float]:
        """The 95% interval of `drop`; only where measured."""
        return drop_interval(self.rule, self.change)

    @property
    def model(self) -> str:
        """`v1` for a champion, `none (probe)` for a probe."""
        return f"v{self.version}" if self.version else "none (probe)"


def is_finite(change: Change) -> bool:
    """Whether both values and the interval of their difference are numbers."""
    return all(map(math.isfinite, (change.ref, change.cur, change.low, change.high)))


def drop_interval(rule: Measure, change: Change) -> tuple[float, float]:
    """The 95% interval of a measure's drop."""
    if rule.lower_is_better:
        return change.relative_low, change.relative_high
    # Subtracted from zero, because the negation of zero would be printed as -0.00.
    return 0.0 - change.high, 0.0 - change.low


def not_measured(state: PerformanceState, reason: str) -> Performance:
    """Return a performance without figures."""
    return Performance(state, reason)
