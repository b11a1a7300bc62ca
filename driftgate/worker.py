"""A process beside this one that has a slow package imported, and calls functions of ours.

Feast and Evidently each take seconds of one core to import. Each gets a process of its own that is started first and
asked last, so that they import beside each other and beside everything else. The processes talk in pickles over their
standard streams with the parent that started them, and with nobody else. Where a process that has the package imported
already lends forks (`driftgate.warm`), a fork takes the place of a new process.
"""

import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from driftgate.errors import DriftgateError
from driftgate.process import end_with_parent
from driftgate.scratch import remove_of_dead_owner, worker_environment
from driftgate.warm.client import Fork, start


class Worker:
    """A running process. Use as a context manager; calls from several threads are served in turn."""

    def __init__(self, module: str, environment: Mapping[str, str] | None = None, lender: Path | None = None) -> None:
        """Start the process; returns at once, while it imports `module`.

        Args:
            module: dotted name of the module that is slow to import.
            environment: variables to add to those of this process.
            lender: socket of a process that may have the module imported already, see `warm.client.start`.
        """
        self.module = module
        self._lock = threading.Lock()
        variables = {**os.environ, **worker_environment(), **(environment or {})}
        program = ("driftgate.worker", module)
        (calls, self._calls), (self._answers, answers) = _pipe(), _pipe()
        with calls, answers:
            streams = calls.fileno(), answers.fileno(), 2
            fork = start(lender, program, variables, streams=streams, alike=False) if lender else None
            self._process: Fork | subprocess.Popen[bytes] = fork or _start(program, variables, calls, answers)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can still answer."""
        return self._process.poll() is None

    def call(self, function: str, *arguments: Any) -> Any:
        """Call `package.module:function` over there; arguments and result must be picklable.

        Raises:
            DriftgateError: as the function raised it, or because the process ended before it answered.
        """
        with self._lock:
            try:
                pickle.dump((function, arguments), self._calls)
                self._calls.flush()
                result, error = pickle.load(self._answers)
            except (EOFError, OSError, ValueError, pickle.UnpicklingError) as cause:
                raise self._ended(cause) from cause
        if error is not None:
            raise error
        return result

    def _ended(self, cause: Exception) -> DriftgateError:
        try:
            # It may still be writing its traceback; killing it first would report -9 for every fault.
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        return DriftgateError(
            f"the process for {self.module} ended with status {status} before it answered ({cause})",
            remedy="see its message above; -9 can mean that the machine ran out of memory",
        )

    def close(self) -> None:
        """End the process; safe to call twice."""
        for stream in (self._calls, self._answers):
            with suppress(BrokenPipeError):
                stream.close()
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")


def _start(
    program: Sequence[str], variables: Mapping[str, str], calls: BinaryIO, answers: BinaryIO
) -> "subprocess.Popen[bytes]":
    # -P: the working directory may hold a file that is called like a package.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", *program, str(os.getpid())],
        stdin=calls,
        stdout=answers,
        env=variables,
        # A terminal's Ctrl-C goes to this process alone, which then ends the child in good order.
        start_new_session=True,
    )


def _import(module: str) -> None:
    # Importing allocates a great many objects that all stay; collecting among them costs a sixth of the time.
    gc.disable()
    import_module(module)
    gc.enable()
    gc.freeze()


def serve(calls: BinaryIO, answers: BinaryIO) -> None:
    """Answer calls until their stream is closed."""
    while True:
        try:
            function, arguments = pickle.load(calls)
        except EOFError:
            return
        where, _, name = function.partition(":")
        answer: tuple[Any, DriftgateError | None]
        try:
            answer = (getattr(import_module(where), name)(*arguments), None)
        except DriftgateError as error:
            answer = (None, error)
        pickle.dump(answer, answers)
        answers.flush()


def _parent_is_gone() -> None:
    # In the midst of an import or a call, which may take minutes and has nobody left to answer to.
    remove_of_dead_owner()
    os._exit(1)


def main() -> None:
    """Serve calls until the parent closes the stream or is gone. Whatever libraries print goes to standard error."""
    for parent in sys.argv[2:]:
        # A fork that is lent has none; it ends with its caller all the same.
        end_with_parent(int(parent), _parent_is_gone)
    # Where the parent is cut off, nobody reads the answer that is under way.
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        _import(sys.argv[1])
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
