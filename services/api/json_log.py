"""Logs as one JSON object a line, each with the id of the request that it is about."""

import json
import logging
import random
import sys
import threading
import time
from collections import deque
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO
from uuid import UUID

request_id: ContextVar[str] = ContextVar("request_id", default="-")


def new_id() -> UUID:
    """A UUID of version 4, made without a system call: at each one the thread waits for its turn again."""
    return UUID(int=random.getrandbits(128), version=4)


ACCESS = "services.api.access"
_BATCH_SECONDS = 0.5
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, request id, and whatever the caller gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON; a traceback is a member of it."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
        }
        line.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class BatchHandler(logging.Handler):
    """Writes lines twice a second from a thread of its own.

    A write for each request would make the thread that talks to callers wait for its turn each time.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: deque[str] = deque()
        self._writing = threading.Lock()
        threading.Thread(target=self._run, name="access-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line until the next write."""
        self._lines.append(self.format(record))

    def flush(self) -> None:
        """Write what is there; logging calls this at the exit as well."""
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()

    def _run(self) -> None:
        while True:
            time.sleep(_BATCH_SECONDS)
            self.flush()


def configure() -> None:
    """Send all logs of this process, warnings of libraries included, to standard error as JSON."""
    formatter = JsonFormatter()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr), BatchHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=handlers[:1], force=True)
    logging.captureWarnings(True)
    for name in ("services.api", "driftgate", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
    access = logging.getLogger(ACCESS)
    access.propagate = False
    access.handlers = handlers[1:]
