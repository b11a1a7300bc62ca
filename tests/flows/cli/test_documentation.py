"""`driftgate docs`: which pages there are, what is printed of one, and what is said of one that is not there."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from driftgate.errors import UsageError
from flows import cli
from flows.cli.documentation import find_page, pages, pages_folder, title
from tests.architecture.markdown import DOCUMENTS, ROOT

PAGES = pages(pages_folder())


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main(["docs", *arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_every_page_is_listed_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    listed = dict(line.split(maxsplit=1) for line in printed(capsys).splitlines())
    assert set(PAGES.values()) == {path for path in DOCUMENTS if path.is_relative_to(ROOT / "docs")}
    assert listed == {name: title(path) for name, path in PAGES.items()}
    assert listed["reference/monitors"] == "monitors.toml"
    assert listed["reference"] == title(ROOT / "docs" / "reference" / "README.md")
    assert "" not in listed.values(), "a page without a heading"


@pytest.mark.parametrize("name", ["reference/monitors", "docs/reference/monitors.md", "reference/monitors#costs"])
def test_a_page_is_printed_as_it_is_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert printed(capsys, name) == (ROOT / "docs" / "reference" / "monitors.md").read_text(encoding="utf-8")


def test_on_a_terminal_a_page_is_set(tmp_path: Path) -> None:
    """The output of a program that leads to a terminal is read from its other end while it is written."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "DRIFTGATE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "flows.cli", "docs", "glossary"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=slave)
    os.close(slave)
    text = b""
    while part := _read(master):
        text += part
    os.close(master)
    assert process.wait() == 0
    assert b"Glossary" in text and b"\x1b[" in text and b"| --- |" not in text


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        # What Linux says once nobody writes to it any more.
        return b""


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("monitors", "reference/monitors"),
        ("reference/monitor", "reference/monitors"),
        ("settngs", "reference/settings"),
        ("referense", "reference"),
    ],
)
def test_an_unknown_page_names_the_nearest(given: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_page(PAGES, given)
    assert caught.value.remedy == f"`driftgate docs {near}`"


def test_each_page_that_the_program_names_is_there() -> None:
    sources = [path for folder in ("driftgate", "flows", "services") for path in (ROOT / folder).rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"`driftgate docs ([\w/-]+)`", path.read_text("utf-8"))}
    assert {"reference/monitors", "reference/settings"} <= named <= set(PAGES)
