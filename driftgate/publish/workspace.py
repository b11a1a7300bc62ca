"""The Evidently workspace: every run as a snapshot in its monitor's project, for people to browse in the Evidently UI.

These are the files that Evidently 0.7's own `Workspace` writes. They are written here because Evidently writes them in
place, gives every snapshot a new id, and takes seconds to import: here a reader never sees a part of a file, and ids
follow from names, so that a rerun of a pair replaces its snapshot.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from driftgate.errors import OutputError
from driftgate.publish.files import write_atomic
from driftgate.publish.record import Run

_REMEDY = "make the folder writable for this user, or set EVIDENTLY_WORKSPACE to one that is"
_METRIC = "evidently:metric_v2:"
# Title, subtitle, size, kind, and the legend of each metric. No counters: the UI shows a zero there as "no value".
_PANELS: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    (
        "Drift share by month",
        "Drifted features over declared features. Retraining is due from the threshold on.",
        "full",
        "line",
        {"DriftgateDriftShare": "drift share", "DriftgateThreshold": "threshold"},
    ),
    (
        "Drift score by feature and month",
        "Each by its own method: a distance drifts from its threshold on, a p-value below it. See the reports.",
        "full",
        "line",
        {"ValueDrift": "{{column}}"},
    ),
    (
        "Target drift by month",
        "Difference of the label's rates, where the labels allow it.",
        "half",
        "bar",
        {"DriftgateTargetDrift": "target drift"},
    ),
    (
        "Drifted features by month",
        "Of the declared features.",
        "half",
        "bar",
        {"DriftgateDriftedFeatures": "drifted features"},
    ),
)


def project_id(monitor: str) -> uuid.UUID:
    """The id of a monitor's project. In SQL it is `md5(monitor)::uuid`, by which a dashboard can link to it.

    >>> str(project_id("churn"))
    '92e56bc6-7194-d54d-411e-334d944165e4'
    """
    return _id(monitor)


def snapshot_id(monitor: str, as_of_ref: date, as_of_cur: date) -> uuid.UUID:
    """The id of a pair's snapshot. In SQL it is `md5(concat_ws('/', monitor, as_of_ref, as_of_cur))::uuid`."""
    return _id(f"{monitor}/{as_of_ref}/{as_of_cur}")


def add_snapshot(workspace: Path, run: Run, snapshot: str) -> Path:
    """Put a run's snapshot into the workspace, in place of an earlier one of the same pair.

    The project and its dashboard are written once, so that what people change there in the UI stays.

    Args:
        workspace: its folder, made where it is missing.
        snapshot: what Evidently found, as `Snapshot.dumps` gives it.

    Returns:
        The snapshot's file.

    Raises:
        OutputError: the snapshot is not one, or the folder cannot be written; an earlier snapshot is untouched.
    """
    name = run.monitor.name
    folder = workspace / str(project_id(name))
    path = _snapshot_path(workspace, name, run.drift.as_of_ref, run.drift.as_of_cur)
    text = json.dumps(_with_verdict(_parsed(snapshot), run))
    try:
        _create(folder / "dashboard.json", json.dumps(_dashboard(name)))
        _create(folder / "metadata.json", json.dumps(_project(name)))
        write_atomic(path, text)
        # A running UI hears of a file that is written to, not of one that is renamed. It is valid before and after.
        with path.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
    except OutputError as error:
        raise OutputError(error.received, remedy=_REMEDY) from error
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}", remedy=_REMEDY) from error
    return path


def withdraw_snapshot(workspace: Path, monitor: str, as_of_ref: date, as_of_cur: date) -> None:
    """Remove the snapshot of a pair whose verdict no longer holds; none may be there.

    Raises:
        OutputError: it is there and cannot be removed.
    """
    path = _snapshot_path(workspace, monitor, as_of_ref, as_of_cur)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be removed: {error.strerror}", remedy=_REMEDY) from error


