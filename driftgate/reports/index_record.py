"""What the index page needs of a decision record; see `record.decision_record`. Unknown keys are passed over."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from driftgate.performance.result import PerformanceState

_Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Pair(_Part):
    as_of_ref: date
    as_of_cur: date


class _Target(_Part):
    abs_diff: float | None
    reason: str
    pending: bool = False


class _Change(_Part):
    ref: float
    cur: float
    low: float
    high: float


class Performance(_Part):
    """The model then and now; `measures` holds at least the AUC where `state` is measured."""

    state: PerformanceState
    reason: str
    champion: str | None
    threshold: float
    measures: dict[str, _Change]

    @model_validator(mode="after")
    def _measured_has_auc(self) -> Self:
        if self.state is PerformanceState.MEASURED and "auc" not in self.measures:
            raise ValueError("it is measured and holds no auc")
        return self

    @property
    def auc(self) -> _Change:
        """Only where measured; `low` and `high` are of now minus then."""
        return self.measures["auc"]

    @property
    def fall(self) -> float:
        """AUC then minus now; only where measured."""
        return self.auc.ref - self.auc.cur

    @property
    def fall_interval(self) -> tuple[float, float]:
        """The 95% interval of `fall`; only where measured."""
        return 0.0 - self.auc.high, 0.0 - self.auc.low

    @property
    def fallen(self) -> bool:
        """Whether the fall is beyond its threshold, and surely one; only where measured."""
        return self.fall > self.threshold and self.fall_interval[0] > 0.0


class Record(_Part):
    """A record. One of a time before performance was measured has none, and was never held back."""

    monitor: str
    decided_at: datetime
    verdict: str
    reasons: tuple[str, ...]
    drift_share: _Share
    threshold: _Share
    drifted_features: int
    declared_features: int
    target: _Target
    inputs: _Pair
    held_back: str = ""
    performance: Performance | None = None


@dataclass(frozen=True)
class Unreadable:
    """A record that is there and cannot be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """A record, and those of its files that are there: name and address relative to the page."""

    record: Record
    files: tuple[tuple[str, str], ...]

    @property
    def tone(self) -> str:
        """`alarm` where the verdict asks for something to be done, `wait` where that is held back, else `calm`."""
        if self.record.verdict != "NO_ACTION":
            return "alarm"
        return "wait" if self.record.held_back else "calm"

    @property
    def order(self) -> tuple[date, date, datetime]:
        """Later is newer: by month, then by the month it is compared with, then by when it was decided."""
        when = self.record.decided_at
        # A record that was written by hand may lack the zone.
        return (
            self.record.inputs.as_of_cur,
            self.record.inputs.as_of_ref,
            when if when.tzinfo else when.replace(tzinfo=UTC),
        )
