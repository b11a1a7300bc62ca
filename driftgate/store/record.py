"""The decision record: everything a verdict rests on. One model writes it, fills the tables from it, and reads it back.

Records of earlier releases are read too: see `record_parts` for what stands where a key is missing. Keys that this
release does not know are ignored. To add a figure, add a field to the model; its value comes from the attribute of
that name, or from `of`. A figure of a run gets a column in the tables by an entry in `RUN_COLUMNS`; a figure of a
feature has one by itself.
"""

import json
from datetime import UTC, date
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError

from driftgate.decision import PERFORMANCE_KEY, Decision, HeldBack, PastDecision, Verdict
from driftgate.drift.past import Explained, Known
from driftgate.pairs import Pair
from driftgate.performance.result import PerformanceState
from driftgate.run import Run
from driftgate.store.performance_record import PerformanceRecord
from driftgate.store.record_parts import (
    ColumnRecord,
    InputsRecord,
    IntervalRecord,
    Moment,
    Part,
    Share,
    SignalRecord,
    SkewRecord,
    TargetRecord,
)

RUN_COLUMNS = {
    "monitor": "monitor",
    "as_of_ref": "inputs.as_of_ref",
    "as_of_cur": "inputs.as_of_cur",
    "decided_at": "decided_at",
    "verdict": "verdict",
    "reasons": "reasons",
    "drift_share": "drift_share",
    "threshold": "threshold",
    "drifted_features": "drifted_features",
    "declared_features": "declared_features",
    "target_ref": "target.ref",
    "target_cur": "target.cur",
    "target_drift": "target.abs_diff",
    "target_threshold": "target.threshold",
    "target_reason": "target.reason",
    "rows_ref": "inputs.rows_ref",
    "rows_cur": "inputs.rows_cur",
    "compared_rows_ref": "inputs.compared_rows_ref",
    "compared_rows_cur": "inputs.compared_rows_cur",
    "report_html": "reports.html_file",
    "report_json": "reports.json_file",
    "record": "content",
    "signalled": "signalled",
    "held_back": "held_back",
    "retrain": "retrain",
    "labelled_share_ref": "target.labelled_share_ref",
    "labelled_share_cur": "target.labelled_share_cur",
    "performance_state": "performance.state",
    "performance_reason": "performance.reason",
    "performance_threshold": "performance.threshold",
    "champion_version": "performance.champion",
    "auc_ref": "performance.auc.ref",
    "auc_cur": "performance.auc.cur",
    "auc_drop": "performance.auc.drop",
    "auc_drop_low": "performance.auc.drop_low",
    "auc_drop_high": "performance.auc.drop_high",
    "prediction_score": "prediction.score",
    "prediction_drifted": "prediction.drifted",
    "held_back_code": "held_back_code",
    "champion_trained_on": "champion_trained_on",
    "pending": "pending",
    "gain": "performance.gain.value",
    "gain_low": "performance.gain.low",
    "gain_high": "performance.gain.high",
    "no_gain_code": "performance.gain.code",
    "performance_measure": "performance.measure",
    "performance_ref": "performance.change.ref",
    "performance_cur": "performance.change.cur",
    "performance_drop": "performance.drop",
    "performance_drop_low": "performance.drop_low",
    "performance_drop_high": "performance.drop_high",
    "target_in_spreads": "target.in_spreads",
    "drop_by_entities": "performance.causes.entities.value",
    "drop_by_meaning": "performance.causes.meaning.value",
    "estimated_performance": "performance.estimate.value",
    "estimated_performance_low": "performance.estimate.low",
    "estimated_performance_high": "performance.estimate.high",
    "waiting_cost": "waiting_cost.value",
    "waiting_cost_low": "waiting_cost.low",
    "waiting_cost_high": "waiting_cost.high",
}
"""Each column of the table of runs, and the figure of `RunRecord` that it holds. New columns stand at the end."""

# Anything else would be read as a month without a trigger.
Label = Annotated[str, Field(pattern=r"^(NO_ACTION|RETRAINING_TRIGGERED( \((SIMULATED|RETRAIN OFF)\))?)$")]
_PACKAGES = ("driftgate", "evidently", "feast", "pandas", "prefect")


class EarlierRecord(Part):
    """An earlier decision of the same pair, as in `driftgate.decision.PastDecision`."""

    decided_at: Moment
    verdict: Label
    champion: str | None
    reason_codes: tuple[str, ...]
    withdrawn: bool
    pending: bool | None = None

    @classmethod
    def of(cls, past: PastDecision) -> Self:
        """The part for an earlier decision."""
        return cls.copied(past, decided_at=past.decided_at.astimezone(UTC))


class ExplainedRecord(Part):
    """A signal that the monitor's own past explains, as in `driftgate.drift.past.Explained`."""

    signal: str
    known: Known
    text: str

    @property
    def explained(self) -> Explained:
        """What was decided on."""
        return Explained(self.signal, self.known, self.text)


class ExcludedRecord(Part):
    """A declared field that is no feature, and why."""

    name: str
    reason: str


class ReportsRecord(Part):
    """Where the reports of the run were written; empty where none was drawn."""

    html_file: str = Field(alias="html")
    json_file: str = Field(alias="json")


