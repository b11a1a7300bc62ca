"""Commands of what runs beside them: up, status, down."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftgate.errors import DriftgateError, UsageError
from driftgate.process import become
from driftgate.scratch import scratch_folder

if TYPE_CHECKING:
    from driftgate.supervision.state import PartStatus, UpStatus

commands = typer.Typer()

_POLL_SECONDS = 0.25
_DOWN_SECONDS = 60.0
# A command ends in fourteen at most.
_RUNS_SECONDS = 16.0
_ALL = "pages,prefect,worker,api,evidently,mlflow,lender"


@commands.command()
def up(
    only: Annotated[str, typer.Option(help="The parts to run, with commas between them; by default all")] = _ALL,
    detach: Annotated[bool, typer.Option("--detach", help="Return once all is up; `driftgate down` ends it")] = False,
) -> None:
    """Run Prefect with its schedules, the pages, the prediction service, Evidently and MLflow, until Ctrl-C.

    `driftgate docs reference/settings` lists the variables that set its ports and folders.
    """
    from driftgate.settings import Settings
    from flows.runtime.parts import choose_parts
    from flows.runtime.up import require_down

    names = choose_parts(only.split(","))
    home = Settings.load().driftgate_home
    require_down(home)
    # -P, because a folder `flows` where the command is called is not meant.
    program = ["-P", "-m", "flows.runtime.up", *names]
    if not detach:
        become(program)
    # Makes the folder, with an error of its own where that fails.
    scratch_folder(home)
    _up_detached(home, program)


@commands.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table")] = False,
) -> None:
    """Say what `driftgate up` runs: each part, its state, how often it was started again, its address."""
    from driftgate.settings import Settings
    from driftgate.supervision.state import read_status
    from driftgate.supervision.text import status_lines

    found = read_status(Settings.load().driftgate_home)
    if as_json:
        content = found.content() if found else {"parts": []}
        typer.echo(json.dumps({"up": found is not None, **content}, indent=2))
        return
    for line in status_lines(found):
        typer.echo(line)


@commands.command()
def down(
    force: Annotated[
        bool, typer.Option("--force", help="End the commands and scheduled runs that use it as well")
    ] = False,
) -> None:
    """End what `driftgate up` runs, and wait until it has ended; say how many predictions wait for the next start."""
    from driftgate.predictions.spool import rows_left, spool_folder
    from driftgate.settings import Settings
    from driftgate.supervision.state import is_process, read_status

    home = Settings.load().driftgate_home
    found = read_status(home)
    if found is None:
        typer.echo("[Down] nothing runs here")
        return
    if found.prefect_api:
        _end_runs(home, found.prefect_api, force)
    deadline = time.monotonic() + _DOWN_SECONDS
    number = signal.SIGTERM
    while is_process(found.pid, found.process_started):
        if number:
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, number)
        # Once. After the last signal its guard ends what it leaves.
        number = signal.SIGKILL if time.monotonic() > deadline else 0  # type: ignore[assignment]
        time.sleep(_POLL_SECONDS)
    typer.echo(f"[Down] ended: {', '.join(part.name for part in found.parts)}")
    if rows := rows_left(spool_folder(home)):
        waiting = f"{rows:,} predictions are not in the table yet; the next start of the service writes them"
        typer.echo(f"[Down] {waiting}, from {spool_folder(home)}", err=True)


def _end_runs(home: Path, api: str, force: bool) -> None:
    """End the runs that use the Prefect server, while it is there to be told.

    Raises:
        UsageError: there are some, and they are not to be ended.
    """
    from driftgate.supervision.state import is_process
    from flows.runtime.held_runs import held_runs

    runs = held_runs(home, api)
    if runs and not force:
        raise UsageError(
            f"these use what would end: {', '.join(f'{run.name} (process {run.pid})' for run in runs)}",
            remedy="wait until they have ended, or `driftgate down --force`, by which their runs are crashed",
        )
    for run in runs:
        if is_process(run.pid, run.started):
            with contextlib.suppress(ProcessLookupError):
                os.kill(run.pid, signal.SIGTERM)
    deadline = time.monotonic() + _RUNS_SECONDS
    while time.monotonic() < deadline and any(is_process(run.pid, run.started) for run in runs):
        time.sleep(_POLL_SECONDS)


def _up_detached(home: Path, program: Sequence[str]) -> None:
    """Run the parts in a process that outlives this one, and wait until all have started.

    Raises:
        DriftgateError: it ended.
    """
    from driftgate.supervision.logs import open_log
    from driftgate.supervision.text import address_lines

    log = home / "log" / "up.log"
    with open_log(log) as file:
        begin = file.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [sys.executable, *program],
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


def _wait_for_start(home: Path, process: "subprocess.Popen[bytes]", log: Path, begin: int) -> "UpStatus":
    from driftgate.supervision.state import read_status
    from flows.runtime.up import say

    known: dict[str, PartStatus] = {}
    while process.poll() is None:
        found = read_status(home)
        if found is not None and found.pid == process.pid:
            for part in found.parts:
                if part.name not in known or part.state is not known[part.name].state:
                    say(part)
                known[part.name] = part
            if not found.starting:
                return found
        time.sleep(_POLL_SECONDS)
    with log.open("rb") as file:
        file.seek(begin)
        # As it would have said it to whoever had not detached it.
        sys.stderr.write(file.read().decode(errors="replace"))
    if process.returncode <= 0:
        raise DriftgateError(
            f"what `driftgate up` started ended with status {process.returncode}", remedy=f"see {log}; start it again"
        )
    raise typer.Exit(process.returncode)
