"""The tutorial is true: its files are written, its commands run, and what it shows is what they print."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.runtime.local_server import free_port
from tests.architecture.markdown import text_of
from tests.conftest import reachable

PAGE = text_of("docs/tutorial.md")
# A file, whose path stands before its block, or a block of commands with what they print.
STEPS = re.compile(
    r"^`(?P<path>[\w./]+)`[^\n]*(?:\n[^\n]+)*:\n\n```\w+\n(?P<text>.*?)^```$|^```console\n(?P<console>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PARTS = ("UI", "API", "MLFLOW", "EVIDENTLY", "PAGES")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the reader is, and where the embedded PostgreSQL of another user can be."""
    made = reachable(Path(tempfile.mkdtemp(prefix="dg")))
    yield made
    shutil.rmtree(made)


def environment(folder: Path) -> dict[str, str]:
    ours = ("POSTGRES_", "PREFECT_", "DRIFTGATE_", "FEAST_", "REPORT_")
    given = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    given["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{given['PATH']}"
    # Before there is a monitors file the checkout is the project, and the one of the tests is not to be written to.
    given["DRIFTGATE_HOME"] = str(folder / ".driftgate")
    return given | {f"DRIFTGATE_{name}_PORT": str(free_port()) for name in PARTS}


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a block with the lines that follow it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        yield command, lines


def shown(line: str) -> "re.Pattern[str]":
    """A line of the page; `...` stands for anything, and a gap is as wide as it is."""
    parts = (r"\s+".join(map(re.escape, part.split())) for part in line.split("..."))
    return re.compile(r"^\s*" + r"\s*.*?\s*".join(parts) + r"\s*$", re.MULTILINE)


def test_the_page_has_the_files_and_the_commands_that_it_speaks_of() -> None:
    found = [step.group("path") for step in STEPS.finditer(PAGE) if step.group("path")]
    assert found == ["shop/feature_store.yaml", "shop/features.py", "months.py"]
    called = [
        command for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.M | re.S) for command, _ in commands(block)
    ]
    assert [c for c in called if c.startswith("driftgate monitor")] == ["driftgate monitor"] * 3
    assert shown("a ... c").search("a  b c") and not shown("a ... c").search("a b d")


@pytest.mark.slow
def test_every_step_does_what_the_page_says(folder: Path) -> None:
    variables = environment(folder)
    try:
        for step in STEPS.finditer(PAGE):
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
    finally:
        subprocess.run(["driftgate", "down"], cwd=folder, env=variables, check=False)
