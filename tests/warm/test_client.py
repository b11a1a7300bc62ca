"""A program that begins in a fork: streams, variables, limits, signals and its end are those of any other process."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from driftgate.warm.client import AVAILABLE, code_version, is_lent, read_once, run, start

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="forks are lent on Linux alone")

# `python -c CLIENT SOCKET MODULE [ARGUMENT ...]`, in the terminal of a user.
CLIENT = """
import os, sys
from pathlib import Path
from driftgate.warm.client import run
status = run(Path(sys.argv[1]), sys.argv[2:], os.environ)
print("no fork" if status is None else f"status {status}", file=sys.stderr)
"""


def client(socket: Path, *program: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CLIENT, str(socket), *program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_program_reads_and_writes_where_its_caller_does(
    socket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_CALLER", "yes")
    out, err = client(socket, "tests.lent", "first", "second").communicate("a line\n")
    seen = json.loads(out)
    assert seen["arguments"] == ["first", "second"]
    assert (seen["caller"], seen["folder"], seen["read"]) == ("yes", str(tmp_path), "a line")
    assert seen["lent"]
    assert not is_lent()
    assert seen["pid"] != os.getpid()
    assert err == "status 0\n"


@pytest.mark.parametrize(("asked", "status"), [("3", 3), ("-9", -9), ("raise", 1)])
def test_its_status_is_told(socket: Path, asked: str, status: int) -> None:
    _, err = client(socket, "tests.lent", "end", asked).communicate()
    assert err.splitlines()[-1] == f"status {status}"
    assert ("planted" in err) == (asked == "raise")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_caller_is_for_the_program(socket: Path, number: signal.Signals) -> None:
    caller = client(socket, "tests.lent", "wait")
    assert caller.stdout is not None
    assert caller.stdout.readline() == "waits\n"
    caller.send_signal(number)
    out, err = caller.communicate()
    assert (out, err) == (f"ends by {int(number)}\n", "status 5\n")


def test_where_the_caller_is_killed_the_program_is_asked_to_end(socket: Path, tmp_path: Path) -> None:
    caller = client(socket, "tests.lent", "wait", str(tmp_path / "ended"))
    assert caller.stdout is not None
    assert caller.stdout.readline() == "waits\n"
    caller.kill()
    caller.communicate()
    while not (tmp_path / "ended").exists():
        time.sleep(0.05)


def test_it_has_the_limits_of_its_caller(socket: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft - 1}, {hard}))\n"
        "import os; os.umask(0o027); os.nice(3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{CLIENT}", str(socket), "tests.lent"],
        input="", capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen = json.loads(done.stdout)
    assert (seen["files"], seen["umask"]) == (soft - 1, 0o027)
    assert seen["nice"] == os.nice(0) + 3


def test_what_cannot_be_had_is_no_fork(socket: Path, tmp_path: Path) -> None:
    # The folder is gone when the fork would go there.
    gone = tmp_path / "gone"
    code = f"import os; os.mkdir({str(gone)!r}); os.chdir({str(gone)!r})"
    hide = (
        "import pathlib; folder = pathlib.Path.cwd(); pathlib.Path.cwd = staticmethod(lambda: folder); os.rmdir(folder)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{hide}\n{CLIENT}", str(socket), "tests.lent"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == "no fork\n"


@pytest.mark.parametrize("name", ["PREFECT_LOGGING_LEVEL", "PYTHONWARNINGS", "OMP_NUM_THREADS"])
def test_variables_that_were_read_before_must_be_the_same(socket: Path, name: str) -> None:
    other = {**os.environ, name: "another"}
    assert run(socket, ["tests.lent", "end", "0"], other) is None
    fork = start(socket, ["tests.lent", "end", "4"], other, alike=False)
    assert fork is not None
    assert fork.wait() == fork.poll() == 4
    assert name in read_once(other)
    assert "HOME" not in read_once({"HOME": "/"})


def test_the_end_of_a_program_can_be_waited_for_and_asked_for(socket: Path) -> None:
    fork = start(socket, ["tests.lent", "wait"], os.environ)
    assert fork is not None
    process = psutil.Process(fork.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.1)
    assert fork.poll() is None
    fork.kill()
    assert fork.wait() == -signal.SIGKILL
    fork.terminate()
    process.wait(timeout=60)


def test_the_code_is_that_of_all_packages() -> None:
    assert code_version() == code_version()
    assert len(code_version()) == 64
