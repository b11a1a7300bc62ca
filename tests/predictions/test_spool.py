"""The spool: what was appended is read back, once, by whoever holds the segment."""

import fcntl
import math
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from driftgate.errors import OutputError
from driftgate.predictions.log import Prediction
from driftgate.predictions.spool import Spool, rows_left, spool_folder
from tests.conftest import ROOT


def some(count: int, name: str = "u") -> list[Prediction]:
    features = {"fee": 45.5, "plan": 'böse \n "', "net": None, "paperless": True}
    return [
        Prediction(uuid4(), datetime.now(UTC), "api", f"{name}{n}", 1, 0.1 + 0.2, "1", date(2024, 3, 31), "r", features)
        for n in range(count)
    ]


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    spool, rows = Spool(spool_folder(tmp_path / "a")), some(3)
    assert rows_left(spool.folder) == 0
    spool.append(rows[:2])
    spool.append(rows[2:])
    segment = spool.cut()
    assert segment is not None and segment.read() == (rows, 0) and rows_left(spool.folder) == 3
    assert segment.path.stat().st_mode & 0o777 == 0o600 and segment.path.parent.stat().st_mode & 0o777 == 0o700
    segment.remove()
    assert spool.cut() is None and not list(spool.folder.iterdir())


def test_what_is_no_json_becomes_null(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([Prediction(uuid4(), datetime.now(UTC), "api", "u", 0, 0.5, "1", features={"x": math.nan})])
    segment = spool.cut()
    assert segment is not None and segment.read()[0][0].features == {"x": None}


def test_a_segment_in_use_is_nobody_elses(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.append(some(1))
    assert list(second.abandoned()) == []
    segment = first.cut()
    assert segment is not None and list(second.abandoned()) == []
    segment.release()
    [taken] = second.abandoned()
    assert taken.path == segment.path and list(first.abandoned()) == []
    taken.remove()
    assert list(first.abandoned()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from driftgate.predictions.spool import Spool
from tests.predictions.test_spool import some
spool = Spool(Path(sys.argv[1]))
spool.append(some(5, sys.argv[2]))
os.write(spool.cut().descriptor, b'{"prediction_id": "cut sh')
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_segments_of_killed_processes_are_taken_over_in_their_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), name], cwd=ROOT, check=False)
        assert done.returncode == -9
    segments = list(Spool(tmp_path).abandoned())
    found = [segment.read() for segment in segments]
    assert [(rows[0].entity_key, len(rows), unreadable) for rows, unreadable in found] == [("a0", 5, 0), ("b0", 5, 0)]


def test_an_unreadable_line_is_counted_and_the_file_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(some(2))
    segment = spool.cut()
    assert segment is not None
    text = segment.path.read_bytes()
    segment.path.write_bytes(b'{"other": 1}\n[]\nnonsense\n' + text)
    rows, unreadable = segment.read()
    assert (len(rows), unreadable) == (2, 3)
    aside = segment.put_aside()
    assert aside.is_file() and list(Spool(tmp_path).abandoned()) == []


def test_a_write_that_fails_leaves_no_part_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, rows = Spool(tmp_path), some(2)
    spool.append(rows[:1])

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("driftgate.predictions.spool._sync", full)
        with pytest.raises(OutputError, match="No space left"):
            spool.append(some(1))
    spool.append(rows[1:])
    segment = spool.cut()
    assert segment is not None and segment.read() == (rows, 0)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        Spool(tmp_path / "file" / "spool").append(some(1))


@pytest.mark.parametrize("moment", ["before the lock", "with the lock held on"])
def test_a_segment_that_another_takes_as_it_is_made_loses_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Its file is there for a moment before its lock: by then another may have taken and removed it, being empty."""
    own, other, rows = Spool(tmp_path), Spool(tmp_path), some(3)
    lock, taken = fcntl.flock, []

    def late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        taken.extend(other.abandoned())
        if moment == "before the lock":
            taken.pop().remove()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    own.append(rows)
    for segment in taken:
        assert segment.read() == ([], 0)
        segment.remove()
    kept = own.cut()
    assert kept is not None
    assert kept.read() == (rows, 0)


def test_two_threads_that_append_and_empty_lose_no_row(tmp_path: Path) -> None:
    spool, between, done = Spool(tmp_path), threading.Lock(), threading.Event()
    found: list[Prediction] = []

    def empty() -> None:
        ended = False
        while not ended:
            ended = done.is_set()
            with between:
                own = spool.cut()
            for segment in [*([own] if own else []), *spool.abandoned()]:
                found.extend(segment.read()[0])
                segment.remove()

    thread = threading.Thread(target=empty)
    thread.start()
    rows = some(1000)
    for row in rows:
        with between:
            spool.append([row])
    done.set()
    thread.join()
    assert {row.prediction_id for row in found} == {row.prediction_id for row in rows}
    assert len(found) == len(rows)
