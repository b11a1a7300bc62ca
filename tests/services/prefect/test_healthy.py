"""The health check of the Prefect container says what is missing."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from tests.services.daemons import SERVICES, script


class Answering(BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a file of this test's own."""
    module = script(SERVICES / "prefect" / "healthy.py")
    monkeypatch.setattr(module, "READY_FILE", tmp_path / "ready")
    return module


def test_until_the_first_load_is_done_it_is_starting(healthy: ModuleType) -> None:
    with pytest.raises(SystemExit, match="still starting"):
        healthy.main()


def test_server_and_worker_must_both_answer(
    healthy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ready").touch()
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(healthy, "SERVER", f"http://127.0.0.1:{server.server_port}/api/health")
        monkeypatch.setattr(healthy, "WORKER", f"http://127.0.0.1:{server.server_port}/health")
        healthy.main()
        monkeypatch.setattr(healthy, "WORKER", "http://127.0.0.1:9/health")
        with pytest.raises(SystemExit, match="the Prefect worker does not answer"):
            healthy.main()
        server.shutdown()
        thread.join()
