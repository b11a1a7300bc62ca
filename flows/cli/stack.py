"""Commands of what runs beside them: up, status, down."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from driftgate.database.configured import connection_parameters
from driftgate.database.engine import EMBEDDED_HOSTS, ConnectionParameters
from driftgate.errors import DriftgateError, OutputError, UsageError
from driftgate.scratch import scratch_folder
from driftgate.settings import PortSettings, Settings
from driftgate.supervision.logs import last_words, open_log
from driftgate.supervision.part import Part
from driftgate.supervision.state import PartStatus, UpStatus, is_process, read_status
from driftgate.supervision.supervisor import Supervisor
from driftgate.supervision.text import address_lines, change_line, status_lines
from flows.runtime.parts import NAMES, choose_parts, make_parts, prefect_of_user, require_ports

commands = typer.Typer()

_POLL_SECONDS = 0.25
_DOWN_SECONDS = 60.0


@commands.command()
def up(
    only: Annotated[
        str, typer.Option(help=f"Parts with commas between them, of {', '.join(NAMES)}; by default all")
    ] = ",".join(NAMES),
    detach: Annotated[bool, typer.Option("--detach", help="Return once all is up; `driftgate down` ends it")] = False,
) -> None:
    """Run Prefect with its schedules, the pages, the prediction service, Evidently and MLflow, until Ctrl-C."""
    names, settings, ports = choose_parts(only.split(",")), Settings.load(), PortSettings.load()
    home = settings.driftgate_home
    # Makes the folder, with an error of its own where that fails.
    scratch_folder(home)
    _require_down(home)
    if detach:
        # Its first error is this command's as well.
        require_ports(_chosen(names, settings, ports, ConnectionParameters("", 0, "", "", "")))
        _up_detached(home, names)
        return
    with _only_one(home):
        require_ports(_chosen(names, settings, ports, ConnectionParameters("", 0, "", "", "")))
        parameters = connection_parameters(settings)
        _run(_chosen(names, settings, ports, parameters), home, parameters)


@commands.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table")] = False,
) -> None:
    """Say what `driftgate up` runs: each part, its state, how often it was started again, its address."""
    found = read_status(Settings.load().driftgate_home)
    if as_json:
        content = found.content() if found else {"parts": []}
        typer.echo(json.dumps({"up": found is not None, **content}, indent=2))
        return
    for line in status_lines(found):
        typer.echo(line)


@commands.command()
def down() -> None:
    """End what `driftgate up` runs, and wait until it has ended."""
    home = Settings.load().driftgate_home
    found = read_status(home)
    if found is None:
        typer.echo("[Down] nothing runs here")
        return
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_SECONDS
    while is_process(found.pid, found.process_started):
        if time.monotonic() > deadline:
            # Its guard ends what it leaves.
            os.kill(found.pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    typer.echo(f"[Down] {len(found.parts)} parts have ended")


def _chosen(
    names: Sequence[str], settings: Settings, ports: PortSettings, parameters: ConnectionParameters
) -> list[Part]:
    parts = make_parts(settings, ports, parameters)
    return [parts[name] for name in names if name in parts]


def _run(parts: Sequence[Part], home: Path, parameters: ConnectionParameters) -> None:
    """Run the parts in this process until a signal comes."""
    embedded = parameters.host in EMBEDDED_HOSTS
    database = f"embedded, below {home / 'postgres'}" if embedded else str(parameters)
    prefect = next((part.port for part in parts if part.name == "prefect" and part.port), None)
    supervisor = Supervisor(
        parts,
        home,
        database=database,
        prefect_api=prefect_of_user() or (f"{prefect.address}/api" if prefect else ""),
        on_change=_say,
    )
    try:
        supervisor.run_until(lambda now: not now.starting)
        for line in address_lines(supervisor.status):
            typer.echo(line)
        supervisor.run_until(lambda _: False)
    finally:
        # A second signal must not cut this short.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop()


def _up_detached(home: Path, names: Sequence[str]) -> None:
    """Run `up` as a process that outlives this one, and wait until all has started.

    Raises:
        DriftgateError: it ended.
    """
    log = home / "log" / "up.log"
    with open_log(log) as file:
        begin = file.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "up", "--only", ",".join(names)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        found = _wait_for_start(home, process, log, begin)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        raise
    for line in address_lines(found):
        typer.echo(line)


def _wait_for_start(home: Path, process: "subprocess.Popen[bytes]", log: Path, begin: int) -> UpStatus:
    known: dict[str, PartStatus] = {}
    while process.poll() is None:
        found = read_status(home)
        if found is not None and found.pid == process.pid:
            for part in found.parts:
                if part.name not in known or part.state is not known[part.name].state:
                    _say(part)
                known[part.name] = part
            if not found.starting:
                return found
        time.sleep(_POLL_SECONDS)
    raise DriftgateError(
        f"`driftgate up` ended with status {process.returncode}: {last_words(log, begin)}", remedy=f"see {log}"
    )


def _require_down(home: Path) -> None:
    found = read_status(home)
    if found is not None:
        raise UsageError(
            f"`driftgate up` runs here already, as process {found.pid}",
            remedy="`driftgate status` says how it is, `driftgate down` ends it",
        )


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Be the only one that starts parts below this home.

    Raises:
        UsageError: another one does.
        OutputError: the folder is not writable.
    """
    path = home / "up.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", remedy="set DRIFTGATE_HOME") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise UsageError(
            f"another `driftgate up` starts or ends below {home} at this moment", remedy="see `driftgate status`"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _say(part: PartStatus) -> None:
    typer.echo(change_line(part), err=True)
