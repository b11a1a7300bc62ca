"""What a performance check found, as plain values: no pandas, no scikit-learn, no MLflow."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

MEASURES = ("auc", "log_loss", "calibration_error", "brier", "positive_rate")
"""Names of the measures, in the order in which they are shown."""


class PerformanceState(StrEnum):
    """Whether performance was measured, or why not."""

    MEASURED = "measured"
    PENDING = "pending"
    NOT_COMPUTABLE = "not computable"
    OFF = "off"


@dataclass(frozen=True)
class Change:
    """One measure then and now, with a 95% interval for the difference now minus then."""

    ref: float
    cur: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Now minus then."""
        return self.cur - self.ref


@dataclass(frozen=True)
class Relation:
    """How well one feature alone, read as in the reference month, ranks the labels.

    Attributes:
        ref, cur: area under the ROC curve; 0.5 says nothing, below it the relation has turned around.
    """

    name: str
    ref: float
    cur: float

    @property
    def lost(self) -> float:
        """AUC then minus now."""
        return self.ref - self.cur


@dataclass(frozen=True)
class Performance:
    """A model's performance on the current month against its own on entities it had not seen in training.

    Attributes:
        state: whether `measures` holds anything.
        reason: why not, or empty.
        version: the champion's version; None for the probe, a small model trained on the reference month.
        trained_on: month the model was trained on.
        users_ref, users_cur: how many labelled users each side's measures rest on; none was seen in training.
        measures: by the names in `MEASURES`.
        relations: features by how much of their relation to the label they lost, most first.
    """

    state: PerformanceState
    reason: str = ""
    version: str | None = None
    trained_on: date | None = None
    users_ref: int = 0
    users_cur: int = 0
    measures: dict[str, Change] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether there are figures."""
        return self.state is PerformanceState.MEASURED

    @property
    def auc(self) -> Change:
        """The AUC then and now; only where measured."""
        return self.measures["auc"]

    @property
    def drop(self) -> float:
        """AUC then minus now; only where measured."""
        return self.auc.ref - self.auc.cur

    @property
    def drop_interval(self) -> tuple[float, float]:
        """The 95% interval of `drop`; only where measured."""
        # Zero less the number, because minus zero would be printed as such.
        return 0.0 - self.auc.high, 0.0 - self.auc.low

    @property
    def model(self) -> str:
        """`v1` for a champion, `none (probe)` for the stand-in."""
        return f"v{self.version}" if self.version else "none (probe)"


def not_measured(state: PerformanceState, reason: str) -> Performance:
    """A performance without figures."""
    return Performance(state, reason)
