"""The embedded server: shared by commands, stopped by the last, recovered after a crash of its own or theirs."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import psutil
import pytest
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters, connect, embedded
from driftgate.database.cluster import start_cluster
from driftgate.database.embedded import embedded_parameters
from driftgate.database.keeper import Place, only_one
from driftgate.errors import DatabaseError
from tests.conftest import reachable

# A command that uses the server: says where it is, then runs each line it is given as SQL until there are no more.
COMMAND = """
import sys
from pathlib import Path
from driftgate.database import connect
from driftgate.database.embedded import embedded_parameters
from driftgate.errors import DriftgateError
try:
    parameters = embedded_parameters(Path(sys.argv[1]))
except DriftgateError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
print(parameters.host, flush=True)
for line in sys.stdin:
    engine = connect(parameters)
    with engine.begin() as connection:
        result = connection.exec_driver_sql(line)
        print(result.scalars().all() if result.returns_rows else "done", flush=True)
    engine.dispose()
"""


class Command:
    """A running command."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """What it prints next."""
        assert self.process.stdout is not None and self.process.stderr is not None
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(self.process.stderr.read())
        return answer.strip()

    def run(self, statement: str) -> str:
        """Have it run one statement."""
        assert self.process.stdin is not None
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        return self.line()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        """Let it end by itself."""
        _, errors = self.process.communicate(timeout=60)
        assert (self.process.returncode, errors) == (0, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def new_home() -> Iterator[Path]:
    # The path of a Unix socket may have about a hundred characters.
    home = reachable(Path(tempfile.mkdtemp(prefix="dg")))
    try:
        yield home
    finally:
        if (pid := postmaster(home)) is not None:
            psutil.Process(pid).kill()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as folder:
        yield folder


def postmaster(home: Path) -> int | None:
    """The process id of the server under `home`, if one runs."""
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["name"] == "postgres" and "-D" in words and str(home / "postgres") in words:
            return process.pid
    return None


def wait_until_gone(pid: int) -> None:
    """Return when a killed process and the children that watch it have ended."""
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the process is still there"
        time.sleep(0.05)


def test_commands_share_one_server_and_the_last_one_stops_it(home: Path) -> None:
    with Command(home) as first, Command(home) as second:
        assert first.line() == second.line()
        pid = postmaster(home)
        assert pid is not None
        first.run("CREATE TABLE kept AS SELECT 42 AS answer")
        assert second.run("SELECT answer FROM kept") == "[42]"
        first.end()
        assert postmaster(home) == pid
        assert second.run("SELECT answer FROM kept") == "[42]"
        second.end()
    assert postmaster(home) is None

    with Command(home) as third:
        third.line()
        assert third.run("SELECT answer FROM kept") == "[42]"
        third.end()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def keepers(home: Path) -> list[int]:
    """The process ids of those who keep the server under `home`."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if f'"{home / "postgres"}"' in (words := " ".join(process.info["cmdline"] or [])) and "keeper.py" in words
    ]


def test_a_server_whose_users_were_killed_stops_by_itself(home: Path) -> None:
    with Command(home) as first, Command(home) as second:
        for command in (first, second):
            command.line()
        first.run("CREATE TABLE kept AS SELECT 42 AS answer")
        assert len(keepers(home)) == 1
        first.kill()
        time.sleep(1.5)
        assert second.run("SELECT answer FROM kept") == "[42]"
        second.kill()
    wait_until(lambda: postmaster(home) is None and not keepers(home))

    with Command(home) as next_one:
        next_one.line()
        assert next_one.run("SELECT answer FROM kept") == "[42]"
        next_one.end()
    assert postmaster(home) is None
    wait_until(lambda: not keepers(home))


@pytest.mark.parametrize("times", [1, 3])
def test_a_server_that_is_killed_under_a_command_is_started_again_and_the_command_goes_on(
    home: Path, times: int
) -> None:
    with Command(home) as command:
        command.line()
        command.run("CREATE TABLE kept AS SELECT 42 AS answer")
        for _ in range(times):
            pid = postmaster(home)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert command.run("SELECT answer FROM kept") == "[42]"
            assert postmaster(home) not in (None, pid)
        command.end()
    assert postmaster(home) is None


