"""Where the files of a run are."""

from datetime import date
from pathlib import Path

from driftgate.monitors import Monitor
from driftgate.run import ReportPaths


def report_paths(report_dir: Path, monitor: Monitor, as_of_ref: date, as_of_cur: date) -> ReportPaths:
    """Where the files of a pair of months go."""
    folder = report_dir / (monitor.report_folder or monitor.name)
    pair = f"{as_of_ref}_vs_{as_of_cur}"
    return ReportPaths(
        html=folder / f"drift_{pair}.html",
        json=folder / f"drift_{pair}.json",
        record=folder / f"decision_{pair}.json",
        page=folder / f"verdict_{pair}.html",
    )


def delete_reports(paths: ReportPaths) -> None:
    """Remove the files of an earlier run of the pair; none may be there."""
    for path in (paths.record, paths.json, paths.html, paths.page):
        path.unlink(missing_ok=True)


def delete_drawn(paths: ReportPaths) -> None:
    """Remove what Evidently drew of a pair, where something is there."""
    for path in (paths.json, paths.html):
        path.unlink(missing_ok=True)
