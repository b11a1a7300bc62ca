"""The decision record: everything a verdict rests on, as plain JSON beside the reports."""

import json
import math
from datetime import UTC
from importlib.metadata import version
from typing import Any

from driftgate.drift.result import ColumnResult
from driftgate.monitors import Monitor
from driftgate.performance.result import Performance
from driftgate.run import Run

_PACKAGES = ("driftgate", "evidently", "feast", "pandas", "prefect")


def decision_record(run: Run) -> dict[str, Any]:
    """The record as JSON-ready values; what is not computable is null."""
    drift, target, monitor = run.drift, run.target, run.monitor
    code, champion_month = run.decision.held_back_code, run.decision.champion_trained_on
    record = {
        "monitor": monitor.name,
        "decided_at": run.decided_at.astimezone(UTC).isoformat(),
        "verdict": run.decision.label,
        "reasons": list(run.decision.reasons),
        "signalled": run.decision.signalled,
        "held_back": run.decision.held_back,
        "held_back_code": str(code) if code else None,
        "champion_trained_on": str(champion_month) if champion_month else None,
        "pending": run.pending,
        "signals": [vars(signal) for signal in run.decision.signals],
        "retrain": run.decision.retrain,
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
            "pending": target.pending,
        },
        "performance": _performance(run.performance, monitor),
        "prediction": _column(drift.prediction) if drift.prediction else None,
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
        "entity_table": monitor.entity.place,
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
        "min_label_share": monitor.min_label_share,
        "confirmations": monitor.confirmations,
        "confirmation_window": monitor.confirmation_window,
        "cooldown_days": monitor.cooldown_days,
    }


def _performance(found: Performance, monitor: Monitor) -> dict[str, Any]:
    return {
        "state": str(found.state),
        "reason": found.reason,
        "champion": found.version,
        "trained_on": str(found.trained_on) if found.trained_on else None,
        "users_ref": found.users_ref,
        "users_cur": found.users_cur,
        "threshold": monitor.performance_drop,
        "measures": {
            name: {**vars(change), "difference": change.difference} for name, change in found.measures.items()
        },
        "relations": [{**vars(item), "lost": item.lost} for item in found.relations],
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
