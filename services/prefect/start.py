"""Entry point of the prefect container: server, deployments, first months, worker; then watch over all of them.

What ends is started again, as `driftgate up` does it; while the server or the worker is away, the container is
unhealthy. It has its own lender too, so that commands in the container begin in forks.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from healthy import READY_FILE, SERVER, WORKER
from prefect_database import prefect_database_url, prefect_parameters, wait_for_database

from driftgate.database.configured import connection_parameters
from driftgate.errors import DriftgateError, OutputError
from driftgate.files import require_writable
from driftgate.process import end_on_signals, run_program
from driftgate.scratch import scratch_folder
from driftgate.settings import Settings
from driftgate.supervision.part import Part, answers
from driftgate.supervision.running import python
from driftgate.supervision.state import PartState
from driftgate.supervision.supervisor import Supervisor
from driftgate.supervision.text import change_line
from driftgate.warm.client import lender_socket, lends

WORK_POOL = "driftgate"


def main() -> NoReturn:
    """Run until the container is told to stop, or cannot start."""
    end_on_signals()
    READY_FILE.unlink(missing_ok=True)
    run_program(_run)


def _run() -> None:
    settings = Settings.load()
    check_reports(settings.report_dir)
    parameters = connection_parameters(settings)
    wait_for_database(parameters)
    # Makes the folder, with an error of its own where that fails.
    scratch_folder(settings.driftgate_home)
    prefect = prefect_parameters(parameters, Path(os.environ["PREFECT_DATABASE_PASSWORD_FILE"]))
    database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect_database_url(prefect)}
    supervisor = Supervisor(
        make_parts(settings.driftgate_home, database, settings.driftgate_hosts),
        settings.driftgate_home,
        database=str(parameters),
        prefect_api=os.environ["PREFECT_API_URL"],
        logs=False,
        on_change=lambda part: print(change_line(part), flush=True),
    )
    try:
        start_all(supervisor)
        load_first(supervisor)
        READY_FILE.touch()
        print("Ready: run `docker compose exec prefect python monitor_flow.py`; the UI is on port 4200", flush=True)
        supervisor.run_until(lambda _: False)
    finally:
        READY_FILE.unlink(missing_ok=True)
        supervisor.stop()


def make_parts(home: Path, database: Mapping[str, str], hosts: str) -> list[Part]:
    """The parts of this container.

    Args:
        home: DRIFTGATE_HOME.
        database: variables of the server alone, which hold the password of its database.
        hosts: DRIFTGATE_HOSTS.
    """
    worker = {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": "8080"}
    return [
        Part(
            name="prefect",
            title="Prefect",
            about="runs, schedules and artifacts",
            command=python("flows.runtime.prefect_server", "--host", "0.0.0.0", "--hosts", hosts),
            environment={**database, **_login()},
            ready=lambda: answers(SERVER) is not None,
        ),
        Part(
            name="worker",
            title="Worker",
            about="runs what is scheduled or asked for",
            first=python("flows.deploy", WORK_POOL),
            command=python(
                "prefect", "worker", "start", "--pool", WORK_POOL, "--name", WORK_POOL, "--with-healthcheck"
            ),
            environment=worker,
            ready=lambda: answers(WORKER) is not None,
            needs=("prefect",),
        ),
        Part(
            name="lender",
            title="Lender",
            about="lends commands what they need, imported already",
            command=python("flows.runtime.lending"),
            ready=lambda: lends(lender_socket(home)),
        ),
    ]


def _login() -> dict[str, str]:
    """The variable by which the server asks for the login that its clients have, where one is set.

    An empty one would be asked for as well, and no client sends that.
    """
    given = os.environ.get("PREFECT_API_AUTH_STRING")
    return {"PREFECT_SERVER_API_AUTH_STRING": given} if given else {}


def start_all(supervisor: Supervisor) -> None:
    """Wait until every part runs.

    Raises:
        DriftgateError: one fails again and again.
    """
    supervisor.run_until(lambda status: not status.starting)
    for part in supervisor.status.parts:
        if part.state is not PartState.RUNNING:
            raise DriftgateError(
                f"{part.title} does not start: {part.message}",
                remedy="see its messages above; -9 means that the machine ran out of memory",
            )


def load_first(supervisor: Supervisor) -> None:
    """Load the first months while the parts run.

    Raises:
        DriftgateError: that failed.
    """
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("first_load.py"))])
    try:
        supervisor.run_until(lambda _: process.poll() is not None)
    finally:
        process.terminate()
        process.wait()
    if process.returncode != 0:
        raise DriftgateError(
            f"the first load failed with status {process.returncode}",
            remedy="see its messages above; the container starts again by itself",
        )


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


if __name__ == "__main__":
    main()
