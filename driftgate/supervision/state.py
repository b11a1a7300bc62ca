"""The file that says what runs: written by the supervisor at each change, read by every other command.

It is private, and it names its writer by process id and start time. So one that a killed supervisor left behind is
known to be stale, also where another process has that id by now.
"""

import contextlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from driftgate.errors import OutputError
from driftgate.files import replace_file

_FILE = "up.json"
_CLOCK_SECONDS = 3.0


class PartState(StrEnum):
    """How a part is."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class PartStatus:
    """One part.

    Attributes:
        name: for commands.
        title: for people.
        about: what is there.
        state: how it is.
        address: the page that people open; empty where there is none.
        message: why it waits, or what it last ended with; empty where there is nothing to say.
        pid: of its process; None where it has none.
        restarts: how often it ended by itself and was started again.
        since: when the state began, in ISO 8601.
        log: file of what it says.
    """

    name: str
    title: str
    about: str
    state: PartState
    address: str
    message: str
    pid: int | None
    restarts: int
    since: str
    log: str

    @property
    def settled(self) -> bool:
        """Whether its start has come to something: it runs, waits for what only a person can do, or fails again."""
        return self.state in (PartState.RUNNING, PartState.WAITING) or self.restarts > 1


@dataclass(frozen=True)
class UpStatus:
    """Everything that one `driftgate up` runs.

    Attributes:
        pid: of the supervisor.
        process_started: when that process started, as `process_started` says it.
        started: when it began, in ISO 8601.
        database: where PostgreSQL is.
        prefect_api: address of the Prefect server for other commands; empty where it is not among the parts.
        starting: whether parts are still on their way up for the first time, and none of them fails again and again.
        parts: in the order in which people read them.
    """

    pid: int
    process_started: float
    started: str
    database: str
    prefect_api: str
    starting: bool
    parts: tuple[PartStatus, ...]

    def part(self, name: str) -> PartStatus | None:
        """A part by its name; None where there is none."""
        return next((part for part in self.parts if part.name == name), None)

    def content(self) -> dict[str, Any]:
        """As the file and `driftgate status --json` have it."""
        return asdict(self)

    @classmethod
    def read(cls, content: dict[str, Any]) -> Self:
        """From `content`.

        Raises:
            TypeError, ValueError, KeyError: it is not one.
        """
        parts = tuple(PartStatus(**{**part, "state": PartState(part["state"])}) for part in content["parts"])
        return cls(**{**content, "parts": parts})


def status_file(home: Path) -> Path:
    """Where the file is."""
    return home / _FILE


def write_status(home: Path, status: UpStatus) -> None:
    """Replace the file, as a whole; only this user may read it.

    Raises:
        OutputError: the folder is not writable.
    """
    path = status_file(home)
    try:
        replace_file(path, json.dumps(status.content(), indent=2), 0o600)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}", remedy="set DRIFTGATE_HOME to a folder that is writable"
        ) from error


def read_status(home: Path) -> UpStatus | None:
    """What runs now; None where nothing does, or where the file is stale, damaged, or not private to this user."""
    path = status_file(home)
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return None
        status = UpStatus.read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return status if is_process(status.pid, status.process_started) else None


def remove_status(home: Path) -> None:
    """Remove the file."""
    with contextlib.suppress(OSError):
        status_file(home).unlink(missing_ok=True)


def process_started(pid: int) -> float:
    """When a process started, in seconds since the machine was booted; 0 where there is none.

    A time of day would be another one once the clock is set. Systems other than Linux say it since 1970.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return 0.0
        with contextlib.suppress(OSError):
            ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
            return int(ticks) / os.sysconf("SC_CLK_TCK")
        return float(process.create_time())
    except psutil.Error:
        return 0.0


def is_process(pid: int, started: float) -> bool:
    """Whether a process runs that has this id and started at that time."""
    return started > 0 and abs(process_started(pid) - started) < _CLOCK_SECONDS
