"""A command says an error of ours once, as its last line; Prefect's server has it in the run's log."""

import logging
import os
import subprocess
import sys

import pytest

from driftgate.errors import DataError
from flows.runtime.plain_errors import PlainErrors, SaidAtTheEnd
from tests.conftest import ROOT
from tests.workplace import Workplace

FLOWS, TASKS = "prefect.flow_runs", "prefect.task_runs"


def logged(name: str, message: str, error: Exception | None = None) -> tuple[bool, str]:
    """Whether a command shows the record of one of Prefect's run loggers, and how."""
    about = (type(error), error, None) if error else None
    record = logging.LogRecord(name, logging.ERROR, "", 0, message, (), about)
    PlainErrors().filter(record)
    return bool(SaidAtTheEnd().filter(record)), record.getMessage() + (" with a traceback" if record.exc_info else "")


@pytest.mark.parametrize(
    ("name", "message", "error", "shown"),
    [
        (FLOWS, "Encountered exception during execution", DataError("no rows"), None),
        (TASKS, "Task run failed with exception", DataError("no rows"), "no rows"),
        (FLOWS, "Encountered exception", ValueError("x"), "Encountered exception with a traceback"),
        (FLOWS, "Finished in state Failed('DataError: no rows')", None, "Finished in state Failed"),
        (TASKS, "Finished in state Failed('DataError: no rows')", None, "Finished in state Failed"),
        (TASKS, "Finished in state Completed()", None, "Finished in state Completed()"),
        ("driftgate", "Finished in state Failed(1)", None, "Finished in state Failed(1)"),
    ],
)
def test_what_a_command_shows_of_a_record(name: str, message: str, error: Exception | None, shown: str | None) -> None:
    kept, text = logged(name, message, error)
    assert (text if kept else None) == shown


def test_the_log_on_standard_error_is_meant_by_whichever_stream() -> None:
    """In a fork the streams are opened anew, and what logs keeps those of before."""
    code = """
import io, logging
from flows.runtime.plain_errors import say_once
streams = [open(2, "w", closefd=False), io.StringIO(), open(1, "w", closefd=False)]
logging.getLogger().handlers = [*map(logging.StreamHandler, streams), logging.NullHandler()]
say_once()
print([len(handler.filters) for handler in logging.getLogger().handlers])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 0, 0, 0]\n"


def test_a_command_says_an_error_once_and_the_server_keeps_it(workplace: Workplace) -> None:
    command = [sys.executable, "-m", "flows.cli", "train", "--as-of", "2020-01-31"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    said = "no month is loaded for as_of 2020-01-31"
    assert done.returncode == 4 and done.stderr.count(said) == 1
    assert done.stderr.count("\n  Next: ") == 1 and f"UnknownMonthError: {said}\n  Allowed: " in done.stderr
    assert "Finished in state Failed\n" in done.stderr, "when and where is logged"
    run = workplace.flow_run("train churn: 2020-01-31 seed 42")
    assert run["state_type"] == "FAILED" and said in run["state"]["message"]
    assert said in workplace.logs(run, until="Finished in state Failed(")
