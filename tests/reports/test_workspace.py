"""The workspace, read back by Evidently itself."""

import json
import stat
import threading
import uuid
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.decision import History
from driftgate.errors import OutputError
from driftgate.reports.workspace import add_snapshot, delete_snapshot, project_id, snapshot_id
from tests.reports.runs import (
    APRIL,
    FEBRUARY,
    JANUARY,
    MARCH,
    NO_TARGET,
    PENDING,
    PENDING_TARGET,
    column,
    finished,
    lost,
    measured,
)
from tests.reports.snapshots import snapshot_text


def opened(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.ui.workspace import Workspace

        return Workspace(str(folder))


def results(snapshot: Any) -> dict[str, float]:
    """Single values by their metric's type."""
    found = {}
    for result in snapshot.metric_results.values():
        if hasattr(result, "value"):
            kind = result.metric_value_location.metric.params["type"].rpartition(":")[2]
            found[kind] = result.value
    return found


def test_a_run_is_a_snapshot_in_its_monitor_s_project(tmp_path: Path) -> None:
    run = finished(column("hours", 0.5), column("plan"))
    path = add_snapshot(tmp_path, run, snapshot_text())
    workspace = opened(tmp_path)
    (project,) = workspace.list_projects()
    assert (project.name, project.id) == ("churn", project_id("churn"))
    (only,) = workspace.list_runs(project.id)
    assert only == snapshot_id("churn", JANUARY, FEBRUARY)
    assert path.stem == str(only)
    snapshot = workspace.get_run(project.id, only)
    assert snapshot.name == "2024-02-29 against 2024-01-31"
    assert snapshot.timestamp == datetime(2024, 2, 29)  # noqa: DTZ001
    assert snapshot.tags == ["RETRAINING_TRIGGERED (SIMULATED)"]
    assert snapshot.metadata["reasons"] == "drift_share=0.50 >= 0.30"
    assert snapshot.metadata["drifted"] == "1 of 2 declared features"
    assert snapshot.widgets, "the report has nothing to show"


def test_it_holds_the_share_of_declared_features_beside_evidently_s_own(tmp_path: Path) -> None:
    run = finished(column("hours", 0.5), column("plan"), lost("gone"))
    add_snapshot(tmp_path, run, snapshot_text())
    snapshot = opened(tmp_path).get_run(project_id("churn"), snapshot_id("churn", JANUARY, FEBRUARY))
    found = results(snapshot)
    assert found["DriftgateDriftShare"] == pytest.approx(2 / 3)
    assert found["DriftgateThreshold"] == 0.3
    assert found["DriftgateDriftedFeatures"] == 2
    assert found["DriftgateTargetDrift"] == pytest.approx(run.target.abs_diff)
    assert "ValueDrift" in found


def test_a_target_drift_that_is_not_computable_is_absent_and_not_zero(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(target=NO_TARGET), snapshot_text())
    snapshot = opened(tmp_path).get_run(project_id("churn"), snapshot_id("churn", JANUARY, FEBRUARY))
    assert "DriftgateTargetDrift" not in results(snapshot)


def the_snapshot(folder: Path) -> Any:
    return opened(folder).get_run(project_id("churn"), snapshot_id("churn", JANUARY, FEBRUARY))


def titles(folder: Path) -> list[str]:
    return [panel.title for panel in opened(folder).get_dashboard(project_id("churn")).panels]


def test_performance_is_stored_beside_the_drift(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(performance=measured(0.82, 0.5)), snapshot_text())
    snapshot = the_snapshot(tmp_path)
    found = results(snapshot)
    figures = [found["DriftgateAuc" + name] for name in ("Reference", "Current", "Drop", "DropThreshold")]
    assert figures == pytest.approx([0.82, 0.5, 0.32, 0.05])
    assert (
        snapshot.metadata["performance"]
        == "AUC 0.8200 then, 0.5000 now, a fall of 0.3200 [0.2900, 0.3500]; champion v1"
    )
    assert "held_back" not in snapshot.metadata
    assert snapshot.tags == ["RETRAINING_TRIGGERED (SIMULATED)"]


def test_a_probe_is_called_one(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(performance=measured(0.82, 0.81, version=None)), snapshot_text())
    assert the_snapshot(tmp_path).metadata["performance"].endswith("; a probe model")


def test_pending_performance_is_absent_and_not_zero_and_the_report_can_be_found_by_it(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(performance=PENDING, target=PENDING_TARGET), snapshot_text())
    snapshot = the_snapshot(tmp_path)
    assert not [kind for kind in results(snapshot) if kind.startswith("DriftgateAuc")]
    assert snapshot.metadata["performance"] == "pending, 43% labelled"
    assert snapshot.tags == ["NO_ACTION", "labels pending"]


def test_what_was_held_back_says_so(tmp_path: Path) -> None:
    run = finished(performance=measured(0.82, 0.5), history=History(champion_trained_on=MARCH))
    add_snapshot(tmp_path, run, snapshot_text())
    snapshot = the_snapshot(tmp_path)
    assert snapshot.tags == ["NO_ACTION", "held back"]
    assert snapshot.metadata["held_back"] == "the champion was trained on 2024-03-31 and knows this shift"


def test_the_panels_on_performance_come_with_the_first_month_that_was_measured(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(), snapshot_text())
    add_snapshot(tmp_path, finished(months=(FEBRUARY, MARCH), performance=PENDING), snapshot_text())
    before = titles(tmp_path)
    assert not [title for title in before if "AUC" in title]
    for _ in range(2):
        add_snapshot(tmp_path, finished(months=(MARCH, APRIL), performance=measured(0.82, 0.5)), snapshot_text())
        assert titles(tmp_path) == [before[0], "AUC by month", "Fall of the AUC by month", *before[1:]]
        # A later month without labels takes nothing away.
        add_snapshot(tmp_path, finished(months=(JANUARY, APRIL), performance=PENDING), snapshot_text())


def test_a_dashboard_that_people_changed_gets_no_panels_from_us(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(), snapshot_text())
    project = opened(tmp_path).get_project(project_id("churn"))
    first = titles(tmp_path)[0]
    project.dashboard.delete_panel(first, "Drift")
    add_snapshot(tmp_path, finished(months=(FEBRUARY, MARCH), performance=measured(0.82, 0.5)), snapshot_text())
    assert first not in titles(tmp_path)
    assert not [title for title in titles(tmp_path) if "AUC" in title]


@pytest.mark.parametrize("performance", [measured(0.82, 0.5), PENDING])
def test_every_metric_of_the_dashboard_is_in_the_snapshots(tmp_path: Path, performance: Any) -> None:
    add_snapshot(tmp_path, finished(performance=performance), snapshot_text())
    workspace = opened(tmp_path)
    dashboard = workspace.get_dashboard(project_id("churn"))
    (tab,) = dashboard.tabs
    assert tab.panels == [panel.id for panel in dashboard.panels]
    asked = {value.metric.rpartition(":")[2] for panel in dashboard.panels for value in panel.values}
    found = results(workspace.get_run(project_id("churn"), snapshot_id("churn", JANUARY, FEBRUARY)))
    assert asked
    assert asked <= set(found)


def test_a_rerun_replaces_its_snapshot_and_no_other(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(months=(FEBRUARY, MARCH)), snapshot_text())
    for share in (0.5, 0.01):
        add_snapshot(tmp_path, finished(column("hours", share)), snapshot_text())
    workspace = opened(tmp_path)
    assert len(workspace.list_runs(project_id("churn"))) == 2
    snapshot = workspace.get_run(project_id("churn"), snapshot_id("churn", JANUARY, FEBRUARY))
    assert snapshot.tags == ["NO_ACTION"]


def test_monitors_have_projects_of_their_own(tmp_path: Path) -> None:
    for name in ("churn", "orders"):
        add_snapshot(tmp_path, finished(name=name), snapshot_text())
    assert {project.name for project in opened(tmp_path).list_projects()} == {"churn", "orders"}


def test_what_people_changed_in_the_project_stays(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(), snapshot_text())
    project = opened(tmp_path).get_project(project_id("churn"))
    project.description = "ours"
    project.save()
    project.dashboard.delete_tab("Drift")
    add_snapshot(tmp_path, finished(months=(FEBRUARY, MARCH)), snapshot_text())
    again = opened(tmp_path).get_project(project_id("churn"))
    assert again.description == "ours"
    assert again.dashboard.model().tabs == []


def test_a_deleted_pair_is_gone_and_deleting_is_safe_to_repeat(tmp_path: Path) -> None:
    delete_snapshot(tmp_path, "churn", JANUARY, FEBRUARY)
    add_snapshot(tmp_path, finished(), snapshot_text())
    add_snapshot(tmp_path, finished(months=(FEBRUARY, MARCH)), snapshot_text())
    for _ in range(2):
        delete_snapshot(tmp_path, "churn", JANUARY, FEBRUARY)
    assert list(opened(tmp_path).list_runs(project_id("churn"))) == [snapshot_id("churn", FEBRUARY, MARCH)]


def test_everyone_may_read_the_files_and_no_other_file_is_left(tmp_path: Path) -> None:
    add_snapshot(tmp_path, finished(), snapshot_text())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files)[1:] == ["dashboard.json", "metadata.json"]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}


