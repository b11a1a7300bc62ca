"""A supervisor with small programs: what starts, what is started again, and that nothing outlives it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from driftgate.errors import DatabaseError, OutputError
from driftgate.supervision.part import Part
from driftgate.supervision.running import python
from driftgate.supervision.state import PartState, PartStatus, UpStatus, is_process, process_started, read_status
from driftgate.supervision.supervisor import Supervisor
from driftgate.warm.client import AVAILABLE
from tests.warm.conftest import running

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def part(name: str, command: tuple[str, ...] = SLEEP, **more: object) -> Part:
    return Part(name, name.title(), "", command, **more)  # type: ignore[arg-type]


Make = Callable[..., Supervisor]


@pytest.fixture
def lender_socket(tmp_path: Path) -> Iterator[Path]:
    if not AVAILABLE:
        pytest.skip("forks are lent on Linux alone")
    with running(tmp_path / "lender.sock") as path:
        yield path


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Supervisor] = []

    def call(*parts: Part, **more: object) -> Supervisor:
        made.append(Supervisor(parts, tmp_path, **more))  # type: ignore[arg-type]
        return made[-1]

    yield call
    for supervisor in made:
        supervisor.stop()


def state(status: UpStatus, name: str) -> PartStatus:
    found = status.part(name)
    assert found is not None
    return found


def is_running(name: str) -> Callable[[UpStatus], bool]:
    return lambda status: state(status, name).state is PartState.RUNNING


def test_parts_run_and_the_file_says_so_and_they_are_stopped(make: Make, tmp_path: Path) -> None:
    supervisor = make(part("one"), part("two"), database="here", prefect_api="http://127.0.0.1:1/api")
    supervisor.run_until(lambda status: not status.starting)
    read = read_status(tmp_path)
    assert read == supervisor.status
    pids = [item.pid for item in read.parts]
    assert all(pid and psutil.pid_exists(pid) for pid in pids)
    assert (tmp_path / "up.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "log" / "one.log").stat().st_mode & 0o777 == 0o600
    supervisor.stop()
    assert not any(pid and psutil.pid_exists(pid) for pid in pids)
    assert not (tmp_path / "up.json").exists()


def test_a_part_starts_once_what_it_needs_is_ready_and_is_ended_before_it(make: Make, tmp_path: Path) -> None:
    flag, ended = tmp_path / "flag", tmp_path / "ended"
    write = f"open({str(ended)!r}, 'a').write"
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: ({write}('{name} '), sys.exit()))\ntime.sleep(600)"
    first = part("first", (sys.executable, "-c", code.format(write=write, name="first")), ready=flag.exists)
    second = part("second", (sys.executable, "-c", code.format(write=write, name="second")), needs=("first",))
    supervisor = make(first, second)
    began = time.monotonic()
    supervisor.run_until(lambda _: time.monotonic() > began + 1)
    assert state(supervisor.status, "first").state is PartState.STARTING
    assert state(supervisor.status, "second").message == "it waits for First"
    assert state(supervisor.status, "second").pid is None
    flag.touch()
    supervisor.run_until(is_running("second"))
    time.sleep(0.5)
    supervisor.stop()
    assert ended.read_text() == "second first "


def test_a_part_waits_for_another_while_that_starts_and_does_without_it_where_it_fails(make: Make) -> None:
    broken = part("first", (sys.executable, "-c", "import time; time.sleep(1); raise SystemExit(1)"), ready=bool)
    supervisor = make(broken, part("second", after=("first", "absent")))
    supervisor.run_until(lambda status: state(status, "second").message != "")
    assert state(supervisor.status, "second").message == "it waits for First"
    supervisor.run_until(is_running("second"))
    assert state(supervisor.status, "first").state is PartState.RESTARTING


def test_a_part_is_a_fork_where_one_is_lent_and_a_process_otherwise(
    make: Make, lender_socket: Path, tmp_path: Path
) -> None:
    program = python("tests.lent", "wait", str(tmp_path / "ended"))
    supervisor = make(
        part("lent", program, lender=lender_socket), part("own", python("tests.lent", "wait"), lender=tmp_path / "none")
    )
    supervisor.run_until(lambda status: not status.starting)
    parents = {item.name: psutil.Process(item.pid or 0).ppid() for item in supervisor.status.parts}
    assert parents["own"] == os.getpid() != parents["lent"]
    log = tmp_path / "log" / "lent.log"
    until(lambda: log.read_text() == "waits\n")
    os.kill(state(supervisor.status, "lent").pid or 0, signal.SIGKILL)
    supervisor.run_until(lambda status: state(status, "lent").restarts == 1 and is_running("lent")(status))
    assert state(supervisor.status, "lent").message == "ended with status -9: waits"
    until(lambda: log.read_text() == "waits\nwaits\n")
    supervisor.stop()
    assert (tmp_path / "ended").exists()


def test_a_command_that_comes_first_runs_to_its_end_each_time(make: Make, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    setup = (sys.executable, "-c", f"open({str(mark)!r}, 'a').write('x')")
    supervisor = make(part("one", first=setup))
    supervisor.run_until(is_running("one"))
    assert mark.read_text() == "x"
    os.kill(state(supervisor.status, "one").pid or 0, signal.SIGKILL)
    supervisor.run_until(lambda status: state(status, "one").restarts == 1 and is_running("one")(status))
    assert mark.read_text() == "xx"


def test_a_part_that_ends_is_started_again_after_longer_and_longer_times_with_what_it_said(make: Make) -> None:
    states: list[PartStatus] = []
    code = "print('starting'); print('OutputError: the disk is full'); print('  Next: make room'); raise SystemExit(7)"
    supervisor = make(part("one", (sys.executable, "-c", code), ready=lambda: False), on_change=states.append)
    began = time.monotonic()
    supervisor.run_until(lambda status: state(status, "one").restarts == 3)
    assert time.monotonic() - began > 1 + 2
    now = state(supervisor.status, "one")
    assert now.state is PartState.RESTARTING
    assert now.message == "ended with status 7: OutputError: the disk is full"
    assert not supervisor.status.starting
    assert [item.state for item in states[:2]] == [PartState.RESTARTING, PartState.STARTING]


def test_a_part_waits_for_what_a_person_does_and_starts_by_itself_then(make: Make, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    supervisor = make(part("one", waits_for=lambda: "" if flag.exists() else "there is no champion"))
    supervisor.run_until(lambda status: not status.starting)
    found = state(supervisor.status, "one")
    assert (found.state, found.message, found.pid) == (PartState.WAITING, "there is no champion", None)
    flag.touch()
    supervisor.run_until(is_running("one"))


def test_a_question_that_fails_is_the_reason_to_wait(make: Make) -> None:
    def ask() -> str:
        raise DatabaseError("no connection", remedy="start it")

    supervisor = make(part("one", waits_for=ask))
    supervisor.run_until(lambda status: not status.starting)
    assert state(supervisor.status, "one").message == "DatabaseError: no connection"


def test_what_a_part_started_ends_with_it(make: Make, tmp_path: Path) -> None:
    """Also where the part itself ends at once, and its child does not."""
    child = tmp_path / "child"
    code = (
        "import pathlib, subprocess, sys, time\n"
        "c = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); "
        "time.sleep(600)'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(c.pid))\n"
        "time.sleep(600)"
    )
    supervisor = make(part("one", (sys.executable, "-c", code)))
    supervisor.run_until(lambda _: child.exists() and bool(child.read_text()))
    pid = int(child.read_text())
    supervisor.stop()
    until(lambda: not alive(pid))


def test_a_guard_that_was_killed_is_replaced_and_the_parts_with_it(make: Make) -> None:
    supervisor = make(part("one"))
    supervisor.run_until(is_running("one"))
    before = state(supervisor.status, "one").pid
    supervisor._guard._process.kill()
    supervisor._guard._process.wait()
    supervisor.run_until(lambda status: is_running("one")(status) and state(status, "one").pid != before)
    assert before and not alive(before)


def test_what_cannot_be_started_is_told_and_tried_again(make: Make, tmp_path: Path) -> None:
    supervisor = make(part("one", (str(tmp_path / "nothing"),)), part("two"))
    supervisor.run_until(lambda status: state(status, "one").restarts == 2)
    assert state(supervisor.status, "one").message.startswith("could not be started: [Errno 2]")
    assert state(supervisor.status, "two").state is PartState.RUNNING


def test_a_file_that_cannot_be_written_ends_nothing_and_is_written_later(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("the disk is full")

    supervisor = make(part("one"))
    with monkeypatch.context() as patch:
        patch.setattr("driftgate.supervision.supervisor.write_status", full)
        supervisor.run_until(is_running("one"))
    found = read_status(tmp_path)
    assert found is not None and not is_running("one")(found)
    supervisor.run_until(lambda _: True)
    assert read_status(tmp_path) == supervisor.status


SUPERVISED = textwrap.dedent(
    """
    import signal, sys
    from pathlib import Path
    from driftgate.supervision.part import Part
    from driftgate.supervision.supervisor import Supervisor
    # Tests that run under nohup hand on that it is ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    stubborn = "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    parent = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "time.sleep(600)"
    )
    parts = [
        Part("one", "One", "", (sys.executable, "-c", parent)),
        Part("two", "Two", "", (sys.executable, "-c", stubborn), environment={"STUBBORN": "1"}),
    ]
    Supervisor(parts, Path(sys.argv[1])).run_until(lambda _: False)
    """
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_supervisor_that_is_killed_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", SUPERVISED, str(tmp_path)], start_new_session=True)
    until(lambda: (found := read_status(tmp_path)) is not None and not found.starting)
    time.sleep(1)
    family = psutil.Process(process.pid).children(recursive=True)
    # Two parts, a child of one, the guard and the process that keeps its group.
    assert len(family) == 5
    os.kill(process.pid, number)
    process.wait()
    until(lambda: not any(alive(item.pid) for item in family), 25)
    assert (tmp_path / "up.json").exists()
    assert read_status(tmp_path) is None


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_a_process_is_known_by_its_start_as_well() -> None:
    started = process_started(os.getpid())
    assert is_process(os.getpid(), started)
    assert not is_process(os.getpid(), started - 60)
    assert not is_process(2**22 + 1, started)
    assert not is_process(os.getpid(), 0.0)


def test_a_clock_that_is_set_by_a_month_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    started, booted = process_started(os.getpid()), psutil.boot_time()
    for step in (-30 * 86400, 30 * 86400):
        # What the kernel says of its boot moves with the clock.
        monkeypatch.setattr(psutil._psplatform, "boot_time", lambda moved=booted + step: moved)
        assert is_process(os.getpid(), started)
