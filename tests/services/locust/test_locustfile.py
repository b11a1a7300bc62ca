"""The load generator against a small server of this test's own that keeps the API's contract, or breaks it."""

import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.services.daemons import SERVICES, free_port, script

LOCUSTFILE = SERVICES / "locust" / "locustfile.py"
USERS = script(SERVICES / "locust" / "users.py")
KNOWN = ("7590-VHVEG", "5575-GNVDE")


@contextmanager
def api(fault: str = "") -> Iterator[tuple[str, Counter[str]]]:
    """The address of a server, and how often each kind of answer was given.

    Args:
        fault: "fails" answers known users by 500 after the third; "sloppy" gives improbable scores, knows everybody
            and refuses without problem documents.
    """
    given: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self) -> None:
            self.answer(200 if self.path == "/health" else 404, {"status": "ok"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            user_id = body.get("user_id")
            if user_id is None:
                self.answer(422, {"title": "malformed"})
            elif user_id not in KNOWN:
                self.answer(200 if fault == "sloppy" else 404, {"title": "unknown user"})
            elif fault == "fails" and given["predict 200"] >= 3:
                self.answer(500, {"title": "fault"})
            else:
                probability = 1.5 if fault == "sloppy" else 0.25
                given["predict 200"] += 1
                self.answer(200, {"user_id": user_id, "prediction": 0, "probability": probability})

        def answer(self, status: int, document: dict[str, Any]) -> None:
            given[f"{self.command} {status}"] += 1
            data = json.dumps(document).encode()
            self.send_response(status)
            plain = status < 400 or fault == "sloppy"
            self.send_header("Content-Type", "application/json" if plain else "application/problem+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", given
        server.shutdown()
        thread.join()


def load(host: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Some seconds of load, in a process of its own, because locust changes the standard library."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--locustfile", str(LOCUSTFILE)]
    command += ["--host", host, "--users", "20", "--spawn-rate", "20", "--run-time", "3s", "--stop-timeout", "20"]
    return subprocess.run(
        command,
        env={**inherited, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def summary(printed: str) -> dict[str, tuple[int, int]]:
    """Requests and failures by name."""
    rows = re.findall(r"^(?:GET|POST) +(\S.*?) +(\d+) +(\d+)\(", printed, re.M)
    return {name: (int(requests), int(failures)) for name, requests, failures in rows}


def test_refused_bad_input_is_a_success(tmp_path: Path) -> None:
    users = tmp_path / "data" / "month_001"
    users.mkdir(parents=True)
    (users / "users.csv").write_text("user_id,signup_date\n" + "".join(f"{name},2024-01-01\n" for name in KNOWN))
    older = tmp_path / "data" / "month_000"
    older.mkdir()
    (older / "users.csv").write_text("user_id\nlong-gone\n")
    with api() as (host, given):
        done = load(host, tmp_path)
    assert done.returncode == 0, done.stderr
    rows = summary(done.stdout + done.stderr)
    assert set(rows) == {"/health", "/predict", "/predict (unknown user)", "/predict (malformed)"}
    assert not any(failures for _, failures in rows.values())
    assert rows["/predict"][0] > rows["/predict (unknown user)"][0] + rows["/predict (malformed)"][0]
    assert given["POST 404"] and given["POST 422"] and given["GET 200"]


def test_faults_of_the_api_are_failures(tmp_path: Path) -> None:
    with api("fails") as (host, given):
        done = load(host, tmp_path, LOCUST_USER_IDS=", ".join(KNOWN))
    assert done.returncode == 1, done.stderr
    rows = summary(done.stdout + done.stderr)
    requests, failures = rows.pop("/predict")
    assert failures == given["POST 500"] > 0
    assert requests - failures == 3
    assert not any(failures for _, failures in rows.values())


def test_answers_that_break_the_contract_are_failures(tmp_path: Path) -> None:
    with api("sloppy") as (host, _):
        done = load(host, tmp_path, LOCUST_USER_IDS=", ".join(KNOWN))
    assert done.returncode == 1, done.stderr
    rows = summary(done.stdout + done.stderr)
    health = rows.pop("/health")
    assert health[1] == 0
    assert len(rows) == 3
    for requests, failures in rows.values():
        assert requests == failures > 0


def test_nobody_there_is_a_failure(tmp_path: Path) -> None:
    done = load(f"http://127.0.0.1:{free_port()}", tmp_path, LOCUST_USER_IDS="7590-VHVEG")
    assert done.returncode == 1
    assert "no prediction succeeded" in done.stdout


def test_without_known_users_it_says_where_they_come_from(tmp_path: Path) -> None:
    done = load("http://127.0.0.1:1", tmp_path)
    assert done.returncode != 0
    assert "no */users.csv in data" in done.stderr
    assert "LOCUST_USER_IDS" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("user_id\n", "the file has no row"),
        ("id\n1\n", "KeyError: 'user_id'"),
        ("", "the file has no row"),
        ("user_id\n\n\n", "the file has no row"),
        (None, "FileNotFoundError"),
    ],
)
def test_a_file_without_users_is_refused(content: str | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(USERS.NoUsersError, match=re.escape(problem)):
        USERS.read_known_users({"LOCUST_USERS_FILE": str(file)})


def test_ids_given_come_before_files_and_are_bounded(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("user_id\n" + "".join(f"u{n}\n" for n in range(USERS.MAX_USERS + 1)))
    environment = {"LOCUST_USERS_FILE": str(file)}
    assert USERS.read_known_users({"LOCUST_USER_IDS": " a, b,,", **environment}) == ["a", "b"]
    assert len(USERS.read_known_users(environment)) == USERS.MAX_USERS
    assert len(USERS.read_known_users({"LOCUST_USER_IDS": "x," * (USERS.MAX_USERS + 1)})) == USERS.MAX_USERS
