"""What a performance check found, as plain values: no pandas, no scikit-learn, no MLflow."""

import math
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from driftgate.measures import MEASURES, Measure


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
        p_value: how often chance gives such a difference: of a numeric label by dealing the entities out to the two
            sides anew, of any other by how often a resampled difference has not the sign of this one.
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
        ref, cur: area under the ROC curve; 0.5 means no relation, less means that the relation is reversed.
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
    """The champion, where it was trained on the current month or a later one and so cannot be measured on it.

    Attributes:
        version: the champion's.
        trained_on: month of its training.
        as_of: the current month.
    """

    version: str
    trained_on: date
    as_of: date

    @property
    def text(self) -> str:
        """In words."""
        when = "this month" if self.trained_on == self.as_of else f"{self.trained_on}, which is later"
        return f"v{self.version} not measured: the champion was trained on {when}"


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval; NaN where there is none."""

    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")

    @property
    def text(self) -> str:
        """In hundredths, such as `0.16 [0.12, 0.20]`."""
        # z: a small negative number is not printed as minus zero.
        return f"{self.value:z.2f} [{self.low:z.2f}, {self.high:z.2f}]"

    @property
    def money_text(self) -> str:
        """As money, such as `1,200 [800, 1,500]`."""
        return f"{money(self.value)} [{money(self.low)}, {money(self.high)}]"


def money(value: float) -> str:
    """Money in whole numbers; what is less than ten in two digits.

    >>> money(1234.5), money(-0.004), money(0.123)
    ('1,234', '-0.004', '0.12')
    """
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:z.2g}"


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


_NOT_ASKED = Gain(code=NoGain.OFF, reason="nobody asked for it")


class Unexplained(StrEnum):
    """Why it is not said where a drop comes from."""

    OFF = "off"
    NOT_MEASURED = "not_measured"
    NO_DROP = "no_drop"
    NO_REFERENCE = "no_reference"
    TOO_FEW = "too_few_entities"
    TOO_DIFFERENT = "too_different"


@dataclass(frozen=True)
class Causes:
    """The drop of the model in two parts, which add up to the drop between the two months.

    Attributes:
        entities: what other entities cost it (X).
        meaning: what the same entities with other labels cost it (Y given X): what the features mean has changed.
        alike: entities of equal weight that the common ones of each month are worth.
        code, reason: why it is not split; None and empty where it is.
    """

    entities: Interval = Interval()
    meaning: Interval = Interval()
    alike: int = 0
    code: Unexplained | None = None
    reason: str = ""

    @property
    def split(self) -> bool:
        """Whether there are figures."""
        return self.code is None


class SegmentKind(StrEnum):
    """What the entities of a segment have in common."""

    CATEGORY = "category"
    RANGE = "range"
    MISSING = "missing"


@dataclass(frozen=True)
class Segment:
    """The entities of which a feature has one category, lies in one range, or is missing.

    Attributes:
        category: as text; `true` or `false` of a boolean; empty for the other kinds.
        lower, upper: ends of a range that holds the lower one; NaN where it is open.
    """

    feature: str
    kind: SegmentKind
    category: str = ""
    lower: float = float("nan")
    upper: float = float("nan")

    @property
    def name(self) -> str:
        """In words, such as `plan = basic` or `9 <= age < 29`."""
        if self.kind is SegmentKind.CATEGORY:
            return f"{self.feature} = {self.category}"
        if self.kind is SegmentKind.MISSING:
            return f"{self.feature} is missing"
        if math.isnan(self.lower):
            return f"{self.feature} < {self.upper:.6g}"
        if math.isnan(self.upper):
            return f"{self.feature} >= {self.lower:.6g}"
        return f"{self.lower:.6g} <= {self.feature} < {self.upper:.6g}"


@dataclass(frozen=True)
class SegmentDrop:
    """A segment whose drop is surely greater than zero and than that of the other entities.

    Attributes:
        entities_ref, entities_cur: labelled entities of the segment that the model has not seen in training.
        share_ref, share_cur: the same in parts of all of them.
        ref, cur: the measure that decides, among the entities of the segment alone.
        drop: how much worse `cur` is.
        rest_drop: the same of the entities that are neither in this segment nor in one named before it.
        p_value: how often chance gives a drop so much greater than zero and than that of the rest, for any of the
            segments that were looked at.
    """

    segment: Segment
    entities_ref: int
    entities_cur: int
    share_ref: float
    share_cur: float
    ref: float
    cur: float
    drop: Interval
    rest_drop: float
    p_value: float


@dataclass(frozen=True)
class Segments:
    """The segments that hold the drop, or why they were not looked for.

    Attributes:
        named: the clearest first; empty where the drop is nowhere surely greater than elsewhere.
        tested: segments that were looked at.
        too_few: segments with too few entities, or labels that are all alike, which were not.
        code, reason: why they were not looked for; None and empty where they were.
    """

    named: tuple[SegmentDrop, ...] = ()
    tested: int = 0
    too_few: int = 0
    code: Unexplained | None = None
    reason: str = ""

    @property
    def searched(self) -> bool:
        """Whether segments were looked at."""
        return self.code is None


_NOT_SEARCHED = Segments(code=Unexplained.OFF, reason="nobody asked for it")
_NOT_SPLIT = Causes(code=Unexplained.OFF, reason="nobody asked for it")


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
        relations: features by the loss of their relation to the label, the greatest loss first.
        passed_over: the champion, where an earlier model or the probe is measured in its place; else None.
        gain: what retraining on the current month would bring.
        causes: why the model is worse, where it surely is.
        segments: where it is worse, likewise.
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
    causes: Causes = _NOT_SPLIT
    segments: Segments = _NOT_SEARCHED

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
