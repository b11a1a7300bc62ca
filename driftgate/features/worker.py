"""A process beside this one that reads features, so that importing feast runs beside everything else.

Feast takes seconds to import, all of them on one core. The process is started first and asked last. It talks in
pickles over its standard streams with the parent that started it, and with nobody else.
"""

import gc
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from driftgate.database import ConnectionParameters
from driftgate.errors import DriftgateError
from driftgate.features.types import FeatureMonth, FeatureRequest, feast_environment


class FeatureWorker:
    """A running feature process. Use as a context manager; requests from several threads are served in turn."""

    def __init__(self, parameters: ConnectionParameters) -> None:
        """Start the process; returns at once, while it imports feast."""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "driftgate.features.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **feast_environment(parameters)},
        )

    @property
    def alive(self) -> bool:
        """Whether the process can still answer."""
        return self._process.poll() is None

    def read_month(self, request: FeatureRequest) -> FeatureMonth:
        """Read one month; see `feast_adapter.read_month` for what is written and raised."""
        with self._lock:
            assert self._process.stdin is not None and self._process.stdout is not None
            try:
                pickle.dump(request, self._process.stdin)
                self._process.stdin.flush()
                answer = pickle.load(self._process.stdout)
            except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
                status = self._process.wait(timeout=10)
                raise DriftgateError(
                    f"the feature process ended with status {status} before it answered",
                    remedy="see its message above; -9 means that the machine ran out of memory",
                ) from error
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, FeatureMonth)
        return answer

    def close(self) -> None:
        """End the process; safe to call twice."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                stream.close()
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    # Importing allocates a great many objects that all stay; collecting among them costs a sixth of the time.
    gc.disable()
    from driftgate.features import feast_adapter

    gc.enable()
    gc.freeze()
    stores: dict[Path, Any] = {}
    while True:
        try:
            request: FeatureRequest = pickle.load(requests)
        except EOFError:
            return
        answer: FeatureMonth | DriftgateError
        try:
            if request.repo not in stores:
                stores[request.repo] = feast_adapter.open_store(request.repo)
            answer = feast_adapter.read_month(stores[request.repo], request)
        except DriftgateError as error:
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


def main() -> None:
    """Serve requests until the parent closes the stream. Whatever Feast prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
