"""What is found out about a drop, as plain values: its causes, and the segments that hold it."""

import math
from dataclasses import dataclass
from enum import StrEnum

from driftgate.performance.interval import NO_INTERVAL, Interval


class Unexplained(StrEnum):
    """Why it is not said where a drop comes from."""

    OFF = "off"
    NOT_MEASURED = "not_measured"
    NO_DROP = "no_drop"
    SMALL_DROP = "small_drop"
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

    entities: Interval = NO_INTERVAL
    meaning: Interval = NO_INTERVAL
    alike: int = 0
    code: Unexplained | None = None
    reason: str = ""

    @property
    def split(self) -> bool:
        """Whether there are figures."""
        return self.code is None


@dataclass(frozen=True)
class FeatureCost:
    """What the change of one feature costs a model whose features mean what they meant.

    Costs of features that go together hold the same entities, so that they do not add up.

    Attributes:
        cost: the drop from the reference to the reference with the current month's values of this feature.
        reason: why there is no figure, or empty.
    """

    name: str
    cost: Interval = NO_INTERVAL
    reason: str = ""

    @property
    def value(self) -> float:
        """The cost without its interval; NaN where there is none."""
        return self.cost.value


@dataclass(frozen=True)
class ScoreBin:
    """Entities whose score lies in one range, in validation (`ref`) and in the current month.

    Attributes:
        lower, upper: ends of the range, which holds the lower one; None where it is open.
        entities_ref, entities_cur: how many.
        positives_ref, positives_cur: how many of them have the label.
        mean_score_ref, mean_score_cur: of the scores of all of them; None where there are none.
    """

    lower: float | None
    upper: float | None
    entities_ref: int
    positives_ref: int
    mean_score_ref: float | None
    entities_cur: int
    positives_cur: int
    mean_score_cur: float | None


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


NOT_SEARCHED = Segments(code=Unexplained.OFF, reason="nobody asked for it")
NOT_SPLIT = Causes(code=Unexplained.OFF, reason="nobody asked for it")
