"""Entry point of the prefect container: server, deployments, first months, worker; then watch over both processes.

When the server or the worker ends, so does the container, with an error status, and Docker starts it again.
"""

import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

from children import Children
from healthy import READY_FILE, SERVER
from prefect_database import prefect_database_url, prefect_parameters, wait_for_database

from driftgate.database.configured import connection_parameters
from driftgate.errors import DriftgateError, OutputError
from driftgate.files import require_writable
from driftgate.settings import Settings

WORK_POOL = "driftgate"

_SERVER_SECONDS = 300
_STOP_SECONDS = 8.0


def main() -> None:
    """Run until a child ends or the container is told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    children = Children()
    try:
        _start(children)
        children.wait_until(lambda: False)
    except DriftgateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        # A second signal must not cut this short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        READY_FILE.unlink(missing_ok=True)
        children.stop(_STOP_SECONDS)


def _start(children: Children) -> None:
    settings = Settings.load()
    check_reports(settings.report_dir)
    parameters = connection_parameters(settings)
    wait_for_database(parameters)
    prefect = prefect_parameters(parameters, Path(os.environ["PREFECT_DATABASE_PASSWORD_FILE"]))
    children.start(
        "server",
        # As `driftgate up` starts it; a module of the flows, which services do not import.
        [sys.executable, "-m", "flows.runtime.prefect_server", "--host", "0.0.0.0"],
        {"PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect_database_url(prefect)},
    )
    wait_for_server(children)
    children.run("deployment of the flows", [sys.executable, "-m", "flows.deploy", WORK_POOL])
    children.start(
        "worker",
        ["prefect", "worker", "start", "--pool", WORK_POOL, "--name", WORK_POOL, "--with-healthcheck"],
        {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": "8080"},
    )
    children.run("first load", [sys.executable, str(Path(__file__).with_name("first_load.py"))])
    READY_FILE.touch()
    print("Ready: run `docker compose exec prefect python monitor_flow.py`; the UI is on port 4200")


def check_reports(folder: Path) -> None:
    """Prove that reports can be written, before anything slow starts.

    Raises:
        OutputError: they cannot.
    """
    try:
        require_writable(folder)
    except OutputError as error:
        raise OutputError(
            error.received,
            remedy="on the host: `chmod 2777 reports/evidently`, or run as the folder's owner with "
            "DRIFTGATE_UID=$(id -u) and DRIFTGATE_GID=$(id -g) in .env",
        ) from error


def wait_for_server(children: Children) -> None:
    """Wait until the Prefect server answers.

    Raises:
        DriftgateError: it ended, or did not answer in five minutes.
    """
    deadline = time.monotonic() + _SERVER_SECONDS
    children.wait_until(lambda: _answers(SERVER) or time.monotonic() > deadline)
    if time.monotonic() > deadline:
        raise DriftgateError(
            f"the Prefect server did not answer at {SERVER} within {_SERVER_SECONDS} s",
            remedy="see its messages above; the container starts again by itself",
        )


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
