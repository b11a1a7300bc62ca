"""The decision record: everything a verdict rests on, as plain JSON beside the reports."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from driftgate.decision import Decision
from driftgate.drift.result import ColumnResult, DriftResult, TargetDrift
from driftgate.monitors import Monitor
from driftgate.publish.files import ReportPaths

_PACKAGES = ("driftgate", "evidently", "feast", "pandas", "prefect")


@dataclass(frozen=True)
class Run:
    """One finished run: what was compared, what came out, where it lies."""

    monitor: Monitor
    drift: DriftResult
    target: TargetDrift
    decision: Decision
    paths: ReportPaths
    decided_at: datetime


def decision_record(run: Run) -> dict[str, Any]:
    """The record as JSON-ready values; what is not computable is null."""
    drift, target, monitor = run.drift, run.target, run.monitor
    record = {
        "monitor": monitor.name,
        "decided_at": run.decided_at.astimezone(UTC).isoformat(),
        "verdict": run.decision.label,
        "reasons": list(run.decision.reasons),
        "drift_share": drift.drift_share,
        "threshold": monitor.threshold,
        "drifted_features": len(drift.drifted),
        "declared_features": len(drift.columns),
        "target": {
            "ref": target.ref,
            "cur": target.cur,
            "abs_diff": target.abs_diff,
            "threshold": monitor.target_threshold,
            "labelled_share_ref": target.labelled_ref,
            "labelled_share_cur": target.labelled_cur,
            "reason": target.reason,
        },
        "inputs": _inputs(run),
        "columns": [_column(item) for item in drift.worst_first],
        "excluded": [{"name": name, "reason": reason} for name, reason in drift.excluded],
        "reports": {"html": str(run.paths.html), "json": str(run.paths.json)},
        "versions": {package: version(package) for package in _PACKAGES},
    }
    cleaned: dict[str, Any] = without_nan(record)
    return cleaned


def record_text(run: Run) -> str:
    """The record as an indented JSON document."""
    return json.dumps(decision_record(run), indent=2, allow_nan=False) + "\n"


def without_nan(value: Any) -> Any:
    """The same value with NaN and infinities as None, at any depth, because JSON and SQL have no NaN to compare with.

    >>> without_nan({"a": [float("nan"), 1.0]})
    {'a': [None, 1.0]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value


def _inputs(run: Run) -> dict[str, Any]:
    drift, monitor = run.drift, run.monitor
    return {
        "as_of_ref": str(drift.as_of_ref),
        "as_of_cur": str(drift.as_of_cur),
        "entity_table": monitor.entity.table,
        "feature_service": monitor.feature_service,
        "label": monitor.label.model_dump() if monitor.label else None,
        "rows_ref": drift.rows_ref,
        "rows_cur": drift.rows_cur,
        "compared_rows_ref": drift.compared_rows_ref,
        "compared_rows_cur": drift.compared_rows_cur,
        "sample_seed": monitor.sample_seed if drift.sampled else None,
        "on_incomparable": monitor.on_incomparable,
        "missing_threshold": monitor.missing_threshold,
        "min_rows": monitor.min_rows,
    }


def _column(item: ColumnResult) -> dict[str, Any]:
    return {
        "name": item.name,
        "view": item.view,
        "dtype": item.dtype,
        "state": str(item.state),
        "detail": item.detail,
        "method": item.method,
        "score": item.score,
        "threshold": item.threshold,
        "drifted": item.drifted,
        "drifted_by": item.drifted_by,
        "values_ref": item.values_ref,
        "values_cur": item.values_cur,
        "missing_share_ref": item.missing_ref,
        "missing_share_cur": item.missing_cur,
        "missing_share_change": item.missing_change,
    }
