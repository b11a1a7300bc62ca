"""Runs parts until it is told to stop: starts what can start, starts again what ended, and says what changed."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from driftgate.errors import OutputError
from driftgate.supervision.guard import Guard
from driftgate.supervision.part import Part
from driftgate.supervision.running import RunningPart
from driftgate.supervision.state import (
    PartState,
    PartStatus,
    UpStatus,
    process_started,
    remove_status,
    write_status,
)

_POLL_SECONDS = 0.25
_GRACE_SECONDS = 12.0


class Supervisor:
    """Parts that run together, and the file that says how they are."""

    def __init__(
        self,
        parts: Sequence[Part],
        home: Path,
        *,
        database: str = "",
        prefect_api: str = "",
        logs: bool = True,
        on_change: Callable[[PartStatus], None] = lambda _: None,
    ) -> None:
        """Begin with nothing started.

        Args:
            parts: what to run, in the order in which people read them.
            home: folder of the file and of the logs.
            logs: whether each part has a log; otherwise what they say goes to the standard output of this process.
            database, prefect_api: as `UpStatus` has them.
            on_change: is told of each part that is in another state, or for another reason, than before.

        Raises:
            OutputError: the file cannot be written.
        """
        self._home = home
        self._parts = [RunningPart(part, home / "log" / f"{part.name}.log" if logs else None) for part in parts]
        self._on_change = on_change
        self._status = UpStatus(
            os.getpid(),
            process_started(os.getpid()),
            datetime.now(UTC).isoformat(timespec="seconds"),
            database,
            prefect_api,
            True,
            tuple(part.status for part in self._parts),
        )
        self._guard = Guard()
        self._written = True
        write_status(home, self._status)

    @property
    def status(self) -> UpStatus:
        """How everything is."""
        return self._status

    def run_until(self, done: Callable[[UpStatus], bool]) -> None:
        """Watch over the parts until a condition is met; a signal's exception ends it as well."""
        while True:
            if not self._guard.alive:
                # What is in its group is guarded by nobody.
                self._end_parts()
                self._guard.close()
                self._guard = Guard()
            for item in self._parts:
                item.step(self._missing(item.part), self._guard.group)
            self._publish()
            if done(self._status):
                return
            time.sleep(_POLL_SECONDS)

    def _missing(self, part: Part) -> list[str]:
        """Titles of the parts that it waits for."""
        states = {item.part.name: item.state for item in self._parts}
        wanted = {name for name in part.needs if states.get(name) is not PartState.RUNNING}
        wanted |= {name for name in part.after if states.get(name) is PartState.STARTING}
        return [item.part.title for item in self._parts if item.part.name in wanted]

    def stop(self) -> None:
        """End every part, those that others need last, and remove the file."""
        self._end_parts()
        self._guard.close()
        remove_status(self._home)

    def _end_parts(self) -> None:
        needed = {name for item in self._parts for name in item.part.needs}
        for wave in (
            [item for item in self._parts if item.part.name not in needed],
            [item for item in self._parts if item.part.name in needed],
        ):
            deadline = time.monotonic() + _GRACE_SECONDS
            for item in wave:
                item.ask_to_end()
            for item in wave:
                item.end(max(0.0, deadline - time.monotonic()))

    def _publish(self) -> None:
        before = {part.name: part for part in self._status.parts}
        parts = tuple(item.status for item in self._parts)
        # Where one fails again and again, those that need it would be waited for in vain.
        fails = any(part.settled and part.state is PartState.RESTARTING for part in parts)
        starting = self._status.starting and not fails and not all(part.settled for part in parts)
        if self._written and parts == self._status.parts and starting == self._status.starting:
            return
        for part in parts:
            known = before[part.name]
            if (part.state, part.message) != (known.state, known.message):
                self._on_change(part)
        self._status = replace(self._status, starting=starting, parts=parts)
        try:
            write_status(self._home, self._status)
            self._written = True
        except OutputError:
            # The parts matter more, and it is tried again at the next look.
            self._written = False
