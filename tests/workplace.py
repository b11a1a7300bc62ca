"""A place to run flows in: a database with three months, a real Prefect server, folders of its own."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from driftgate.database import ConnectionParameters, connect
from tests.conftest import close_feature_worker, user_environment


@dataclass(frozen=True)
class Workplace:
    """Where a module's flows run.

    Attributes:
        environment: the settings, which this process has too.
    """

    parameters: ConnectionParameters
    engine: Engine
    reports: Path
    environment: dict[str, str]
    api: str

    def ask(self, what: str, **body: Any) -> Any:
        """Ask the Prefect server."""
        request = urllib.request.Request(
            f"{self.api}/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def flow_run(self, name: str) -> dict[str, Any]:
        """The newest run of that name."""
        runs = self.ask("flow_runs/filter", flow_runs={"name": {"any_": [name]}}, sort="START_TIME_DESC")
        return dict(runs[0])

    def task_runs(self, flow_run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Its task runs by name, once their end has been recorded."""
        deadline = time.monotonic() + 120
        while True:
            found = self.ask("task_runs/filter", flow_runs={"id": {"any_": [flow_run["id"]]}})
            if found and all(item["state_type"] in ("COMPLETED", "FAILED") for item in found):
                return {item["name"].rpartition("-")[0] or item["name"]: item for item in found}
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def logs(self, flow_run: dict[str, Any], until: str) -> str:
        """Its log, once a message that contains `until` has arrived."""
        deadline = time.monotonic() + 120
        while True:
            found = self.ask("logs/filter", logs={"flow_run_id": {"any_": [flow_run["id"]]}}, sort="TIMESTAMP_ASC")
            log = "\n".join(item["message"] for item in found)
            if until in log:
                return log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)


@contextmanager
def workplace_on(parameters: ConnectionParameters, api: str, folder: Path) -> Iterator[Workplace]:
    """Settings that point at a database, in this process and for those it starts."""
    # Prefect keeps the stream that standard error is when it is imported, which must not be one test's own.
    import flows.ingest_flow
    import flows.monitor  # noqa: F401

    values = user_environment(parameters, folder)
    engine = connect(parameters)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield Workplace(parameters, engine, folder / "reports", values, api)
    close_feature_worker(parameters)
    engine.dispose()
