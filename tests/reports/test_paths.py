"""Where the files of a pair are, and that all of them go together."""

from dataclasses import astuple
from datetime import date
from pathlib import Path

from driftgate.reports.paths import delete_drawn, delete_reports, report_paths
from driftgate.run import ReportPaths
from tests.reports.runs import finished

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)


def made(folder: Path) -> ReportPaths:
    paths = report_paths(folder, finished().monitor.model_copy(update={"report_folder": "m"}), JAN, FEB)
    (folder / "m").mkdir(exist_ok=True)
    for path in astuple(paths):
        path.write_text("")
    return paths


def test_each_pair_and_monitor_has_files_of_its_own(tmp_path: Path) -> None:
    monitor = finished().monitor
    found = [
        *astuple(report_paths(tmp_path, monitor.model_copy(update={"name": "a", "report_folder": ""}), JAN, FEB)),
        *astuple(report_paths(tmp_path, monitor.model_copy(update={"name": "b", "report_folder": ""}), JAN, FEB)),
        *astuple(report_paths(tmp_path, monitor.model_copy(update={"name": "a", "report_folder": ""}), FEB, JAN)),
    ]
    assert len(set(found)) == 12
    in_root = report_paths(tmp_path, monitor.model_copy(update={"report_folder": "."}), JAN, FEB)
    assert in_root.html == tmp_path / "drift_2024-01-31_vs_2024-02-29.html"


def test_all_files_of_a_pair_go_and_no_other(tmp_path: Path) -> None:
    paths = made(tmp_path)
    (tmp_path / "m" / "index.html").write_text("")
    delete_drawn(paths)
    assert [path.exists() for path in astuple(paths)] == [False, False, True, True]
    delete_reports(paths)
    delete_reports(paths)
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["index.html"]
