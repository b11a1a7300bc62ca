"""A page that a reader follows step by step: its files are written, its commands run, its output is compared."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.runtime.local_server import free_port
from tests.conftest import ROOT, reachable

# A file, whose path stands before its block, or a block of commands with what they print.
STEPS = re.compile(
    r"^`(?P<path>[\w./]+)`[^\n]*(?:\n[^\n]+)*:\n\n```\w+\n(?P<text>.*?)^```$|^```console\n(?P<console>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_PARTS = ("UI", "API", "MLFLOW", "EVIDENTLY", "PAGES")


@contextmanager
def reader() -> Iterator[tuple[Path, dict[str, str]]]:
    """An empty folder and the environment of a person who works in it; what `up` started there is ended."""
    # The embedded PostgreSQL of another user can be below it.
    folder = reachable(Path(tempfile.mkdtemp(prefix="dg")))
    ours = ("POSTGRES_", "PREFECT_", "DRIFTGATE_", "FEAST_", "REPORT_")
    given = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    given["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{given['PATH']}"
    given["PYTHONPATH"] = str(ROOT)
    # Before there is a monitors file the checkout is the project, and the one of the tests is not to be written to.
    given["DRIFTGATE_HOME"] = str(folder / ".driftgate")
    given |= {f"DRIFTGATE_{name}_PORT": str(free_port()) for name in _PARTS}
    try:
        yield folder, given
    finally:
        subprocess.run(["driftgate", "down", "--force"], cwd=folder, env=given, check=False)
        shutil.rmtree(folder)


def follow(page: str) -> None:
    """Take every step of the page; each command has to succeed and to print the lines that follow it."""
    with reader() as (folder, variables):
        for step in STEPS.finditer(page):
            if step.group("path"):
                (folder / step.group("path")).write_text(step.group("text"))
                continue
            for command, lines in commands(step.group("console")):
                done = subprocess.run(
                    ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, f"{command}\n{done.stderr}"
                for line in lines:
                    assert shown(line).search(done.stdout), f"{command} does not print {line!r}:\n{done.stdout}"


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a block with the lines that follow it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        yield command, lines


def shown(line: str) -> "re.Pattern[str]":
    """A line of the page; `...` stands for anything, and a gap is as wide as it is."""
    parts = (r"\s+".join(map(re.escape, part.split())) for part in line.split("..."))
    return re.compile(r"^\s*" + r"\s*.*?\s*".join(parts) + r"\s*$", re.MULTILINE)
