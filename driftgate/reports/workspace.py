"""The Evidently workspace: every run as a snapshot in its monitor's project, for people to browse in the Evidently UI.

These are the files that Evidently 0.7's own `Workspace` writes. They are written here because Evidently writes them in
place, gives every snapshot a new id, and takes seconds to import: here a reader never sees a part of a file, and ids
follow from names, so that a rerun of a pair replaces its snapshot.
"""

import json
import os
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from driftgate.errors import OutputError
from driftgate.files import write_atomic
from driftgate.measures import Measure
from driftgate.performance.result import Performance, PerformanceState
from driftgate.reports.workspace_panels import METRIC, dashboard, id_of, measure_titles
from driftgate.run import Run

_REMEDY = "make the folder writable for this user, or set EVIDENTLY_WORKSPACE to one that is"


def project_id(monitor: str) -> uuid.UUID:
    """The id of a monitor's project. In SQL it is `md5(monitor)::uuid`, by which a dashboard can link to it.

    >>> str(project_id("sales"))
    '9ed083b1-436e-5f40-ef98-4b28255eef18'
    """
    return id_of(monitor)


def snapshot_id(monitor: str, as_of_ref: date, as_of_cur: date) -> uuid.UUID:
    """The id of a pair's snapshot. In SQL it is `md5(concat_ws('/', monitor, as_of_ref, as_of_cur))::uuid`."""
    return id_of(f"{monitor}/{as_of_ref}/{as_of_cur}")


def add_snapshot(workspace: Path, run: Run, snapshot: str) -> Path:
    """Put a run's snapshot into the workspace, in place of an earlier one of the same pair.

    The project and its dashboard are written once, so that what people change there stays. The first month that was
    measured adds the panels on performance to a dashboard that nobody changed.

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
        _write_dashboard(folder / "dashboard.json", name, run.performance.rule if run.performance.measured else None)
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


def delete_snapshot(workspace: Path, monitor: str, as_of_ref: date, as_of_cur: date) -> None:
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
        # Gone already where another wrote the file meanwhile, and took this for what a killed process left.
        whole.unlink(missing_ok=True)


def _write_dashboard(path: Path, monitor: str, measured: Measure | None) -> None:
    plain, whole = (json.dumps(dashboard(monitor, measured=each)) for each in (None, measured))
    _create(path, whole)
    # As we wrote it before there was a measured month; anything else is someone's own.
    if measured and path.read_text(encoding="utf-8") == plain:
        write_atomic(path, whole)


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
    held_back = {"held_back": decision.held_back} if decision.held_back else {}
    off = run.performance.state is PerformanceState.OFF
    return {
        **snapshot,
        "name": f"{drift.as_of_cur} against {drift.as_of_ref}",
        "timestamp": f"{drift.as_of_cur}T00:00:00",
        "tags": [decision.label, *_marks(run)],
        "metadata": {
            "verdict": decision.label,
            "reasons": "; ".join(decision.reasons),
            "drifted": f"{len(drift.drifted)} of {len(drift.columns)} declared features",
            **({} if off else {"performance": _performance_text(run.performance)}),
            **held_back,
            "decided_at": run.decided_at.isoformat(timespec="seconds"),
        },
        "metric_results": {**snapshot["metric_results"], **dict(_own_results(run))},
    }


def _marks(run: Run) -> Iterator[str]:
    """What people look for among the reports, beside the verdict."""
    if run.decision.held_back:
        yield "held back"
    if run.target.pending or run.performance.state is PerformanceState.PENDING:
        yield "labels pending"


def _performance_text(found: Performance) -> str:
    if not found.measured:
        return found.reason
    low, high = found.drop_interval
    rule, change = found.rule, found.change
    word = f"{rule.drop_word} in parts of it" if rule.lower_is_better else rule.drop_word
    return (
        f"{rule.short} {change.ref:.4f} then, {change.cur:.4f} now, a {word} of {found.drop:.4f} "
        f"[{low:.4f}, {high:.4f}]; " + (f"champion v{found.version}" if found.version else "a probe model")
    )


def _own_results(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    numbers = {
        ("DriftgateDriftShare", "Drift share"): run.drift.drift_share,
        ("DriftgateThreshold", "Threshold of the drift share"): run.monitor.threshold,
        ("DriftgateDriftedFeatures", "Drifted features"): len(run.drift.drifted),
    }
    if run.target.computable:
        numbers["DriftgateTargetDrift", "Target drift"] = run.target.abs_diff
    if run.performance.measured:
        titles = measure_titles(run.performance.rule)
        change = run.performance.change
        values = (change.ref, change.cur, run.performance.drop, run.monitor.performance_drop)
        numbers |= dict(zip(titles, values, strict=True))
    for (kind, title), value in numbers.items():
        key = id_of(kind).hex
        yield (
            key,
            {
                "type": "evidently:metric_result_v2:SingleValue",
                "display_name": title,
                "metric_value_location": {
                    "metric": {"metric_id": key, "params": {"type": METRIC + kind}},
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
