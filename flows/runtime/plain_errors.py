"""Prefect logs a traceback for every failed task; for an error of ours its message says more.

A module of its own, which every module of a flow installs when it is imported. A command ends with the error as its
last line, and leaves the same words out of what it logs before; Prefect's server gets them all the same.
"""

import logging

from driftgate.errors import DriftgateError

_FLOWS, _TASKS = "prefect.flow_runs", "prefect.task_runs"
_FAILED = "Finished in state Failed"
_OURS = "driftgate_error"
_STANDARD_ERROR = 2


class PlainErrors(logging.Filter):
    """Drops the traceback of log records about a DriftgateError, and keeps everything else."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always keep the record."""
        if record.exc_info and isinstance(record.exc_info[1], DriftgateError):
            record.msg = f"{record.exc_info[1]}"
            record.args = None
            record.exc_info = None
            setattr(record, _OURS, True)
        return True


class SaidAtTheEnd(logging.Filter):
    """Leaves out what a failed flow says of an error of ours, and of a failed state the error, which is said elsewhere.

    What a task says that is tried again stays: a flow may get over it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to keep the record."""
        if record.name == _FLOWS and hasattr(record, _OURS):
            return False
        if record.name in (_FLOWS, _TASKS) and str(record.msg).startswith(f"{_FAILED}("):
            record.msg = _FAILED
        return True


def install() -> None:
    """Put the filter on Prefect's run loggers; safe to repeat."""
    for name in (_TASKS, _FLOWS):
        logger = logging.getLogger(name)
        if not any(isinstance(item, PlainErrors) for item in logger.filters):
            logger.addFilter(PlainErrors())


def say_once() -> None:
    """Have the log on standard error leave out what the last line of a command says."""
    for handler in logging.getLogger().handlers:
        if _descriptor(handler) == _STANDARD_ERROR:
            handler.addFilter(SaidAtTheEnd())


def _descriptor(handler: logging.Handler) -> int | None:
    """What a handler writes to. By its number: the stream of one that was there before a fork is another object."""
    try:
        return int(handler.stream.fileno())  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return None
