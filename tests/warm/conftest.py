"""A lender with small modules, shared by the tests of both of its ends."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LENDER = """
import sys
from pathlib import Path
from driftgate.warm.lender import Lender
import numpy, tests.lent
lender = Lender(Path(sys.argv[1]), ["tests.lent", "driftgate.worker"], lambda: tests.lent.FINISHED.append("once"))
print("ready", flush=True)
program = lender.run(0)
if program is None:
    lender.close()
else:
    program.run()
"""


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    """The socket of a running lender, at a path that is longer than the address of a socket may be."""
    path = tmp_path / ("long" * 40) / "lender.sock"
    path.parent.mkdir()
    with running(path):
        yield path


@contextmanager
def running(path: Path) -> Iterator[Path]:
    command = [sys.executable, "-W", "error", "-c", LENDER, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield path
    finally:
        process.communicate()
    assert process.returncode == 0
