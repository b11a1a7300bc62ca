"""The parts of a decision record, as `driftgate.store.record` puts them together.

A key without a default is in every record since the first release. A key that came later has a default, which stands
where an earlier record lacks the key.
"""

import math
from datetime import UTC, date, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from driftgate.decision import Signal
from driftgate.drift.result import ColumnResult, ColumnState, DriftResult, TargetDrift, finite
from driftgate.measures import MEASURES, Measure
from driftgate.monitors import Monitor
from driftgate.performance.result import (
    Causes,
    Gain,
    Interval,
    NoGain,
    Performance,
    PerformanceState,
    SegmentDrop,
    SegmentKind,
    Segments,
    Unexplained,
)

Share = Annotated[float, Field(ge=0.0, le=1.0)]
# None where it is not computable.
Figure = Annotated[float | None, BeforeValidator(finite)]
Moment = Annotated[
    datetime,
    # A record that was written by hand may lack the zone.
    AfterValidator(lambda when: when if when.tzinfo else when.replace(tzinfo=UTC)),
    PlainSerializer(datetime.isoformat, return_type=str, when_used="json"),
]


class Part(BaseModel):
    """A part of the record: unknown keys are ignored, and no number is NaN or infinite."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    @classmethod
    def copied(cls, source: object, **others: object) -> Self:
        """Each field from the source's attribute of that name, except those that are given."""
        fields = {name: getattr(source, name) for name in cls.model_fields if name not in others}
        return cls.model_validate({**fields, **others})


class SignalRecord(Part):
    """A figure that can trigger, and its threshold, as in `driftgate.decision.Signal`."""

    name: str
    key: str
    value: Figure
    threshold: float
    reached: bool
    text: str
    certain: bool = True

    @property
    def signal(self) -> Signal:
        """The signal as it was decided on."""
        value = math.nan if self.value is None else self.value
        return Signal(self.name, self.key, value, self.threshold, self.reached, self.text, self.certain)


class TargetRecord(Part):
    """The drift of the label; None where it is not computable, and `reason` says why."""

    ref: Figure
    cur: Figure
    abs_diff: Figure
    threshold: float | None
    labelled_share_ref: Figure
    labelled_share_cur: Figure
    reason: str
    pending: bool = False
    p_value: Figure = None
    spread_ref: Figure = None
    in_spreads: Figure = None

    @classmethod
    def of(cls, target: TargetDrift, monitor: Monitor) -> Self:
        """What the comparison of the labels found."""
        return cls.copied(
            target,
            threshold=monitor.target_threshold,
            labelled_share_ref=target.labelled_ref,
            labelled_share_cur=target.labelled_cur,
        )


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


class IntervalRecord(Part):
    """A figure with its 95% interval; None where there is none."""

    value: Figure
    low: Figure
    high: Figure

    @property
    def interval(self) -> Interval:
        """The figure as it was measured."""
        numbers = [math.nan if item is None else item for item in (self.value, self.low, self.high)]
        return Interval(*numbers)


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
        )


class ColumnRecord(Part):
    """One declared feature, or the model's scores; its fields are the columns of the table `monitor_columns`."""

    name: str
    view: str
    dtype: str
    state: ColumnState
    detail: str
    method: str
    score: Figure
    threshold: Figure
    drifted: bool
    drifted_by: str
    values_ref: int
    values_cur: int
    missing_share_ref: Figure
    missing_share_cur: Figure
    missing_share_change: Figure
    corrected_score: Figure = None
    p_value: Figure = None
    chance: Figure = None

    @classmethod
    def of(cls, item: ColumnResult) -> Self:
        """What the comparison found of a column."""
        return cls.copied(
            item,
            missing_share_ref=item.missing_ref,
            missing_share_cur=item.missing_cur,
            missing_share_change=item.missing_change,
        )


class LabelRecord(Part):
    """Where the label is, as in `driftgate.monitors.Label`."""

    table: str | None
    source: str | None = None
    column: str
    key: str | None
    timestamp: str | None


class InputsRecord(Part):
    """What was compared: months, sources, numbers of rows, and the settings of the monitor."""

    as_of_ref: date
    as_of_cur: date
    entity_table: str
    feature_service: str
    label: LabelRecord | None
    rows_ref: int
    rows_cur: int
    compared_rows_ref: int
    compared_rows_cur: int
    sample_seed: int | None
    on_incomparable: str
    missing_threshold: float
    min_rows: int
    min_label_share: float | None = None
    confirmations: int | None = None
    confirmation_window: int | None = None
    cooldown_days: int | None = None
    false_alarm_rate: float | None = None
    require_gain: bool | None = None
    own_past: bool | None = None

    @classmethod
    def of(cls, drift: DriftResult, monitor: Monitor) -> Self:
        """What a comparison took in."""
        return cls.copied(
            monitor,
            as_of_ref=drift.as_of_ref,
            as_of_cur=drift.as_of_cur,
            entity_table=monitor.entity.place,
            label=LabelRecord.copied(monitor.label) if monitor.label else None,
            rows_ref=drift.rows_ref,
            rows_cur=drift.rows_cur,
            compared_rows_ref=drift.compared_rows_ref,
            compared_rows_cur=drift.compared_rows_cur,
            sample_seed=monitor.sample_seed if drift.sampled else None,
        )
