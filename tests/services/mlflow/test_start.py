"""MLflow's server over real tables: it shows what was trained, and nobody changes anything through it."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from driftgate.database import ConnectionParameters, connect
from flows.runtime.local_server import free_port
from services.mlflow.read_only import REFUSED
from services.mlflow.start import server_environment
from tests.conftest import new_database, user_environment


@dataclass(frozen=True)
class Ui:
    """A running server."""

    url: str
    process: int
    parameters: ConnectionParameters
    artifacts: Path

    def ask(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, str]:
        """Status and text."""
        content = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def ui(server: ConnectionParameters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    with new_database(server) as parameters, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.mlflow.start", "--port", str(port)],
            env={**os.environ, **user_environment(parameters, folder)},
            stdout=log,
            stderr=log,
        )
        found = Ui(f"http://127.0.0.1:{port}", process.pid, parameters, folder / "mlartifacts")
        deadline = time.monotonic() + 180
        while True:
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            try:
                if found.ask("/health")[0] == 200:
                    break
            except OSError:
                time.sleep(0.2)
        yield found
        process.terminate()
        assert process.wait(timeout=30) == 143, (folder / "log").read_text()


def test_it_makes_the_tables_and_shows_them(ui: Ui) -> None:
    status, answer = ui.ask("/api/2.0/mlflow/experiments/search", {"max_results": 5})
    assert status == 200
    assert [item["name"] for item in json.loads(answer)["experiments"]] == ["Default"]
    assert "<html" in ui.ask("/")[1]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("experiments/create", {"name": "evil"}),
        ("registered-models/create", {"name": "evil"}),
        ("runs/create", {"experiment_id": "0"}),
        ("registered-models/alias", {"name": "m", "alias": "champion", "version": "1"}),
    ],
)
def test_nobody_changes_the_tables(ui: Ui, path: str, body: dict[str, str]) -> None:
    status, answer = ui.ask(f"/api/2.0/mlflow/{path}", body)
    assert status >= 400, answer
    engine = connect(ui.parameters)
    with engine.connect() as connection:
        for table in ("runs", "registered_models", "registered_model_aliases"):
            assert connection.execute(text(f"SELECT count(*) FROM mlflow.{table}")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM mlflow.experiments")).scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/evil.pkl"),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=0&path=judged.arrow"),
        ("GET", "/get-artifact?path=judged.arrow&run_uuid=0"),
        ("GET", "/model-versions/get-artifact?path=model.pkl&name=m&version=1"),
        ("PUT", "/ajax-api/3.0/mlflow/assistant/config"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
        ("POST", "/ajax-api/3.0/mlflow/gateway/secrets/create"),
        ("POST", "/v1/traces"),
    ],
)
def test_it_neither_takes_nor_gives_files_and_runs_nothing(ui: Ui, method: str, path: str) -> None:
    """MLflow's assistant runs programs for whoever asks, and its uploads replace the files beside a model."""
    before = sorted(ui.artifacts.rglob("*"))
    status, answer = ui.ask(path, {"projects": {}} if method != "GET" else None, method)
    assert (status, json.loads(answer)["detail"]) == (403, REFUSED)
    assert sorted(ui.artifacts.rglob("*")) == before


def test_it_is_one_process(ui: Ui) -> None:
    assert psutil.Process(ui.process).children(recursive=True) == []


def test_its_sessions_are_read_only_and_keep_their_other_options() -> None:
    uri = "postgresql+psycopg2://u:p@/?host=h&options=-csearch_path%3Dmlflow&connect_timeout=10"
    store = server_environment(uri, Path("/mlartifacts"))["_MLFLOW_SERVER_FILE_STORE"]
    assert "options=-cdefault_transaction_read_only%3Don%20-csearch_path%3Dmlflow&connect_timeout" in store