def _snapshot_path(workspace: Path, monitor: str, as_of_ref: date, as_of_cur: date) -> Path:
    folder = workspace / str(project_id(monitor)) / "snapshots"
    return folder / f"{snapshot_id(monitor, as_of_ref, as_of_cur)}.json"


def _id(name: str) -> uuid.UUID:
    return uuid.UUID(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def _create(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole from its first moment; one that is there stays."""
    if path.exists():
        return
    whole = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    write_atomic(whole, text)
    try:
        # A rename would go unseen by a UI that is running.
        path.hardlink_to(whole)
    except FileExistsError:
        pass
    except OSError:
        # No hard links on this file system.
        write_atomic(path, text)
    finally:
        whole.unlink()


def _parsed(snapshot: str) -> dict[str, Any]:
    try:
        parsed = json.loads(snapshot)
        if isinstance(parsed["metric_results"], dict):
            return dict(parsed)
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"what Evidently gave as its snapshot is none: {type(error).__name__}: {error}",
            remedy="this Evidently release may have changed it; install the versions in requirements.lock",
        ) from error
    raise OutputError(
        "what Evidently gave as its snapshot has no results by name",
        remedy="this Evidently release may have changed it; install the versions in requirements.lock",
    )


def _with_verdict(snapshot: dict[str, Any], run: Run) -> dict[str, Any]:
    """The snapshot under its pair's name and month, with our own numbers beside Evidently's.

    Evidently's share is that of the compared columns; the verdict rests on that of the declared features.
    """
    drift, decision = run.drift, run.decision
    return {
        **snapshot,
        "name": f"{drift.as_of_cur} against {drift.as_of_ref}",
        "timestamp": f"{drift.as_of_cur}T00:00:00",
        "tags": [decision.label],
        "metadata": {
            "verdict": decision.label,
            "reasons": "; ".join(decision.reasons),
            "drifted": f"{len(drift.drifted)} of {len(drift.columns)} declared features",
            "decided_at": run.decided_at.isoformat(timespec="seconds"),
        },
        "metric_results": {**snapshot["metric_results"], **dict(_own_results(run))},
    }


def _own_results(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    numbers = {
        ("DriftgateDriftShare", "Drift share"): run.drift.drift_share,
        ("DriftgateThreshold", "Threshold of the drift share"): run.monitor.threshold,
        ("DriftgateDriftedFeatures", "Drifted features"): len(run.drift.drifted),
    }
    if run.target.computable:
        numbers["DriftgateTargetDrift", "Target drift"] = run.target.abs_diff
    for (kind, title), value in numbers.items():
        key = _id(kind).hex
        yield (
            key,
            {
                "type": "evidently:metric_result_v2:SingleValue",
                "display_name": title,
                "metric_value_location": {
                    "metric": {"metric_id": key, "params": {"type": _METRIC + kind}},
                    "param": {},
                },
                "widget": [],
                "tests": [],
                "value": value,
            },
        )


def _project(monitor: str) -> dict[str, Any]:
    return {
        "id": str(project_id(monitor)),
        "name": monitor,
        "description": f"Months judged by the monitor {monitor}; a report is a pair of months, dated by the later.",
        "org_id": None,
        "version": "2",
    }


def _dashboard(monitor: str) -> dict[str, Any]:
    panels = [_panel(monitor, *item) for item in _PANELS]
    return {
        "tabs": [{"id": str(_id(f"{monitor}/tab")), "title": "Drift", "panels": [item["id"] for item in panels]}],
        "panels": panels,
    }


def _panel(monitor: str, title: str, subtitle: str, size: str, kind: str, metrics: dict[str, str]) -> dict[str, Any]:
    values = [
        {
            "legend": legend,
            "tags": [],
            "metadata": {},
            "metric": _METRIC + metric,
            "metric_labels": {},
            "view_params": {},
        }
        for metric, legend in metrics.items()
    ]
    return {
        "id": str(_id(f"{monitor}/{title}")),
        "title": title,
        "subtitle": subtitle,
        "size": size,
        "values": values,
        "plot_params": {"plot_type": kind},
    }
