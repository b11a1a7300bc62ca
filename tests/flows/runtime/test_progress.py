"""How far a long job is: a bar on a terminal, log lines elsewhere."""

import logging
import os
import pty
import subprocess
import sys

import pytest

from flows.runtime.progress import tracked


def test_without_a_terminal_each_item_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert list(tracked([3, 5], "judging", lambda item: f"month {item}")) == [3, 5]
    assert caplog.messages == ["judging 1 of 2: month 3", "judging 2 of 2: month 5"]


def test_a_command_that_logs_warnings_alone_shows_how_far_it_is() -> None:
    """Its standard error is a file, and each line is there before the work on its item begins."""
    code = """
import logging, sys
logging.basicConfig(format="%(message)s", level=logging.WARNING)
from flows.runtime.progress import begun, tracked
begun("looking")
for item in tracked([3, 5], "judging", str):
    sys.stderr.write(f"work on {item}\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["looking", "judging 1 of 2: 3", "work on 3", "judging 2 of 2: 5", "work on 5"]


def test_lines_stay_on_standard_output_beside_the_bar() -> None:
    """A bar on the terminal, the lines into a pipe, whole and unwrapped."""
    line = "[Backfill] " + "x" * 150
    code = f"from flows.runtime.progress import tracked\nfor _ in tracked([1, 2], 'judging', str):\n    print({line!r})"
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=slave, text=True, check=True
    )
    os.close(slave)
    bar = os.read(master, 1 << 16).decode()
    os.close(master)
    assert done.stdout == f"{line}\n" * 2
    assert "2/2" in bar and "Backfill" not in bar
