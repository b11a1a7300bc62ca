"""What a decision record keeps of the model: its measures, what retraining would bring, why and where it is worse.

As in `record_parts`, a key that came later has a default, which stands where an earlier record lacks the key.
"""

import math
from datetime import date
from typing import Self

from pydantic import model_validator

from driftgate.measures import MEASURES, Measure
from driftgate.monitors import Monitor
from driftgate.performance.findings import Causes, FeatureCost, SegmentDrop, SegmentKind, Segments, Unexplained
from driftgate.performance.result import Estimate, Gain, NoEstimate, NoGain, Performance, PerformanceState
from driftgate.store.record_parts import Figure, IntervalRecord, Part, Share


class MeasureRecord(Part):
    """One measure of the model in both months; `low` and `high` are the 95% interval of `difference`.

    `relative_low` and `relative_high` are that of the difference in parts of `ref`, where the measure is an error.
    """

    ref: float
    cur: float
    low: float
    high: float
    difference: float
    p_value: Figure = None
    relative_low: Figure = None
    relative_high: Figure = None

    @property
    def drop(self) -> float:
        """The reference month's value minus the current month's."""
        return self.ref - self.cur

    @property
    def drop_low(self) -> float:
        """Lower end of the 95% interval of `drop`."""
        # Zero less the number, because minus zero would be printed as such.
        return 0.0 - self.high

    @property
    def drop_high(self) -> float:
        """Upper end of the 95% interval of `drop`."""
        return 0.0 - self.low


class RelationRecord(Part):
    """How well one feature alone ranks the labels, as in `driftgate.performance.result.FeatureAuc`."""

    name: str
    ref: float
    cur: float
    lost: float


class PassedOverRecord(Part):
    """A champion that is not measured, as in `driftgate.performance.result.PassedOver`."""

    version: str
    trained_on: date
    split: str = ""


class GainRecord(IntervalRecord):
    """What retraining would bring, as in `driftgate.performance.result.Gain`; `code` says why there is no figure."""

    entities: int
    code: NoGain | None
    reason: str

    @property
    def gain(self) -> Gain:
        """The gain as it was measured."""
        found = self.interval
        return Gain(found.value, found.low, found.high, self.entities, self.code, self.reason)


class EstimateRecord(IntervalRecord):
    """What labels to come are expected to give, as in `driftgate.performance.result.Estimate`.

    `code` says why there is no figure.
    """

    ref: Figure
    entities: int
    alike: int
    code: NoEstimate | None
    reason: str

    @property
    def estimate(self) -> Estimate:
        """The estimate as it was made."""
        found, ref = self.interval, math.nan if self.ref is None else self.ref
        return Estimate(found.value, found.low, found.high, ref, self.entities, self.alike, self.code, self.reason)


class CausesRecord(Part):
    """The drop in two parts, as in `driftgate.performance.result.Causes`; `code` says why it is not split."""

    entities: IntervalRecord
    meaning: IntervalRecord
    alike: int
    code: Unexplained | None
    reason: str

    @classmethod
    def of(cls, found: Causes) -> Self:
        """The part for a split."""
        parts = {name: IntervalRecord.copied(getattr(found, name)) for name in ("entities", "meaning")}
        return cls.copied(found, **parts)

    @property
    def causes(self) -> Causes:
        """The split as it was found."""
        return Causes(self.entities.interval, self.meaning.interval, self.alike, self.code, self.reason)


class FeatureCostRecord(Part):
    """What the change of one feature costs, as in `driftgate.performance.findings.FeatureCost`."""

    name: str
    cost: IntervalRecord
    reason: str

    @classmethod
    def of(cls, found: FeatureCost) -> Self:
        """The part for a feature."""
        return cls.copied(found, cost=IntervalRecord.copied(found.cost))


class ScoreBinRecord(Part):
    """Entities and labels of one range of scores, as in `driftgate.performance.findings.ScoreBin`."""

    lower: Figure
    upper: Figure
    entities_ref: int
    positives_ref: int
    mean_score_ref: Figure
    entities_cur: int
    positives_cur: int
    mean_score_cur: Figure


