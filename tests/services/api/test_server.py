"""`driftgate serve` as a process: its end, its logs, its workers, and what it imports."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import text

from driftgate.errors import OutputError
from driftgate.predictions.spool import rows_left, spool_folder
from tests.conftest import ROOT
from tests.services.api.conftest import Command, Month, logged
from tests.services.api.test_metrics import labels, scrape
from tests.services.api.test_prediction_log import wait_until

Start = Callable[..., Command]


def test_sigterm_under_load_loses_no_prediction_and_logs_are_json(command: Start, month: Month) -> None:
    started = command(API_LOG_FLUSH_SECONDS="30", API_ACCESS_LOG="true")
    base, served, threads = started.client.base_url, [], []

    def ask(place: int) -> None:
        with httpx.Client(base_url=base, timeout=60) as own:
            number = 0
            while True:
                identity = f"term-{place}-{number}"
                try:
                    answer = own.post(
                        "/predict", json={"user_id": month.users[place]}, headers={"X-Request-ID": identity}
                    )
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                served.append(identity)
                number += 1

    for place in range(4):
        threads.append(threading.Thread(target=ask, args=(place,)))
        threads[-1].start()
    deadline = time.monotonic() + 60
    while len(served) < 50:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    user = month.users[0]
    assert started.client.get(f"/features/{user}", headers={"X-Request-ID": "json-1"}).status_code == 200
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(timeout=60) in (128 + signal.SIGTERM, -signal.SIGTERM)
    for thread in threads:
        thread.join()
    with month.engine.connect() as connection:
        found = connection.execute(text("SELECT request_id FROM predictions WHERE request_id LIKE 'term-%'")).scalars()
        assert set(served) <= set(found)
    # Its log is JSON throughout, and names no user.
    lines = [json.loads(line) for line in started.log.read_text().splitlines()]
    [line] = [line for line in lines if line["request_id"] == "json-1"]
    assert (line["route"], line["method"], line["status"]) == ("/features/{user_id}", "GET", 200)
    assert not any("traceback" in line or line["level"] == "error" for line in lines)
    assert not any(user in str(line) for line in lines for user in month.users[:4])


@pytest.mark.slow
def stopped_while_locked(started: Command, month: Month, identity: str) -> int:
    """The exit status of a service that answered while nobody could write to its table."""
    with month.engine.connect() as connection:
        connection.execute(text("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE"))
        asked = {"json": {"user_id": month.users[0]}, "headers": {"X-Request-ID": identity}}
        assert started.client.post("/predict", **asked).status_code == 200
        started.process.send_signal(signal.SIGTERM)
        return started.process.wait(timeout=60)


# Two starts; what happens at the end is also told in test_prediction_log.py.
@pytest.mark.slow
def test_a_fast_log_that_a_lock_holds_up_loses_nothing_at_the_end(command: Start, month: Month, tmp_path: Path) -> None:
    folder = spool_folder(tmp_path / "home")
    settings = {"API_LOG_MODE": "fast", "API_SHUTDOWN_SECONDS": "2"}
    started = command(**settings)
    assert stopped_while_locked(started, month, "locked") in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert rows_left(folder) == 1 and not logged(month.engine, request_id="locked")
    assert "predictions wait in the spool for the next start" in started.log.read_text()
    command(**settings)
    wait_until(lambda: logged(month.engine, request_id="locked"))
    wait_until(lambda: rows_left(folder) == 0)


def test_a_prediction_that_can_be_written_nowhere_changes_the_exit_status(
    command: Start, month: Month, tmp_path: Path
) -> None:
    started = command(API_LOG_MODE="fast", API_SHUTDOWN_SECONDS="2")
    (tmp_path / "home" / "spool").write_text("")
    assert stopped_while_locked(started, month, "lost") == OutputError.exit_code
    assert "predictions were dropped at the exit" in started.log.read_text()


def test_a_worker_that_is_held_up_for_a_while_is_not_replaced(command: Start) -> None:
    started = command("--workers", "2")
    workers = workers_of(started)
    os.kill(workers[0], signal.SIGSTOP)
    time.sleep(8)
    os.kill(workers[0], signal.SIGCONT)
    time.sleep(2)
    assert workers_of(started) == workers


def workers_of(started: Command) -> list[int]:
    """The process ids of the workers of a service."""
    children = psutil.Process(started.process.pid).children()
    return [child.pid for child in children if "spawn_main" in str(child.cmdline())]


@pytest.mark.slow
def test_several_workers_report_their_sum(command: Start, month: Month) -> None:
    started = command("--workers", "2")
    body = {"user_id": month.users[0]}
    deadline = time.monotonic() + 120
    workers = workers_of(started)
    assert len(workers) == 2

    def ready() -> bool:
        # A new connection each time, as one connection stays with one worker.
        return all(httpx.get(f"{started.client.base_url}/ready", timeout=60).status_code == 200 for _ in range(10))

    while not ready():
        assert time.monotonic() < deadline
    before = scrape(started.client)
    answered = 0
    while answered < 40:
        # The system decides which worker gets a connection, so that one may still be loading its model.
        status = httpx.post(f"{started.client.base_url}/predict", json=body, timeout=60).status_code
        assert status in (200, 503) and time.monotonic() < deadline
        answered += status == 200
    for _ in range(5):
        after = scrape(started.client)
        where = ("api_requests_total", labels("/predict", "POST", 200))
        assert after[where] - before.get(where, 0) == 40
    assert after["api_requests_in_flight", ()] == 1
    assert [value for (name, _), value in after.items() if name == "api_model_info"] == [1]
    both = sum(psutil.Process(pid).memory_info().rss for pid in workers)
    assert abs(after["process_resident_memory_bytes", ()] / both - 1) < 0.5


def test_neither_prefect_nor_evidently_nor_mlflow_is_imported() -> None:
    code = (
        "import sys, services.api.server, services.api.app, uvicorn, driftgate.features.online_adapter;"
        "print([name for name in ('prefect', 'evidently', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_other_way_to_start_it_is_the_same() -> None:
    line = [sys.executable, "-m", "services.api", "--help"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"--host", "--port", "--workers"} <= set(done.stdout.split())


@pytest.mark.parametrize(
    "start", [["flows.cli", "serve", "--monitor", "churns"], ["flows.cli", "serve"], ["services.api"]]
)
def test_an_error_is_a_plain_line_and_an_exit_status(start: list[str], tmp_path: Path) -> None:
    # Found out before anything connects.
    environment = {**os.environ, "API_MONITOR": "churns", "POSTGRES_HOST": str(tmp_path)}
    line = [sys.executable, "-m", *start]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("UsageError: ") and "'churns'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_service_takes_the_place_of_the_command(command: Start) -> None:
    started = command()
    found = psutil.Process(started.process.pid).cmdline()
    assert found[1:4] == ["-P", "-m", "services.api"]


def test_a_taken_port_is_one_plain_error(tmp_path: Path) -> None:
    environment = {**os.environ, "POSTGRES_HOST": str(tmp_path), "DRIFTGATE_HOME": str(tmp_path / "home")}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = [sys.executable, "-m", "flows.cli", "serve", "--port", port]
        done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first == f"UsageError: nothing can listen on 127.0.0.1:{port}: Address already in use"
    assert "--port" in second


@pytest.mark.parametrize("megabytes", [200, 400, 1000, 2000])
def test_too_little_memory_is_one_plain_error(megabytes: int, tmp_path: Path) -> None:
    environment = {**os.environ, "POSTGRES_HOST": str(tmp_path), "DRIFTGATE_HOME": str(tmp_path / "home")}
    line = ["bash", "-c", f"ulimit -v {megabytes * 1024}; exec {sys.executable} -m flows.cli serve --port 0"]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    first, *rest = done.stderr.splitlines()
    assert first == f"ConfigurationError: this process may use {megabytes} MB of address space"
    assert "ulimit -v" in "".join(rest) and "Traceback" not in done.stderr


def test_too_few_files_are_one_plain_error(tmp_path: Path) -> None:
    environment = {**os.environ, "POSTGRES_HOST": str(tmp_path), "DRIFTGATE_HOME": str(tmp_path / "home")}
    for command in ("flows.cli months", "flows.cli monitor", "services.api"):
        line = ["bash", "-c", f"ulimit -n 40; exec {sys.executable} -m {command}"]
        done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        assert done.stderr.splitlines()[0] == "ConfigurationError: this process may open 40 files at a time"
        assert "ulimit -n" in done.stderr and "Traceback" not in done.stderr