def test_a_server_that_is_killed_before_its_database_is_made_is_waited_for(home: Path) -> None:
    """It is away, and recovers, while the command asks for its database for the first time."""
    admin = replace(embedded_parameters(home), dbname="postgres")
    pid = postmaster(home)
    assert pid is not None
    with ThreadPoolExecutor() as threads:
        with only_one(Place(str(home / "postgres"), "")):
            os.kill(pid, signal.SIGKILL)
            wait_until_gone(pid)
            asked = threads.submit(embedded._ensure_database, admin, "another")
            time.sleep(1)
            assert not asked.done()
        # Now its keeper may start it.
        asked.result(timeout=120)
    engine = connect(replace(admin, dbname="another"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()
    # The home goes with this test, and this process stays.
    cluster = start_cluster(home / "postgres")
    atexit.unregister(cluster.close)
    cluster.close()


def test_a_keeper_that_was_killed_is_replaced_by_the_command_and_the_server_ends_with_it(home: Path) -> None:
    with Command(home) as command:
        command.line()
        [pid] = keepers(home)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: keepers(home) not in ([], [pid]))
        # The command is asked nothing meanwhile.
        command.kill()
    wait_until(lambda: postmaster(home) is None and not keepers(home))


def test_a_keeper_that_is_killed_while_it_starts_is_replaced_as_well(home: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nif mkdir {tmp_path}/killed 2>/dev/null; then kill -KILL $$; fi\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    code = f"import sys\nsys.executable = {str(python)!r}\n{COMMAND}"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline().strip() == str(home / "postgres")
    assert (tmp_path / "killed").is_dir()
    wait_until(lambda: len(keepers(home)) == 1)
    process.kill()
    process.communicate()
    wait_until(lambda: postmaster(home) is None)


def the_keeper(home: Path) -> int:
    """The only keeper, once there is one: of two that begin at once, one finds the other and ends."""
    while True:
        match keepers(home):
            case [pid]:
                return pid
        time.sleep(0.05)


def test_two_commands_whose_keeper_was_killed_have_one(home: Path) -> None:
    with Command(home) as first, Command(home) as second:
        for command in (first, second):
            command.line()
        for _ in range(3):
            pid = the_keeper(home)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda killed=pid: len(keepers(home)) == 1 and keepers(home) != [killed])
        server = postmaster(home)
        first.end()
        second.end()
        assert server is not None and postmaster(home) is None
    wait_until(lambda: not keepers(home))


def test_queries_are_not_compiled(database: Engine) -> None:
    with database.connect() as connection:
        assert connection.execute(text("SHOW jit")).scalar_one() == "off"


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any of this."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("reused", [False, True], ids=["its id is free", "its id belongs to another process now"])
def test_a_killed_server_is_recovered_with_its_data(
    home: Path, bystander: subprocess.Popen[bytes], reused: bool
) -> None:
    with Command(home) as command:
        command.line()
        command.run("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        pid = postmaster(home)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until_gone(pid)
        command.kill()
    lock_file = home / "postgres" / "postmaster.pid"
    assert lock_file.is_file(), "a server that was killed cannot have tidied up"
    if reused:
        # As after a restart of the machine, or of a container, where ids are few and soon used again.
        lines = lock_file.read_text().splitlines()
        lock_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")

    with Command(home) as next_one:
        next_one.line()
        assert postmaster(home) not in (None, pid)
        assert next_one.run("SELECT count(*) FROM kept") == "[1000]"
        next_one.end()
    assert postmaster(home) is None
    assert bystander.poll() is None


def test_a_home_that_cannot_be_written_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError) as caught:
        embedded_parameters(tmp_path / "file" / "home")
    assert str(tmp_path / "file" / "home") in caught.value.received
    assert "DRIFTGATE_HOME" in caught.value.remedy
    assert not caught.value.received.endswith("]"), "the cause is quoted as text, not as a list"


def test_a_server_that_dies_at_its_start_is_an_error_with_a_remedy(home: Path) -> None:
    with Command(home) as command:
        command.line()
        command.end()
    (home / "postgres" / "postgresql.conf").write_text("no_such_setting = on\n")
    with Command(home) as broken:
        _, errors = broken.process.communicate(timeout=60)
    assert broken.process.returncode == DatabaseError.exit_code
    assert "Traceback" not in errors
    assert "postgres/log" in errors
    assert "no_such_setting" in (home / "postgres" / "log").read_text()


def test_a_database_with_an_awkward_name(server: ConnectionParameters) -> None:
    # The session's server, so that no other has to start.
    name = 'Week"ly 50% of:it'
    parameters = embedded_parameters(Path(server.host).parent, name)
    engine = connect(parameters)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar_one() == name
    engine.dispose()