class RunRecord(Part):
    """One run as it is kept: its JSON file, its row and its columns in the tables hold what this holds."""

    monitor: str
    decided_at: Moment
    verdict: Label
    reasons: tuple[str, ...]
    signalled: bool | None = None
    held_back: str = ""
    held_back_code: HeldBack | None = None
    reason_codes: tuple[str, ...] = ()
    champion: str | None = None
    champion_trained_on: date | None = None
    waiting_cost: IntervalRecord | None = None
    explained: tuple[ExplainedRecord, ...] = ()
    earlier: tuple[EarlierRecord, ...] = ()
    pending: bool | None = None
    signals: tuple[SignalRecord, ...] = ()
    retrain: str = "simulated"
    drift_share: Share
    threshold: Share
    drifted_features: int
    declared_features: int
    target: TargetRecord
    performance: PerformanceRecord | None = None
    prediction: ColumnRecord | None = None
    skew: SkewRecord | None = None
    inputs: InputsRecord
    columns: tuple[ColumnRecord, ...]
    excluded: tuple[ExcludedRecord, ...]
    reports: ReportsRecord
    versions: dict[str, str]

    @classmethod
    def of(cls, run: Run) -> Self:
        """The record of a finished run; what is not computable is None."""
        decision, drift, monitor = run.decision, run.drift, run.monitor
        return cls(
            monitor=monitor.name,
            decided_at=run.decided_at.astimezone(UTC),
            verdict=decision.label,
            reasons=decision.reasons,
            signalled=decision.signalled,
            held_back=decision.held_back,
            held_back_code=decision.held_back_code,
            reason_codes=decision.reason_codes,
            champion=decision.champion,
            champion_trained_on=decision.champion_trained_on,
            waiting_cost=IntervalRecord.copied(decision.waiting) if decision.waiting else None,
            explained=tuple(map(ExplainedRecord.copied, decision.explained)),
            earlier=tuple(map(EarlierRecord.of, run.earlier)),
            pending=run.pending,
            signals=tuple(map(SignalRecord.copied, decision.signals)),
            retrain=decision.retrain,
            drift_share=drift.drift_share,
            threshold=monitor.threshold,
            drifted_features=len(drift.drifted),
            declared_features=len(drift.columns),
            target=TargetRecord.of(run.target, monitor),
            performance=PerformanceRecord.of(run.performance, monitor),
            prediction=ColumnRecord.of(drift.prediction) if drift.prediction else None,
            skew=SkewRecord.of(run.skew, run.decided_at),
            inputs=InputsRecord.of(drift, monitor),
            columns=tuple(map(ColumnRecord.of, drift.worst_first)),
            excluded=tuple(ExcludedRecord(name=name, reason=reason) for name, reason in drift.excluded),
            reports=ReportsRecord(
                html=str(run.paths.html) if run.drawn else "", json=str(run.paths.json) if run.drawn else ""
            ),
            versions={package: version(package) for package in _PACKAGES},
        )

    @property
    def content(self) -> dict[str, Any]:
        """The record as JSON-ready values; what is not computable is null."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def row(self) -> dict[str, Any]:
        """The row of the table of runs, by the names of its columns."""
        return {column: self._figure(path) for column, path in RUN_COLUMNS.items()}

    @property
    def column_rows(self) -> list[dict[str, Any]]:
        """The rows of the table of columns, by the names of its columns."""
        pair = {"monitor": self.monitor, "as_of_ref": self.inputs.as_of_ref, "as_of_cur": self.inputs.as_of_cur}
        return [{**pair, **column.model_dump(mode="json")} for column in self.columns]

    @property
    def pair(self) -> Pair:
        """Reference and current month."""
        return self.inputs.as_of_ref, self.inputs.as_of_cur

    @property
    def triggered(self) -> bool:
        """Whether the verdict is to retrain, whatever a trigger starts."""
        return self.verdict.startswith(Verdict.RETRAINING_TRIGGERED)

    @property
    def has_signal(self) -> bool:
        """Whether a figure is beyond its threshold; of an earlier record its verdict says so."""
        return self.triggered if self.signalled is None else self.signalled

    @property
    def model_dropped(self) -> bool:
        """Whether the model is worse than in its validation by more than its threshold, and surely so."""
        return any(signal.key == PERFORMANCE_KEY and signal.reached for signal in self.signals)

    @property
    def judged_by_stand_in(self) -> bool:
        """Whether a small model of the run's own, a probe, was measured, because no version of the model was there."""
        found = self.performance
        return found is not None and found.state is PerformanceState.MEASURED and found.champion is None

    @property
    def waited(self) -> EarlierRecord | None:
        """The last decision of the pair that waited for labels which have come since; None where none did."""
        waits = [item for item in self.earlier if item.pending]
        return waits[-1] if waits and not self.pending else None

    @property
    def decision(self) -> Decision:
        """The decision as it was made."""
        return Decision(
            Verdict.RETRAINING_TRIGGERED if self.triggered else Verdict.NO_ACTION,
            tuple(signal.signal for signal in self.signals),
            self.held_back,
            self.retrain,
            self.held_back_code,
            self.champion_trained_on,
            self.champion,
            self.waiting_cost.interval if self.waiting_cost else None,
            tuple(item.explained for item in self.explained),
        )

    def _figure(self, path: str) -> Any:
        """The figure at a path of names; None where a part of the record is not there."""
        found: Any = self
        for name in path.split("."):
            found = None if found is None else getattr(found, name)
        return str(found) if isinstance(found, StrEnum) else found


def record_text(run: Run) -> str:
    """The record of a finished run as an indented JSON document."""
    return json.dumps(RunRecord.of(run).content, indent=2, allow_nan=False) + "\n"


def problem(error: ValidationError) -> str:
    """The first thing that is wrong with a record: its key and what is expected there, in at most 200 characters."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")[:200]
