"""The gateway as the stack has it, before two small servers in place of the containers of the prediction service."""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.services.daemons import free_port, program, wait_until

ROOT = Path(__file__).resolve().parents[3]
CONFIGURATION = ROOT / "services" / "gateway" / "haproxy.cfg"


class Container:
    """A server that says whether it is ready, and answers everything else with its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = True
        self.ending = False
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        container = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fine = container.ready if self.path == "/ready" else not container.ending
                body = container.name.encode() if fine else b"no champion"
                self.send_response(200 if fine else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def containers() -> Iterator[tuple[Container, Container]]:
    both = Container("old"), Container("new")
    yield both
    for container in both:
        container.stop()


@contextmanager
def gateway(folder: Path, containers: tuple[Container, Container]) -> Iterator[str]:
    """Its address. Of the configuration only the port and the names of the containers differ."""
    port, lines = free_port(), []
    for line in CONFIGURATION.read_text().splitlines():
        if "server-template" in line:
            options = line.split("api:8000")[1].replace("resolvers docker init-addr none", "")
            lines += [f"    server {item.name} 127.0.0.1:{item.port}{options}" for item in containers]
        else:
            lines.append(line.replace("bind :8000", f"bind 127.0.0.1:{port}"))
    written = folder / "haproxy.cfg"
    written.write_text("\n".join(lines) + "\n")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program("haproxy"), "-f", written], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until("the gateway answers", lambda: process.poll() is not None or ask(f"{url}/gateway")[0] == 200)
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait()


def ask(url: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and body; status 0 where nothing answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def wait_for(url: str, expected: tuple[int, str]) -> None:
    wait_until(f"{url} answers {expected}", lambda: ask(url) == expected)


def test_the_configuration_is_valid_as_it_stands() -> None:
    done = subprocess.run([program("haproxy"), "-c", "-f", CONFIGURATION], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_a_container_takes_over_from_another_without_a_refused_request(
    tmp_path: Path, containers: tuple[Container, Container]
) -> None:
    old, new = containers
    old.start()
    with gateway(tmp_path, containers) as url:
        wait_for(f"{url}/x", (200, "old"))
        # A gateway that has just begun takes every container for one that can answer, until its checks say otherwise.
        wait_until("the new one is known as down", lambda: "ready/new is DOWN" in (tmp_path / "log").read_text())
        answers: list[tuple[int, str]] = []
        done = threading.Event()

        def caller() -> None:
            while not done.is_set():
                answers.append(ask(f"{url}/predict", b"{}"))

        threads = [threading.Thread(target=caller) for _ in range(3)]
        for thread in threads:
            thread.start()
        new.ready = False
        new.start()
        time.sleep(2.5)
        # It answers, but it cannot score yet.
        assert {name for _, name in answers} == {"old"}
        new.ready = True
        try:
            wait_until("the new one answers", lambda: (200, "new") in answers[-20:])
            old.stop()
            seen = len(answers)
            wait_until("200 more answers", lambda: len(answers) > seen + 200)
        finally:
            done.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in answers} == {200}
    assert {name for _, name in answers[-100:]} == {"new"}


def test_a_container_that_ends_and_says_so_is_not_the_answer(
    tmp_path: Path, containers: tuple[Container, Container]
) -> None:
    for container in containers:
        container.start()
    with gateway(tmp_path, containers) as url:
        for container in containers:
            wait_for(f"{url}/x", (200, container.name))
        containers[0].ending = True
        assert {ask(f"{url}/predict", b"{}") for _ in range(20)} == {(200, "new")}
        # Where all say so, that is the answer.
        containers[1].ending = True
        assert ask(f"{url}/predict", b"{}") == (503, "no champion")


def test_a_service_that_is_not_ready_says_itself_why(tmp_path: Path, containers: tuple[Container, Container]) -> None:
    containers[0].ready = False
    containers[0].start()
    with gateway(tmp_path, containers) as url:
        wait_for(f"{url}/ready", (503, "no champion"))
        assert ask(f"{url}/health") == (200, "old")


def test_where_no_container_runs_the_answer_is_a_problem_to_be_tried_again(
    tmp_path: Path, containers: tuple[Container, Container]
) -> None:
    with gateway(tmp_path, containers) as url:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/predict", timeout=30)
        with caught.value as answer:
            problem = json.load(answer)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0
    assert problem["status"] == 503
    assert "try again" in problem["detail"]
