"""Prefect logs a traceback for every failed task; for an error of ours its message says more.

A module of its own, which every module of a flow installs when it is imported.
"""

import logging

from driftgate.errors import DriftgateError


class PlainErrors(logging.Filter):
    """Drops the traceback of log records about a DriftgateError, and keeps everything else."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always keep the record."""
        if record.exc_info and isinstance(record.exc_info[1], DriftgateError):
            record.msg = f"{record.exc_info[1]}"
            record.args = None
            record.exc_info = None
        return True


def install() -> None:
    """Put the filter on Prefect's run loggers; safe to repeat."""
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(item, PlainErrors) for item in logger.filters):
            logger.addFilter(PlainErrors())
