"""Temporary files of a process end with it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from driftgate.errors import OutputError
from driftgate.scratch import scratch_folder, sweep
from tests.conftest import ROOT

OWNER = """
import sys, tempfile, time
from pathlib import Path
from driftgate.process import end_on_signals
end_on_signals()
from driftgate.scratch import scratch_folder
from driftgate.worker import Worker
folder = scratch_folder(Path(sys.argv[1]))
(folder / "file").touch()
workers = [Worker(module) for module in sys.argv[2:]]
for worker in workers:
    if worker.module == "json":
        print(worker.call("tempfile:mkdtemp"))
print(*[worker.pid for worker in workers], flush=True)
time.sleep(600)
"""


def start(home: Path, *modules: str) -> "subprocess.Popen[str]":
    line = [sys.executable, "-c", OWNER, str(home), *modules]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_workers_and_files_end_with_their_owner(tmp_path: Path, number: signal.Signals) -> None:
    slow = tmp_path / "slow_to_import.py"
    slow.write_text("import time\ntime.sleep(600)\n")
    with pytest.MonkeyPatch.context() as patch:
        # One that waits for calls, and one in the midst of an import.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
        process = start(tmp_path / "home", "json", "slow_to_import")
    with process:
        assert process.stdout is not None and process.stderr is not None
        made = process.stdout.readline().strip()
        assert made.startswith(str(tmp_path / "home" / "scratch"))
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2 and not any(gone(pid) for pid in pids)
        process.send_signal(number)
        process.wait(timeout=30)
        deadline = time.monotonic() + 20
        while not all(gone(pid) for pid in pids) or list((tmp_path / "home" / "scratch").iterdir()):
            assert time.monotonic() < deadline, "a worker runs on, or a file stays"
            time.sleep(0.1)
        assert process.stderr.read() == ""


def test_what_a_killed_process_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    with start(tmp_path) as killed, start(tmp_path) as living:
        for process in (killed, living):
            assert process.stdout is not None and process.stdout.readline() == "\n"
        assert len(list((tmp_path / "scratch").iterdir())) == 2
        killed.kill()
        killed.wait()
        sweep(tmp_path / "scratch")
        [left] = (tmp_path / "scratch").iterdir()
        assert (left / "file").is_file()
        living.kill()


def test_one_process_has_one_folder_and_other_homes_have_others(tmp_path: Path) -> None:
    first = scratch_folder(tmp_path / "a")
    assert scratch_folder(tmp_path / "a") == first != scratch_folder(tmp_path / "b")


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/home/scratch"):
        scratch_folder(tmp_path / "file" / "home")


def test_prefect_finds_a_home_that_was_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.runtime.local_server import start_prefect

    monkeypatch.setenv("DRIFTGATE_HOME", str(tmp_path / "not" / "there"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    start_prefect()
    assert (tmp_path / "not" / "there").is_dir()