class SegmentRecord(Part):
    """A segment that holds the drop, as in `driftgate.performance.result.SegmentDrop`; None for an open end."""

    name: str
    feature: str
    kind: SegmentKind
    category: str
    lower: Figure
    upper: Figure
    entities_ref: int
    entities_cur: int
    share_ref: Share
    share_cur: Share
    ref: float
    cur: float
    drop: IntervalRecord
    rest_drop: Figure
    p_value: Figure

    @classmethod
    def of(cls, found: SegmentDrop) -> Self:
        """The part for a segment."""
        names = ("name", "feature", "kind", "category", "lower", "upper")
        about = {name: getattr(found.segment, name) for name in names}
        return cls.copied(found, drop=IntervalRecord.copied(found.drop), **about)


class SegmentsRecord(Part):
    """Where the drop is, as in `driftgate.performance.result.Segments`; `code` says why it was not looked for."""

    named: tuple[SegmentRecord, ...]
    tested: int
    too_few: int
    code: Unexplained | None
    reason: str

    @classmethod
    def of(cls, found: Segments) -> Self:
        """The part for what was looked for."""
        return cls.copied(found, named=tuple(map(SegmentRecord.of, found.named)))


class PerformanceRecord(Part):
    """The model in both months; `measures` holds at least that named by `measure` where `state` is measured."""

    state: PerformanceState
    reason: str
    champion: str | None
    trained_on: date | None
    users_ref: int
    users_cur: int
    threshold: float
    measures: dict[str, MeasureRecord]
    relations: tuple[RelationRecord, ...]
    passed_over: PassedOverRecord | None = None
    measure: str = "auc"
    gain: GainRecord | None = None
    causes: CausesRecord | None = None
    segments: SegmentsRecord | None = None
    feature_costs: tuple[FeatureCostRecord, ...] = ()
    score_bins: tuple[ScoreBinRecord, ...] = ()
    estimate: EstimateRecord | None = None
    decision_threshold: float | None = None

    @model_validator(mode="after")
    def _measured_has_its_measure(self) -> Self:
        if self.measure not in MEASURES:
            raise ValueError(f"the measure {self.measure} is not known")
        if self.state is PerformanceState.MEASURED and self.measure not in self.measures:
            raise ValueError(f"it is measured and holds no {self.measure}")
        return self

    @property
    def rule(self) -> Measure:
        """The entry of the measure that decides."""
        return MEASURES[self.measure]

    @property
    def auc(self) -> MeasureRecord | None:
        """The AUC; None where it was not measured."""
        return self.measures.get("auc")

    @property
    def change(self) -> MeasureRecord | None:
        """The measure that decides; None where performance was not measured."""
        return self.measures.get(self.measure)

    @property
    def drop(self) -> float | None:
        """How much worse the model is in the current month, see `Measure.drop_of`; None where it was not measured."""
        found = self.change
        if found is None or not self.rule.lower_is_better:
            return found.drop if found else None
        return float(self.rule.drop_of(found.ref, found.cur))

    @property
    def drop_low(self) -> float | None:
        """Lower end of the 95% interval of `drop`."""
        found = self.change
        return (found.relative_low if self.rule.lower_is_better else found.drop_low) if found else None

    @property
    def drop_high(self) -> float | None:
        """Upper end of the 95% interval of `drop`."""
        found = self.change
        return (found.relative_high if self.rule.lower_is_better else found.drop_high) if found else None

    @classmethod
    def of(cls, found: Performance, monitor: Monitor) -> Self:
        """What the performance check found."""
        return cls.copied(
            found,
            champion=found.version,
            threshold=monitor.performance_drop,
            measures={name: MeasureRecord.copied(change) for name, change in found.measures.items()},
            relations=[RelationRecord.copied(item) for item in found.relations],
            passed_over=PassedOverRecord.copied(found.passed_over) if found.passed_over else None,
            gain=GainRecord.copied(found.gain),
            causes=CausesRecord.of(found.causes),
            segments=SegmentsRecord.of(found.segments),
            feature_costs=tuple(map(FeatureCostRecord.of, found.feature_costs)),
            score_bins=tuple(map(ScoreBinRecord.copied, found.score_bins)),
            estimate=EstimateRecord.copied(found.estimate),
        )
