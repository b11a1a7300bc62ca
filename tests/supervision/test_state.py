"""The file of the state: private, whole, and known to be stale."""

import json
import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from driftgate.errors import OutputError
from driftgate.supervision.state import (
    PartState,
    PartStatus,
    UpStatus,
    process_started,
    read_status,
    remove_status,
    status_file,
    write_status,
)

PART = PartStatus("pages", "Driftgate", "pages", PartState.RUNNING, "http://127.0.0.1:1/", "", 7, 0, "now", "log")


@pytest.fixture
def status() -> UpStatus:
    pid = os.getpid()
    return UpStatus(pid, process_started(pid), "now", "embedded", "http://127.0.0.1:2/api", False, (PART,))


def test_it_is_read_as_it_was_written(status: UpStatus, tmp_path: Path) -> None:
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status
    assert [path.name for path in tmp_path.iterdir()] == ["up.json"], "nothing is left beside it"
    remove_status(tmp_path)
    assert read_status(tmp_path) is None
    remove_status(tmp_path)


def test_of_a_process_that_is_gone_or_that_only_has_the_id_it_is_stale(status: UpStatus, tmp_path: Path) -> None:
    write_status(tmp_path, replace(status, process_started=status.process_started - 3600))
    assert read_status(tmp_path) is None
    gone = max(psutil.pids()) + 100_000
    write_status(tmp_path, replace(status, pid=gone))
    assert read_status(tmp_path) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_one_that_others_may_read_or_write_is_not_believed(status: UpStatus, tmp_path: Path, mode: int) -> None:
    write_status(tmp_path, status)
    status_file(tmp_path).chmod(mode)
    assert read_status(tmp_path) is None


def test_a_link_is_not_followed(status: UpStatus, tmp_path: Path) -> None:
    write_status(tmp_path, status)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    status_file(elsewhere).symlink_to(status_file(tmp_path))
    assert read_status(elsewhere) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"parts": [{"state": "unheard of"}]}'])
def test_one_that_is_damaged_is_none(tmp_path: Path, text: str) -> None:
    path = status_file(tmp_path)
    path.write_text(text)
    path.chmod(0o600)
    assert read_status(tmp_path) is None


def test_one_of_another_release_is_none(status: UpStatus, tmp_path: Path) -> None:
    write_status(tmp_path, status)
    path = status_file(tmp_path)
    path.write_text(json.dumps({**status.content(), "colour": "red"}))
    assert read_status(tmp_path) is None


def test_a_folder_that_is_not_there_is_an_error(status: UpStatus, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"up\.json cannot be written"):
        write_status(tmp_path / "nothing", status)
