"""A process that is imported once lends forks: to the same user and code alone, and none outlives who borrowed it."""

import os
import shutil
import signal
import socket as sockets
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from driftgate.errors import DriftgateError
from driftgate.warm.client import AVAILABLE, lends, start
from driftgate.worker import Worker
from tests.warm.conftest import LENDER, running

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="forks are lent on Linux alone")


def test_a_fork_works_as_a_process_of_its_own_does(
    socket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_CALLER", "yes")
    with Worker("tests.lent", {"ADDED": "too"}, socket) as first, Worker("tests.lent", lender=socket) as second:
        assert first.alive
        seen = first.call("tests.lent:seen")
        assert (seen["caller"], seen["added"], seen["folder"]) == ("yes", "too", str(tmp_path))
        assert second.call("tests.lent:seen")["added"] is None
        # No child of the lender, whose supervisor would end it, and no member of its group.
        assert seen["session"] != os.getsid(0)
        assert seen["pid"] == first.pid != second.pid
        assert first.call("tests.lent:draw") != second.call("tests.lent:draw")
        first.call("tests.lent:say", "to standard error")
    printed = capfd.readouterr()
    assert printed.err == "to standard error\n"
    assert printed.out == ""
    assert not first.alive
    while psutil.pid_exists(first.pid):
        time.sleep(0.05)


def test_an_error_is_raised_as_it_was_and_an_end_is_told(socket: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Worker("tests.lent", lender=socket) as worker:
        with pytest.raises(DriftgateError, match="planted"):
            worker.call("tests.lent:fail")
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(DriftgateError, match=r"the process for tests\.lent ended"):
            worker.call("tests.lent:seen")
    with Worker("tests.lent", lender=socket) as worker, pytest.raises(DriftgateError, match="ended"):
        worker.call("tests.lent:no_such_function")
    assert "AttributeError" in capfd.readouterr().err


def test_a_fork_ends_with_the_process_that_borrowed_it_also_in_the_midst_of_a_call(socket: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from driftgate.worker import Worker\n"
        "worker = Worker('tests.lent', lender=Path(sys.argv[1])); print(worker.pid, flush=True)\n"
        "worker.call('tests.lent:sleep')"
    )
    borrower = subprocess.Popen([sys.executable, "-c", script, str(socket)], stdout=subprocess.PIPE, text=True)
    assert borrower.stdout is not None
    fork = psutil.Process(int(borrower.stdout.readline()))
    borrower.kill()
    borrower.communicate()
    fork.wait(timeout=60)


def test_forks_have_what_was_done_once_for_all(socket: Path) -> None:
    with Worker("tests.lent", lender=socket) as one, Worker("tests.lent", lender=socket) as other:
        assert one.call("tests.lent:finished") == other.call("tests.lent:finished") == ["once"]


def test_one_process_forks_for_all_and_ends_with_the_last(tmp_path: Path) -> None:
    with running(tmp_path / "lender.sock") as socket:
        one = start(socket, ["tests.lent", "wait"], os.environ)
        other = start(socket, ["tests.lent", "wait"], os.environ)
        assert one is not None
        assert other is not None
        forks = psutil.Process(one.pid).parent()
        assert forks is not None
        assert [child.pid for child in forks.children()] == [one.pid, other.pid]
    # The lender has ended.
    assert not lends(socket)
    one.kill()
    assert one.wait(60) == -signal.SIGKILL
    assert forks.is_running()
    other.terminate()
    # Its program tells the signal by a status of its own, once it has begun.
    assert other.wait(60) in (5, -signal.SIGTERM)
    forks.wait(60)


def test_where_the_process_that_forks_is_killed_the_lender_ends(tmp_path: Path) -> None:
    socket = tmp_path / "lender.sock"
    command = [sys.executable, "-c", LENDER, str(socket)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as lender:
        assert lender.stdout is not None
        assert lender.stdout.readline() == "ready\n"
        fork = start(socket, ["tests.lent", "wait"], os.environ)
        assert fork is not None
        forks = psutil.Process(fork.pid).parent()
        assert forks is not None
        forks.kill()
        # Its standard input is open: it does not end because it was asked to.
        assert lender.wait(60) == 1
        fork.kill()
        # Nobody has its status any more.
        assert fork.wait(60) == -signal.SIGKILL
        assert "ChildProcessError" in lender.communicate()[1]


def test_another_code_gets_no_fork_but_a_process_of_its_own(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftgate.warm.client.code_version", lambda: "another")
    assert start(socket, ["tests.lent"], os.environ) is None
    with Worker("json", lender=socket) as worker:
        assert worker.call("json:loads", "[1]") == [1]
        assert psutil.Process(worker.pid).ppid() == os.getpid()


def test_where_nobody_listens_there_is_no_fork(tmp_path: Path, socket: Path) -> None:
    assert lends(socket)
    left_behind = Path(shutil.copy(__file__, tmp_path / "file.sock"))
    for path in (tmp_path / "none.sock", left_behind):
        assert start(path, ["json"], {}) is None
        assert not lends(path)
    assert (socket.stat().st_mode & 0o777) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_gets_nothing(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder) / "lender.sock") as socket:
            assert as_nobody(socket) == "PermissionError"
            # Where the mode of the file were another, the kernel's word would still decide.
            socket.chmod(0o666)
            assert as_nobody(socket) == "closed"


AS_NOBODY = """
import os, socket, sys
os.setuid(65534)
try:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        print("closed" if connection.recv(1) == b"" else "answered")
except OSError as error:
    print(type(error).__name__)
"""


def as_nobody(socket: Path) -> str:
    """What a process of another user finds at the socket: the name of an error, or "closed" without an answer."""
    command = [sys.executable, "-I", "-S", "-c", AS_NOBODY, socket]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_caller_that_says_nothing_does_not_keep_others_waiting(socket: Path) -> None:
    with sockets.socket(sockets.AF_UNIX) as silent:
        folder = os.open(socket.parent, os.O_RDONLY)
        silent.connect(f"/proc/self/fd/{folder}/{socket.name}")
        os.close(folder)
        time.sleep(0.1)
        with Worker("tests.lent", lender=socket) as worker:
            assert worker.call("tests.lent:seen")["pid"] == worker.pid
