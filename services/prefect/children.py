"""The processes of the container: started together, watched, and stopped together."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from driftgate.errors import DriftgateError

_POLL_SECONDS = 0.2


class Children:
    """Processes by name. Each has a group of its own, so that whatever it starts is stopped with it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], extra_environment: Mapping[str, str] | None = None) -> None:
        """Start a process that is meant to run for ever."""
        environment = {**os.environ, **(extra_environment or {})}
        self._processes[name] = subprocess.Popen(command, env=environment, start_new_session=True)

    def run(self, name: str, command: Sequence[str]) -> None:
        """Run a command to its end, while the others go on.

        Raises:
            DriftgateError: it failed, or one of the others ended.
        """
        self.start(name, command)
        process = self._processes[name]
        self.wait_until(lambda: process.poll() is not None, but=name)
        del self._processes[name]
        if process.returncode != 0:
            raise DriftgateError(
                f"{name} failed with status {process.returncode}",
                remedy="see its messages above; the container starts again by itself",
            )

    def wait_until(self, done: Callable[[], bool], *, but: str | None = None) -> None:
        """Wait for a condition while every process, but the named one, keeps running.

        Raises:
            DriftgateError: a process ended.
        """
        while not done():
            for name, process in self._processes.items():
                if name != but and process.poll() is not None:
                    raise DriftgateError(
                        f"the {name} ended with status {process.returncode}",
                        remedy="see its messages above; -9 means that the machine ran out of memory",
                    )
            time.sleep(_POLL_SECONDS)

    def stop(self, grace_seconds: float) -> None:
        """Ask every process to end, the last one started first, and end those that do not.

        Args:
            grace_seconds: how long each is waited for.
        """
        for process in reversed(self._processes.values()):
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace_seconds)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()
