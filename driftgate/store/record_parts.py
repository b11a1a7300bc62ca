"""The parts of a decision record, as `driftgate.store.record` puts them together.

A key without a default is in every record since the first release. A key that came later has a default, which stands
where an earlier record lacks the key.
"""

import math
from datetime import UTC, date, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from driftgate.decision import Signal
from driftgate.drift.result import ClassShare, ColumnResult, ColumnState, DriftResult, TargetDrift, finite
from driftgate.features.skew import Served, SkewCheck, SkewState
from driftgate.monitors import Monitor
from driftgate.performance.interval import Interval

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


class ClassRecord(Part):
    """The share of one class of the label in both months, as in `driftgate.drift.result.ClassShare`."""

    name: str
    ref: Share
    cur: Share


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
    chance: Figure = None
    classes: tuple[ClassRecord, ...] = ()

    @property
    def target(self) -> TargetDrift:
        """The part of what was found that says how far the label moved."""
        ref, cur = (math.nan if item is None else item for item in (self.ref, self.cur))
        classes = tuple(ClassShare(item.name, item.ref, item.cur) for item in self.classes)
        return TargetDrift(ref, cur, math.nan, math.nan, classes=classes)

    @classmethod
    def of(cls, target: TargetDrift, monitor: Monitor) -> Self:
        """What the comparison of the labels found."""
        return cls.copied(
            target,
            threshold=monitor.target_threshold,
            labelled_share_ref=target.labelled_ref,
            labelled_share_cur=target.labelled_cur,
            classes=tuple(map(ClassRecord.copied, target.classes)),
        )


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
    missing_p_value: Figure = None
    missing_chance: Figure = None

    @classmethod
    def of(cls, item: ColumnResult) -> Self:
        """What the comparison found of a column."""
        return cls.copied(
            item,
            missing_share_ref=item.missing_ref,
            missing_share_cur=item.missing_cur,
            missing_share_change=item.missing_change,
        )


class SkewMismatchRecord(Part):
    """A feature that is served with another value, and for how many entities. Their keys are not in a record."""

    feature: str
    entities: int


class SkewSourceRecord(Part):
    """How the rows of one source differ from those that are learnt, as in `driftgate.features.skew.SourceSkew`."""

    source: Served
    compared: int
    differing: int
    share: Figure
    incomplete: int
    mismatches: tuple[SkewMismatchRecord, ...]
    surplus: int = 0


class SkewRecord(Part):
    """What the last check of the features that are served of the current month found. It decides nothing."""

    state: SkewState
    checked_at: Moment | None
    threshold: Figure
    share: Figure
    sources: tuple[SkewSourceRecord, ...]

    @classmethod
    def of(cls, check: SkewCheck | None, moment: datetime) -> Self:
        """The part for a check, or for none, in a record of a moment."""
        if check is None:
            return cls(state=SkewState.NOT_CHECKED, checked_at=None, threshold=None, share=None, sources=())
        sources = [
            SkewSourceRecord.copied(item, mismatches=tuple(map(SkewMismatchRecord.copied, item.mismatches)))
            for item in check.skew.sources
        ]
        return cls(
            state=check.state(moment),
            checked_at=check.checked_at.astimezone(UTC),
            threshold=check.skew.threshold,
            share=max((item.share for item in sources if item.share is not None), default=None),
            sources=tuple(sources),
        )

    @property
    def features(self) -> dict[str, int]:
        """Features that differ, and in the source where they differ most for how many entities, the worst first."""
        found: dict[str, int] = {}
        for item in (each for source in self.sources for each in source.mismatches):
            found[item.feature] = max(item.entities, found.get(item.feature, 0))
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


class LabelRecord(Part):
    """Where the label is, as in `driftgate.monitors.Label`."""

    table: str | None
    source: str | None = None
    column: str
    key: str | None
    timestamp: str | None


class GroupRecord(Part):
    """The column by which entities depend on each other, and how many groups each month has of it."""

    column: str
    ref: int
    cur: int


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
    retrain_cost: float | None = None
    group: GroupRecord | None = None

    @classmethod
    def of(cls, drift: DriftResult, monitor: Monitor) -> Self:
        """What a comparison took in."""
        column = monitor.entity.group
        return cls.copied(
            monitor,
            group=GroupRecord(column=column, ref=drift.groups_ref, cur=drift.groups_cur) if column else None,
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
