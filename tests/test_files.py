"""Report files: whole or not at all, and a folder that cannot be written is said before anything slow starts."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from driftgate.errors import OutputError
from driftgate.files import (
    MOST_NAMED_BYTES,
    make_home,
    make_private,
    read_named,
    require_writable,
    write_atomic,
)
from driftgate.reports.paths import report_paths
from tests.reports.runs import FEBRUARY, JANUARY, monitor


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_in_utf8_for_everyone_to_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "report.html"
    write_atomic(path, "naïve ☃\n")
    assert path.read_bytes() == "naïve ☃\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names(path.parent) == ["report.html"]


@pytest.mark.parametrize(("parent", "mode"), [(0o777, 0o777), (0o1777, 0o755)])
def test_a_folder_is_open_to_all_where_all_may_delete_beside_it(tmp_path: Path, parent: int, mode: int) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(parent)
    write_atomic(tmp_path / "shared" / "reports" / "page.html", "text")
    assert stat.S_IMODE((tmp_path / "shared" / "reports").stat().st_mode) == mode


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_atomic(path, "old and longer")
    write_atomic(path, "new")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["report.html"]


# In a process of its own: the limit holds for every file, also for one that this run's output goes to.
FULL_DISK = """
import resource, sys
from pathlib import Path
from driftgate.errors import OutputError
from driftgate.files import write_atomic

resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
try:
    write_atomic(Path(sys.argv[1]), "x" * 100_000)
except OutputError as error:
    print(error.received, error.remedy, error.exit_code, sep="|")
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    ended = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=True)
    received, remedy, status = ended.stdout.strip().split("|")
    assert "report.html cannot be written" in received
    assert "REPORT_DIR" in remedy
    assert status == "7"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["report.html"]


WRITE_MUCH = """
import sys
from pathlib import Path
from driftgate.files import write_atomic

write_atomic(Path(sys.argv[1]), "much" * 50_000_000)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has begun to write `report.html`, and takes a while."""
    with subprocess.Popen([sys.executable, "-c", WRITE_MUCH, tmp_path / "report.html"]) as process:
        while not any(name.startswith(".report.html-") for name in names(tmp_path)):
            assert process.poll() is None
        yield process
        process.kill()


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path, writer: "subprocess.Popen[bytes]") -> None:
    writer.kill()
    writer.wait()
    assert len(names(tmp_path)) == 1
    (tmp_path / ".report.html-of-a-user").mkdir()
    write_atomic(tmp_path / "report.html", "new")
    assert names(tmp_path) == [".report.html-of-a-user", "report.html"]


def test_what_a_living_writer_has_begun_stays(tmp_path: Path, writer: "subprocess.Popen[bytes]") -> None:
    writer.send_signal(signal.SIGSTOP)
    write_atomic(tmp_path / "report.html", "new")
    assert (tmp_path / "report.html").read_text() == "new" and len(names(tmp_path)) == 2
    writer.send_signal(signal.SIGCONT)
    assert writer.wait() == 0
    assert names(tmp_path) == ["report.html"]
    assert (tmp_path / "report.html").stat().st_size == 4 * 50_000_000


def test_a_text_that_cannot_be_encoded_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises((OutputError, UnicodeEncodeError)):
        write_atomic(path, "lone surrogate \ud800")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["report.html"]


def test_a_folder_in_place_of_the_file_is_an_error_and_leaves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError):
        write_atomic(tmp_path / "report.html", "text")
    assert names(tmp_path) == ["report.html"]


# Tests may run as root, whom permission bits do not stop: a file in the way and /proc stop everyone.
@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/driftgate"])
def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("in the way")
    for attempt in (require_writable, lambda path: write_atomic(path / "report.html", "text")):
        with pytest.raises(OutputError) as caught:
            attempt(tmp_path / folder)
        assert str(tmp_path / folder) in caught.value.received
        assert not caught.value.received.endswith("None")
        assert "REPORT_DIR" in caught.value.remedy
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    require_writable(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == []


def test_readers_see_one_version_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    versions = [letter * 200_000 for letter in "ab"]
    write_atomic(path, versions[0])
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(20):
        write_atomic(path, versions[n % 2])
    done.set()
    reader.join()
    assert seen <= set(versions)


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    texts = [str(n) * 50_000 for n in range(8)]
    threads = [threading.Thread(target=write_atomic, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert names(tmp_path) == ["report.html"]


@pytest.mark.parametrize(("folder", "expected"), [(None, "churn"), ("", "churn"), (".", "."), ("a/b", "a/b")])
def test_each_pair_of_months_has_its_own_files(folder: str | None, expected: str) -> None:
    paths = report_paths(Path("/reports"), monitor(report_folder=folder), JANUARY, FEBRUARY)
    assert paths.html == Path("/reports") / expected / "drift_2024-01-31_vs_2024-02-29.html"
    assert paths.json == paths.html.with_suffix(".json")
    assert paths.record == paths.html.with_name("decision_2024-01-31_vs_2024-02-29.json")
    assert paths.page == paths.html.with_name("verdict_2024-01-31_vs_2024-02-29.html")
    assert paths != report_paths(Path("/reports"), monitor(report_folder=folder), JANUARY, date(2024, 3, 31))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_private_is_read_by_this_user_alone_and_stays_so_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "churn" / "latest.csv"
    for text in ("old", "new"):
        write_atomic(path, text, private=True)
        assert path.read_text() == text and mode(path) == 0o600
    assert not mode(path.parent) & 0o077
    assert not mode(path.parent.parent) & 0o066, "as root others may pass, and see nothing"


def test_a_folder_that_hands_its_group_on_shares_what_is_private_with_that_group(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o2770)
    path = tmp_path / "shared" / "churn" / "latest.csv"
    write_atomic(path, "rows", private=True)
    assert (mode(path), mode(path.parent)) == (0o640, 0o2750)


def test_a_home_is_made_private_and_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    assert mode(tmp_path / "home") == (0o711 if os.geteuid() == 0 else 0o700)
    (tmp_path / "open").mkdir(mode=0o755)
    make_home(tmp_path / "open")
    assert mode(tmp_path / "open") == 0o755


def test_all_that_is_in_a_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "example.json").write_text("rows")
    make_private(folder)
    assert [mode(path) for path in (folder, folder / "model", folder / "model" / "example.json")] == [
        0o700,
        0o700,
        0o600,
    ]


def test_what_a_user_names_is_a_regular_file_of_bounded_size(tmp_path: Path) -> None:
    path = tmp_path / "named"
    path.write_text("naïve\n", encoding="utf-8")
    assert read_named(path) == "naïve\n"
    path.write_bytes(b"a" * MOST_NAMED_BYTES)
    assert len(read_named(path)) == MOST_NAMED_BYTES
    path.write_bytes(b"a" * (MOST_NAMED_BYTES + 1))
    with pytest.raises(OSError, match="1,000,000 bytes"):
        read_named(path)


def test_neither_a_device_nor_a_pipe_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(OSError, match="no regular file"):
            read_named(path)
    with pytest.raises(IsADirectoryError):
        read_named(tmp_path)