def test_runs_at_the_same_time_leave_one_project_and_every_snapshot(tmp_path: Path) -> None:
    pairs = [(JANUARY, FEBRUARY), (JANUARY, MARCH), (FEBRUARY, MARCH)] * 3
    text = snapshot_text()
    found = [PENDING, PENDING, measured(0.82, 0.5)] * 3
    runs = [finished(months=months, performance=each) for months, each in zip(pairs, found, strict=True)]
    threads = [threading.Thread(target=add_snapshot, args=(tmp_path, run, text)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    workspace = opened(tmp_path)
    assert len(workspace.list_projects()) == 1
    assert len(workspace.list_runs(project_id("churn"))) == 3
    assert "AUC by month" in titles(tmp_path)
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"metric_results": []}'])
def test_what_is_no_snapshot_is_an_error_and_leaves_the_earlier_one(tmp_path: Path, text: str) -> None:
    path = add_snapshot(tmp_path, finished(), snapshot_text())
    before = path.read_bytes()
    with pytest.raises(OutputError, match="snapshot"):
        add_snapshot(tmp_path, finished(column("hours", 0.5)), text)
    assert path.read_bytes() == before


# Tests may run as root, whom permission bits do not stop: a file in the way and /proc stop everyone.
@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/driftgate"])
def test_a_folder_that_cannot_be_written_is_an_error_that_names_its_setting(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError) as caught:
        add_snapshot(tmp_path / folder, finished(), snapshot_text())
    assert "EVIDENTLY_WORKSPACE" in caught.value.remedy


def test_without_hard_links_the_project_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    add_snapshot(tmp_path, finished(), snapshot_text())
    assert len(opened(tmp_path).list_projects()) == 1
    assert not list(tmp_path.rglob(".*"))


@given(st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]*", fullmatch=True), min_size=2, max_size=2, unique=True))
def test_ids_tell_monitors_pairs_and_projects_apart(names: list[str]) -> None:
    one, other = names
    ids = [make(name) for name in (one, other) for make in (project_id, lambda name: snapshot_id(name, JANUARY, MARCH))]
    assert len(set(ids)) == 4
    assert snapshot_id(one, JANUARY, FEBRUARY) != snapshot_id(one, JANUARY, MARCH)
    assert all(uuid.UUID(str(each)) == each for each in ids)


def test_the_snapshot_file_is_json_that_any_reader_takes(tmp_path: Path) -> None:
    path = add_snapshot(tmp_path, finished(), snapshot_text())
    assert json.loads(path.read_text(encoding="utf-8"))["name"] == "2024-02-29 against 2024-01-31"
