"""What `driftgate up` becomes: a small process that watches over the parts until a signal comes.

The command itself has imported what other commands need, and would keep that for as long as it runs.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from driftgate.database import ConnectionParameters
from driftgate.database.configured import connection_parameters
from driftgate.database.engine import EMBEDDED_HOSTS
from driftgate.errors import OutputError, UsageError
from driftgate.files import lock_or_none, private_folder
from driftgate.process import end_on_signals, run_program
from driftgate.scratch import scratch_folder
from driftgate.settings import PortSettings, Settings
from driftgate.supervision.part import Part
from driftgate.supervision.state import PartStatus, read_status
from driftgate.supervision.supervisor import Supervisor
from driftgate.supervision.text import address_lines, change_line
from flows.runtime.parts import choose_parts, make_parts, require_ports


def run_up(names: Sequence[str]) -> None:
    """Start the named parts, print the page of addresses, and watch over them until a signal comes.

    Raises:
        ConfigurationError: a setting is wrong, or a port is taken.
        UsageError: there is no such part, or they run already.
        DatabaseError: the embedded server does not start.
        OutputError: DRIFTGATE_HOME is not writable.
    """
    chosen, settings, ports = choose_parts(names), Settings.load(), PortSettings.load()
    home = settings.driftgate_home
    # Makes the folder, with an error of its own where that fails.
    scratch_folder(home)
    private_folder(home / "prefect")
    with _only_one(home):
        require_down(home)
        # Before the database is started, so that this is known at once.
        nowhere = ConnectionParameters("", 0, "", "", "")
        require_ports([part for name, part in make_parts(settings, ports, nowhere).items() if name in chosen])
        parameters = connection_parameters(settings)
        parts = make_parts(settings, ports, parameters)
        _watch([parts[name] for name in chosen if name in parts], home, parameters)


def require_down(home: Path) -> None:
    """Check that nothing runs below this home.

    Raises:
        UsageError: it does.
    """
    found = read_status(home)
    if found is not None:
        raise UsageError(
            f"`driftgate up` runs here already, as process {found.pid}",
            remedy="`driftgate status` says how it is, `driftgate down` ends it",
        )


def _watch(parts: Sequence[Part], home: Path, parameters: ConnectionParameters) -> None:
    embedded = parameters.host in EMBEDDED_HOSTS
    database = f"embedded, below {home / 'postgres'}" if embedded else str(parameters)
    prefect = next((part.port for part in parts if part.name == "prefect" and part.port), None)
    supervisor = Supervisor(
        parts,
        home,
        database=database,
        prefect_api=f"{prefect.address}/api" if prefect else "",
        on_change=say,
    )
    try:
        supervisor.run_until(lambda now: not now.starting)
        print(*address_lines(supervisor.status), sep="\n", flush=True)
        supervisor.run_until(lambda _: False)
    finally:
        # A second signal must not cut this short.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop()


def say(part: PartStatus) -> None:
    """Tell, as progress, that a part is in another state."""
    print(change_line(part), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Be the only one that starts parts below this home.

    Raises:
        UsageError: another one does.
        OutputError: the folder is not writable.
    """
    path = home / "up.lock"
    try:
        descriptor = lock_or_none(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", remedy="set DRIFTGATE_HOME") from error
    if descriptor is None:
        require_down(home)
        raise UsageError(
            f"another `driftgate up` starts or ends below {home} at this moment", remedy="see `driftgate status`"
        )
    try:
        yield
    finally:
        os.close(descriptor)


def main() -> NoReturn:
    """Run the parts; the exit status is 128 and the signal's number, or that of the error's family."""
    end_on_signals()
    parser = argparse.ArgumentParser(prog="python -m flows.runtime.up", description=__doc__)
    parser.add_argument("names", nargs="+", help="parts to run")
    given = parser.parse_args()
    run_program(lambda: run_up(given.names))


if __name__ == "__main__":
    main()
