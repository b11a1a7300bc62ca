"""One part while its supervisor runs: its process, and what becomes of it from one moment to the next."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from driftgate.errors import DriftgateError
from driftgate.supervision.logs import bound_log, last_words, open_log
from driftgate.supervision.part import Part
from driftgate.supervision.state import PartState, PartStatus
from driftgate.warm.client import Fork, start

START_SECONDS = 300.0
"""A part that is not ready by then is ended and started again."""

_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 1.0, 60.0
# A part that ran so long is thought to be sound again.
_SOUND_SECONDS = 120.0
_ASK_SECONDS = 3.0
_LOG_SECONDS = 60.0
_PYTHON = (sys.executable, "-P", "-m")


class RunningPart:
    """A part with its process. `step` moves it on; nothing happens between two calls of it."""

    def __init__(self, part: Part, log: Path | None) -> None:
        """Begin without a process.

        Args:
            part: what to run.
            log: file for what it says; None for the standard output of this process.
        """
        self.part = part
        self.state = PartState.STARTING
        self._log = log
        self._message = ""
        self._process: subprocess.Popen[bytes] | Fork | None = None
        self._commands: list[tuple[str, ...]] = []
        self._restarts = 0
        self._failures = 0
        self._since = _now()
        self._changed = time.monotonic()
        self._due = 0.0
        self._family: list[psutil.Process] = []
        self._log_start = 0
        self._log_checked = 0.0

    @property
    def status(self) -> PartStatus:
        """As it is now."""
        return PartStatus(
            self.part.name,
            self.part.title,
            self.part.about,
            self.state,
            self.part.address,
            self._message,
            self._process.pid if self._process else None,
            self._restarts,
            self._since,
            str(self._log or ""),
        )

    def step(self, missing: Sequence[str], group: int) -> None:
        """Start, watch or restart the process, whichever it is time for.

        Args:
            missing: titles of the parts that it needs and that do not run.
            group: process group that its process joins.
        """
        now = time.monotonic()
        if self._process is not None:
            self._watch(self._process, group, now)
        elif now >= self._due:
            if missing:
                self._enter(PartState.STARTING, f"it waits for {' and '.join(missing)}")
            elif reason := self._reason_to_wait():
                self._enter(PartState.WAITING, reason)
                self._due = now + _ASK_SECONDS
            else:
                self._start(group)

    def ask_to_end(self) -> None:
        """Ask the process to end, where there is one."""
        if self._process is not None:
            # Asked now: once it has ended nobody knows them.
            self._family = _descendants(self._process.pid)
            with suppress(ProcessLookupError):
                self._process.terminate()

    def end(self, grace_seconds: float) -> None:
        """Wait for the process to end, and end it and all that it started where it does not."""
        process, self._process = self._process, None
        if process is not None:
            family = [*self._family, *_descendants(process.pid)]
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace_seconds)
            process.kill()
            process.wait()
            _kill_all(family)
        self._due = 0.0
        self._enter(PartState.STOPPED, "")

    def _reason_to_wait(self) -> str:
        try:
            return self.part.waits_for()
        except DriftgateError as error:
            return f"{type(error).__name__}: {error.received}"

    def _start(self, group: int) -> None:
        self._commands = [command for command in (self.part.first, self.part.command) if command]
        self._enter(PartState.STARTING, self._message if self._failures else "")
        self._changed = time.monotonic()
        self._next_command(group)

    def _next_command(self, group: int) -> None:
        self._process = None
        try:
            self._open_process(self._commands.pop(0), group)
        except OSError as error:
            # A full disk for example, which may pass.
            self._failed(f"could not be started: {error}", time.monotonic())

    def _open_process(self, command: tuple[str, ...], group: int) -> None:
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", **self.part.environment}
        with ExitStack() as opened:
            nothing, said = opened.enter_context(Path(os.devnull).open("rb")).fileno(), 1
            if self._log is not None:
                log = opened.enter_context(open_log(self._log))
                said, self._log_start = log.fileno(), log.seek(0, os.SEEK_END)
            self._process = self._borrow(command, variables, (nothing, said, said)) or subprocess.Popen(
                command, env=variables, stdin=nothing, stdout=said, stderr=said, process_group=group
            )

    def _borrow(
        self, command: tuple[str, ...], variables: Mapping[str, str], streams: tuple[int, int, int]
    ) -> Fork | None:
        """A fork that is the command. It is in no group: it ends by itself when this process does."""
        if self.part.lender is None or command[: len(_PYTHON)] != _PYTHON:
            return None
        return start(self.part.lender, command[len(_PYTHON) :], variables, streams=streams)

    def _watch(self, process: "subprocess.Popen[bytes] | Fork", group: int, now: float) -> None:
        status = process.poll()
        if status == 0 and self._commands:
            self._next_command(group)
        elif status is not None:
            self._process = None
            self._failed(f"ended with status {status}", now)
        elif self.state is PartState.STARTING:
            if not self._commands and self.part.ready():
                self._enter(PartState.RUNNING, self._message)
                self._changed = now
            elif now - self._changed > START_SECONDS:
                self.end(0.0)
                self._failed(f"was not ready in {START_SECONDS:.0f} s", now)
        elif now - self._changed > _SOUND_SECONDS and self._failures:
            self._failures = 0
        if self._log is not None and now - self._log_checked > _LOG_SECONDS:
            self._log_checked = now
            with suppress(OSError):
                bound_log(self._log)

    def _failed(self, what: str, now: float) -> None:
        said = last_words(self._log, self._log_start) if self._log else ""
        self._due = now + restart_delay(self._failures)
        self._failures += 1
        self._restarts += 1
        self._enter(PartState.RESTARTING, f"{what}{f': {said}' if said else ''}")

    def _enter(self, state: PartState, message: str) -> None:
        if (state, message) != (self.state, self._message):
            self.state, self._message, self._since = state, message, _now()


def restart_delay(failures: int) -> float:
    """Seconds before a part is started again that failed so often before.

    >>> [restart_delay(failures) for failures in (0, 1, 2, 6, 5000)]
    [1.0, 2.0, 4.0, 60.0, 60.0]
    """
    # Bounded before: a power that large is no float.
    return min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(failures, 10))


def python(*arguments: str) -> tuple[str, ...]:
    """The command of a module of ours; -P, because a folder of the same name where it is called is not meant."""
    return (*_PYTHON, *arguments)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def _kill_all(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        # Which looks whether it is still the same process.
        with suppress(psutil.Error):
            process.kill()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
