"""The Prefect server of a command, killed under it: the command goes on, or ends with one plain error."""

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.runtime.local_server import LocalServer
from tests.conftest import ROOT

BEGIN = """
import os, sys
from driftgate.process import end_on_signals, run_program
end_on_signals()

def kill_server():
    import psutil
    for child in psutil.Process().children():
        if "prefect_server" in " ".join(child.cmdline()):
            child.kill()

"""

GOES_ON = """
def work():
    from flows.runtime.local_server import start_prefect

    wait = start_prefect()
    from prefect import flow
    from prefect.client.orchestration import get_client

    from flows.runtime.steps import FLOW, step

    @step("one")
    def one():
        return 1

    @flow(name="killed", **FLOW)
    def killed():
        one()
        kill_server()
        one()

    wait()
    killed()
    with get_client(sync_client=True) as client:
        print(*[run.state_type.value for run in client.read_flow_runs()], flush=True)
"""

GIVES_UP = """
def work():
    from flows.runtime.local_server import start_prefect

    start_prefect()()
    # What the server finds when it starts again.
    with open(os.path.join(os.environ["PREFECT_HOME"], "prefect.db"), "wb") as file:
        file.write(b"no database" * 1000)
    kill_server()
    import time
    time.sleep(600)
"""


def run(code: str, home: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.run(
        [sys.executable, "-c", f"{BEGIN}{code}\nrun_program(work)"],
        env={**environment, "DRIFTGATE_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_server_that_is_killed_is_started_again_and_the_run_goes_on(tmp_path: Path) -> None:
    done = run(GOES_ON, tmp_path / "home")
    assert (done.returncode, done.stdout) == (0, "COMPLETED\n"), done.stderr
    assert "Beginning flow run" in done.stderr and "View at" not in done.stderr, "a page that ends with the command"
    assert "Traceback" not in done.stderr


def test_it_answers_to_this_machine_only(tmp_path: Path) -> None:
    with LocalServer(PREFECT_HOME=str(tmp_path)) as server:
        server.wait()
        asked = []
        for host in (f"localhost:{server.port}", "rebound.example"):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            connection.request(
                "POST", "/api/flow_runs/filter", b"{}", {"Host": host, "Content-Type": "application/json"}
            )
            asked.append(connection.getresponse().status)
            connection.close()
    assert asked == [200, 421]


ENDS = """
def work():
    from pathlib import Path
    from driftgate.supervision.state import UpStatus, process_started, write_status
    from flows.runtime.local_server import free_port, start_prefect
    home = Path(os.environ["DRIFTGATE_HOME"])
    home.mkdir()
    # As a fork of `driftgate up` has it while that ends its parts.
    api = os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{free_port()}/api"
    if {is_up}:
        me = os.getpid()
        write_status(home, UpStatus(me, process_started(me), "", "", api, False, ()))
    start_prefect()()
"""


@pytest.mark.parametrize(
    ("is_up", "status", "said"),
    [(True, 1, "DriftgateError: `driftgate up` ended"), (False, 3, "ConfigurationError: no Prefect server answers")],
)
def test_a_server_that_went_away_with_up_is_not_said_to_be_a_setting(
    is_up: bool, status: int, said: str, tmp_path: Path
) -> None:
    done = run(ENDS.replace("{is_up}", str(is_up)), tmp_path / "home")
    assert done.returncode == status and done.stderr.startswith(said), done.stderr
    assert ("PREFECT_API_URL" in done.stderr) is not is_up


@pytest.mark.slow
def test_a_server_that_does_not_come_back_ends_the_command_with_a_plain_error(tmp_path: Path) -> None:
    done = run(GIVES_UP, tmp_path / "home")
    assert done.returncode == 1
    said = "DriftgateError: the local Prefect server ended with status "
    (line,) = [line for line in done.stderr.splitlines() if line.startswith(said)]
    assert f"ended with status {-signal.SIGKILL}" not in line
    assert "set DRIFTGATE_HOME to a new folder" in done.stderr
