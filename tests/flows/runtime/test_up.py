"""`driftgate up`, `status` and `down` as a user meets them, with real parts on free ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from driftgate.database import ConnectionParameters
from driftgate.predictions.log import Prediction
from driftgate.predictions.spool import Spool, spool_folder
from driftgate.supervision.state import read_status
from flows.runtime.local_server import free_port, login_file
from tests.conftest import new_database, user_environment

PARTS = "pages,worker,api,lender"
PORTS = ("UI", "API", "MLFLOW", "EVIDENTLY", "PAGES")


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@dataclass(frozen=True)
class Place:
    """A user's settings, and what they see."""

    environment: dict[str, str]
    home: Path

    def call(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of driftgate."""
        return self.python("-m", "flows.cli", *arguments, **more)

    def python(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run Python with these settings."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        """The document of `driftgate status --json`."""
        done = self.call("status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def api(self) -> str:
        """The address of its Prefect server, from the file."""
        found = read_status(self.home)
        assert found is not None
        return found.prefect_api

    def part(self, name: str) -> dict[str, Any]:
        """One part, from the file, which is quicker."""
        found = read_status(self.home)
        assert found is not None
        return next(part for part in found.content()["parts"] if part["name"] == name)


@pytest.fixture(scope="module")
def place(server: ConnectionParameters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("up")
    with new_database(server) as parameters:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            **user_environment(parameters, folder),
            **{f"DRIFTGATE_{name}_PORT": str(free_port()) for name in PORTS},
        }
        yield Place(environment, folder / "home")


@pytest.fixture(scope="module")
def running(place: Place) -> Iterator["subprocess.CompletedProcess[str]"]:
    """What `up --detach` said."""
    assert place.call("status").stdout.startswith("Nothing runs here.")
    yield place.call("up", "--detach", "--only", PARTS)
    place.call("down", "--force")


def family(place: Place) -> list[psutil.Process]:
    found = read_status(place.home)
    assert found is not None
    supervisor = psutil.Process(found.pid)
    # What was lent to it is no child of it.
    lent = [psutil.Process(part.pid) for part in found.parts if part.pid]
    return list(dict.fromkeys([supervisor, *supervisor.children(recursive=True), *lent]))


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_prints_one_page_of_addresses_and_progress_before(
    running: "subprocess.CompletedProcess[str]", place: Place
) -> None:
    assert running.returncode == 0, running.stderr
    lines = running.stdout.splitlines()
    assert lines[0] == "Driftgate is up. Nothing listens beyond 127.0.0.1."
    for title, port in (("Driftgate", "PAGES"), ("Prefect", "UI"), ("Predictions", "API")):
        (line,) = [line for line in lines if line.startswith(f"{title}  ")]
        assert f"http://127.0.0.1:{place.environment[f'DRIFTGATE_{port}_PORT']}" in line
    assert "[Up] Prefect: running" in running.stderr.splitlines()


def test_status_is_a_table_and_a_document(running: object, place: Place) -> None:
    found = place.status()
    assert found["up"] is True
    assert not found["starting"]
    states = {part["name"]: part["state"] for part in found["parts"]}
    # The worker brings the server that it needs.
    rest = dict.fromkeys(("pages", "prefect", "worker", "lender"), "running")
    assert states == {**rest, "api": "waiting"}
    (api,) = [part for part in found["parts"] if part["name"] == "api"]
    assert api["message"] == "there is no champion; `driftgate train` makes the first"
    table = place.call("status").stdout
    assert all(part["name"] in table and part["state"] in table for part in found["parts"])


def test_what_it_writes_is_private(running: object, place: Place) -> None:
    for path in (place.home / "up.json", *(place.home / "log").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_nothing_listens_beyond_this_machine(running: object, place: Place) -> None:
    heard = {
        item.laddr.ip
        for process in family(place)
        for item in process.net_connections("inet")
        if item.status == psutil.CONN_LISTEN
    }
    assert heard == {"127.0.0.1"}


def test_the_schedules_are_there(running: object, place: Place) -> None:
    url = f"{place.api()}/deployments/filter"
    request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=30)
    path = login_file(place.home)
    assert path.stat().st_mode & 0o777 == 0o600
    request.add_header("Authorization", f"Basic {b64encode(path.read_bytes().strip()).decode()}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        names = {item["name"] for item in json.load(answer) if item["schedules"]}
    assert names == {"load-new-months", "judge-new-months", "score-newest-month", "check-served-features"}


def test_the_ui_asks_its_own_server(running: object, place: Place) -> None:
    ui = f"http://127.0.0.1:{place.environment['DRIFTGATE_UI_PORT']}"
    with urllib.request.urlopen(f"{ui}/ui-settings", timeout=30) as answer:
        assert json.load(answer)["api_url"] == "/api"


def test_other_commands_use_its_server(running: object, place: Place) -> None:
    code = (
        "import os; from flows.runtime.local_server import start_prefect; start_prefect()();"
        "print(os.environ['PREFECT_API_URL'], os.environ['PREFECT_UI_URL'])"
    )
    done = place.python("-c", code)
    api = place.api()
    assert done.stdout.split() == [api, api.removesuffix("/api")], done.stderr
    # Whoever names a server means that one.
    done = place.python("-c", code, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert "no Prefect server answers at PREFECT_API_URL=http://127.0.0.1:9/api" in done.stderr


FINISHED = """
import threading
from _abc import _get_dump
from importlib import import_module
from flows.runtime import lending
for module in lending.MODULES:
    import_module(module)
lending._finish()
from pydantic.v1 import BaseModel
class Model(BaseModel):
    pass
class Other:
    pass
print(issubclass(Model, BaseModel), isinstance(Model(), BaseModel), issubclass(Other, BaseModel))
print("noted", [noted() for noted in _get_dump(Model)[2]])
print("threads", [thread.name for thread in threading.enumerate()])
"""


@pytest.mark.slow
def test_a_lender_has_no_thread_and_its_forks_note_nothing_in_models_that_they_share(place: Place) -> None:
    done = place.python("-W", "ignore", "-c", FINISHED)
    assert done.stdout.splitlines()[-3:] == ["True True False", "noted []", "threads ['MainThread']"], done.stderr


LENT = """
import sys
from flows.runtime.lending import run_lent
print("status", run_lent(sys.argv[1:]))
"""


def test_commands_begin_in_forks_of_its_lender_and_end_as_they_do_otherwise(running: object, place: Place) -> None:
    monitor = ("monitor", "--as-of-cur", "2024-02-29")
    lent = place.python("-c", LENT, *monitor)
    own = place.call(*monitor, PREFECT_LOGGING_LEVEL="DEBUG")
    assert lent.stdout == f"status {own.returncode}\n", lent.stderr
    assert own.returncode == 3
    assert own.stderr.splitlines()[-1] == lent.stderr.splitlines()[-1]
    # What Prefect read when it was imported is the same no more; other commands need little.
    assert place.python("-c", LENT, *monitor, PREFECT_LOGGING_LEVEL="DEBUG").stdout == "status None\n"
    assert place.python("-c", LENT, "months").stdout == "status None\n"
    # A flow that fails logs its error to Prefect, and the command alone says it.
    train = place.python("-c", LENT, "train", "--as-of", "2024-02-29")
    assert "Beginning flow run" in train.stderr and "status 0" not in train.stdout
    assert train.stderr.count("\n  Next: ") == 1, train.stderr
    assert place.part("lender")["restarts"] == 0


def test_a_second_one_is_refused(running: object, place: Place) -> None:
    done = place.call("up")
    assert done.returncode == 2
    assert "`driftgate up` runs here already, as process" in done.stderr


def test_a_part_that_dies_is_started_again_and_shown(running: object, place: Place) -> None:
    os.kill(place.part("pages")["pid"], signal.SIGKILL)
    until(lambda: place.part("pages")["restarts"] == 1 and place.part("pages")["state"] == "running")
    assert place.part("pages")["message"] == "ended with status -9"
    assert "ended with status -9" in place.call("status").stdout


HELD = """
from driftgate.process import end_on_signals, run_program

end_on_signals()

def work():
    from flows.runtime.local_server import start_prefect

    wait = start_prefect()
    import time

    from prefect import flow

    from flows.runtime.steps import FLOW

    @flow(name="held", flow_run_name="a long run", **FLOW)
    def held():
        print("begun", flush=True)
        time.sleep(600)

    wait()
    held()

run_program(work)
"""


@pytest.fixture(scope="module")
def held(running: object, place: Place) -> Iterator["subprocess.Popen[str]"]:
    """A command that uses the Prefect server, in the midst of its run."""
    environment = {**place.environment, "PREFECT_LOGGING_LEVEL": "ERROR"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HELD], env=environment, **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_down_is_refused_while_a_run_uses_it(held: "subprocess.Popen[str]", place: Place) -> None:
    done = place.call("down")
    assert done.returncode == 2 and done.stdout == ""
    assert f"a long run (process {held.pid})" in done.stderr and "--force" in done.stderr
    assert place.status()["up"] and held.poll() is None


def test_killed_it_leaves_nothing_running_and_may_be_started_again(held: "subprocess.Popen[str]", place: Place) -> None:
    processes = family(place)
    assert len(processes) >= 5
    processes[0].kill()
    until(lambda: all(gone(process) for process in processes), 30)
    first, *others = held.communicate(timeout=30)[1].splitlines()
    assert held.returncode == 1 and len(others) == 1
    assert first == "DriftgateError: `driftgate up` ended, and with it the Prefect server of this command"
    assert place.status() == {"up": False, "parts": []}
    again = place.call("up", "--detach", "--only", "pages,api")
    assert again.returncode == 0, again.stderr


def test_down_ends_all_of_it(running: object, place: Place) -> None:
    processes = family(place)
    # What a service left; none runs without a champion, which would take it up.
    left = Spool(spool_folder(place.home))
    left.append([Prediction(uuid4(), datetime.now(UTC), "api", key, 1, 0.75, "1") for key in ("u1", "u2")])
    done = place.call("down")
    assert done.returncode == 0
    assert done.stdout == "[Down] ended: pages, api\n"
    assert "[Down] 2 predictions are not in the table yet; the next start of the service writes them" in done.stderr
    assert all(gone(process) for process in processes)
    assert not (place.home / "up.json").exists()
    assert place.call("down").stdout == "[Down] nothing runs here\n"


def test_in_the_foreground_it_ends_by_ctrl_c(place: Place) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "up", "--only", "pages"],
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: (found := read_status(place.home)) is not None and not found.starting)
    processes = family(place)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert out.startswith("Driftgate is up.")
    assert all(gone(item) for item in processes)


@pytest.mark.parametrize("more", [(), ("--detach",)])
def test_a_port_that_is_taken_is_named_with_its_part_and_its_setting(place: Place, more: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = place.call("up", "--only", "prefect,pages", *more, DRIFTGATE_UI_PORT=str(port))
    assert done.returncode == 3
    assert f"port {port} of 127.0.0.1 is taken, and Prefect needs it" in done.stderr
    assert "set another port by DRIFTGATE_UI_PORT" in done.stderr
    assert read_status(place.home) is None
