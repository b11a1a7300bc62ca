"""The Evidently UI over a real workspace: runs appear in it while it is up, and the report files lie beside it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driftgate.reports.index import write_index
from driftgate.reports.workspace import add_snapshot, delete_snapshot, project_id, snapshot_id
from tests.browser import chromium
from tests.reports.runs import FEBRUARY, JANUARY, MARCH, column, finished
from tests.reports.snapshots import snapshot_text

PROJECT = f"/api/projects/{project_id('churn')}"

# Prints what it would send elsewhere: a connection to anything but this machine is an error, and none is tried.
SERVE = """
import socket

connect = socket.socket.connect

def only_here(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        print("connects to", address, flush=True)
        raise OSError("no network")
    return connect(self, address)

socket.socket.connect = only_here
from services.evidently.serve import main

main()
"""


@dataclass(frozen=True)
class Ui:
    """A running UI."""

    url: str
    workspace: Path
    reports: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Status and body."""
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, path: str) -> Any:
        """The body of an answer."""
        return json.loads(self.ask(path)[1])

    def wait_for(self, what: Callable[[], Any]) -> Any:
        """The first true answer."""
        deadline = time.monotonic() + 60
        while True:
            try:
                found = what()
            except (OSError, KeyError, TypeError):
                found = None
            if found:
                return found
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.2)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """The UI on a workspace that is empty when it starts."""
    folder = tmp_path_factory.mktemp("evidently")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    workspace, reports, said = folder / "workspace", folder / "reports", folder / "log"
    environment = {
        **os.environ,
        # The setting has the prefix of Evidently's own.
        "EVIDENTLY_WORKSPACE": str(workspace),
        "REPORT_DIR": str(reports),
        "DRIFTGATE_HOME": str(folder),
        "DRIFTGATE_HOSTS": "runs.example",
        "HOME": "/nonexistent",
    }
    environment.pop("DO_NOT_TRACK", None)
    command = [sys.executable, "-W", "ignore", "-c", SERVE, "--port", str(port)]
    with said.open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    place = Ui(f"http://127.0.0.1:{port}", workspace, reports, said, process)
    snapshot_text()
    place.wait_for(lambda: process.poll() is not None or place.ask("/api/version")[0] == 200)
    yield place
    process.terminate()
    process.wait()


def reports(ui: Ui) -> dict[str, Any]:
    return {item["id"]: item for item in ui.json(f"{PROJECT}/reports")}


def test_runs_appear_change_and_go_while_the_ui_is_up(ui: Ui) -> None:
    assert ui.json("/api/projects") == []
    first = str(snapshot_id("churn", JANUARY, FEBRUARY))
    add_snapshot(ui.workspace, finished(), snapshot_text())
    (project,) = ui.wait_for(lambda: ui.json("/api/projects"))
    assert project["name"] == "churn"
    assert ui.wait_for(lambda: reports(ui)[first])["tags"] == ["NO_ACTION"]

    add_snapshot(ui.workspace, finished(months=(FEBRUARY, MARCH)), snapshot_text())
    ui.wait_for(lambda: len(reports(ui)) == 2)

    add_snapshot(ui.workspace, finished(column("hours", 0.5)), snapshot_text())
    ui.wait_for(lambda: reports(ui)[first]["tags"] == ["RETRAINING_TRIGGERED (SIMULATED)"])
    assert len(reports(ui)) == 2

    delete_snapshot(ui.workspace, "churn", JANUARY, FEBRUARY)
    ui.wait_for(lambda: set(reports(ui)) == {str(snapshot_id("churn", FEBRUARY, MARCH))})


def test_a_report_can_be_looked_at(ui: Ui) -> None:
    add_snapshot(ui.workspace, finished(months=(JANUARY, MARCH)), snapshot_text())
    each = snapshot_id("churn", JANUARY, MARCH)
    ui.wait_for(lambda: str(each) in reports(ui))
    status, body = ui.ask(f"{PROJECT}/{each}/data")
    assert status == 200
    assert json.loads(body)["widgets"]


@pytest.mark.parametrize("path", ["/api/projects", PROJECT, f"{PROJECT}/{snapshot_id('churn', FEBRUARY, MARCH)}"])
@pytest.mark.parametrize("method", ["DELETE", "POST", "PATCH", "PUT"])
def test_nobody_can_change_anything_through_it(ui: Ui, path: str, method: str) -> None:
    assert ui.ask(path, method)[0] in (401, 403, 404, 405)


def test_the_report_files_lie_below_reports(ui: Ui) -> None:
    write_index(ui.reports)
    (ui.reports / "drift_x.html").write_text("<p>hello</p>")
    assert b"Driftgate" in ui.ask("/reports/")[1]
    assert ui.ask("/reports/drift_x.html") == (200, b"<p>hello</p>")
    for path in ("/reports/../log", "/reports/%2e%2e/log", "/reports//etc/passwd", "/reports/gone.html"):
        assert ui.ask(path)[0] == 404, path


@pytest.mark.parametrize(
    "path", ["/%00", "/reports/%00", "/reports/a%00.html", "/" + "a" * 3000, "/reports/" + "a" * 300, "/a" * 1500]
)
def test_a_path_that_no_file_can_have_is_nothing(ui: Ui, path: str) -> None:
    assert ui.ask(path)[0] == 404


def test_the_page_needs_nothing_from_elsewhere(ui: Ui) -> None:
    """In a browser without a network: the dashboard is drawn from the snapshots, and nothing fails to load."""
    from selenium.webdriver.support.ui import WebDriverWait

    add_snapshot(ui.workspace, finished(months=(FEBRUARY, MARCH)), snapshot_text())
    with chromium(loopback=True) as browser:
        browser.get(f"{ui.url}/projects/{project_id('churn')}")
        wait = WebDriverWait(browser, 60)
        wait.until(lambda driver: "Drift share by month" in driver.page_source)
        # A point for each snapshot on each of two lines at the least.
        wait.until(lambda driver: driver.execute_script("return document.querySelectorAll('svg circle').length") >= 2)
        assert "2024-03-31" in browser.page_source
        browser.get(f"{ui.url}/projects/{project_id('churn')}/reports/{snapshot_id('churn', FEBRUARY, MARCH)}")
        wait.until(lambda driver: "Dataset Drift" in driver.page_source)
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
        loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert loaded
        assert [address for address in loaded if not address.startswith(ui.url)] == []


@pytest.mark.parametrize("path", ["/api/projects", "/reports/"])
def test_it_answers_to_names_of_its_own_only(ui: Ui, path: str) -> None:
    write_index(ui.reports)
    assert ui.ask(path, Host="rebound.example")[0] == 421
    assert ui.ask(path, Host="runs.example:8001")[0] == 200


def test_it_reports_to_nobody(ui: Ui) -> None:
    ui.ask("/api/projects")
    assert "connects to" not in ui.log.read_text()
