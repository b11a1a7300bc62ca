"""The process that keeps an embedded server: it restarts one that was killed, and stops one that nobody uses.

Every command that uses the server holds a shared lock on a file beside the data folder, which the kernel takes back
however the command ends. The keeper holds a lock of its own in the same way, by which commands see that it was killed
and start another. This file runs as a script, with the standard library alone, so that it is small and quick.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_POLL_SECONDS = 0.5
_START_SECONDS = 24 * 3600
_NO_PROCESS = 2**22 + 1  # above the highest process id of Linux and macOS


@dataclass(frozen=True)
class Place:
    """A data folder, and how its server is started.

    Attributes:
        binaries: folder of PostgreSQL's programs.
        options: of the server, as pg_ctl takes them.
        uid: user that the server runs as, where that is another than this process's.
    """

    pgdata: str
    binaries: str
    options: str = ""
    uid: int | None = None
    gid: int | None = None

    @property
    def log(self) -> str:
        """What the server says."""
        return f"{self.pgdata}/log"

    def beside(self, suffix: str) -> str:
        """A file beside the data folder."""
        return f"{self.pgdata}.{suffix}"

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one of PostgreSQL's programs as the server's user, from a folder that it may enter."""
        # Into files: the server that pg_ctl starts keeps the streams, and a pipe would have no end.
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)]
            done = subprocess.run(
                [f"{self.binaries}/{program}", *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=streams[0],
                stderr=streams[1],
                text=True,
                cwd="/",
                user=self.uid,
                group=self.gid,
                extra_groups=[] if self.uid is not None else None,
            )
            for stream in streams:
                stream.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, streams[0].read(), streams[1].read())


@contextlib.contextmanager
def only_one(place: Place) -> Iterator[None]:
    """Start and stop the server, and count its users, one at a time."""
    descriptor = os.open(place.beside("lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def use(place: Place) -> int:
    """Be a user of the server until the descriptor that is returned is closed, or this process ends."""
    descriptor = os.open(place.beside("users"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def is_used(place: Place) -> bool:
    """Whether any process uses the server. Ask inside of `only_one`."""
    descriptor = os.open(place.beside("users"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def running_pid(place: Place) -> int | None:
    """The server's process id; None where none runs."""
    try:
        pid = int(Path(place.pgdata, "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError):
        # A process that was killed, and whose parent has not asked for its status, or another that has its id by now.
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if state == "Z" or os.fsencode(place.pgdata) not in words:
            return None
    return pid


def start(place: Place) -> "subprocess.CompletedProcess[str] | None":
    """Start the server where none runs; inside of `only_one`. Recovery after a crash takes as long as it takes."""
    if running_pid(place) is not None:
        return None
    _forget_dead(Path(place.pgdata))
    return place.run(
        "pg_ctl", "start", "-w", "-t", str(_START_SECONDS), "-o", place.options, "-l", place.log, "-D", place.pgdata
    )


def stop(place: Place) -> None:
    """Stop the server; inside of `only_one`."""
    if running_pid(place) is not None:
        place.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", place.pgdata)


def start_keeper(place: Place) -> None:
    """Start the keeper of a server, where it has none; returns at once."""
    # -I and -S: nothing of ours nor of the site is needed.
    line = [sys.executable, "-I", "-S", __file__, json.dumps(asdict(place))]
    # One that is killed meanwhile is replaced by those who watch.
    subprocess.run(line, check=False, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, close_fds=True)


def watch_keeper(place: Place, ended: threading.Event) -> None:
    """Start another keeper whenever there is none, from a thread, until the event is set; returns at once."""

    def watch() -> None:
        _wait_for_end(place)
        while not ended.is_set() and Path(place.pgdata).is_dir():
            start_keeper(place)
            # Without a pause a keeper that cannot run would be started as fast as the machine can.
            time.sleep(_POLL_SECONDS)
            _wait_for_end(place)

    def watch_quietly() -> None:
        # A folder that was removed has no server to keep.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            watch()

    threading.Thread(target=watch_quietly, name="keeper", daemon=True).start()


def _wait_for_end(place: Place) -> None:
    """Return once no keeper holds its lock. Shared, so that the commands that wait do not wait for each other."""
    descriptor = os.open(place.beside("keeper"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _forget_dead(pgdata: Path) -> None:
    """Mark the lock file of a server that was killed: its process id may be another process's by now.

    The rest of the file is kept, because PostgreSQL finds in it whether sessions of that server are still there.
    """
    lock_file = pgdata / "postmaster.pid"
    if not lock_file.is_file():
        return
    lines = lock_file.read_text(encoding="utf-8").splitlines()
    lock_file.write_text("\n".join([str(_NO_PROCESS), *lines[1:]]) + "\n", encoding="utf-8")
    if len(lines) > 4:
        (Path(lines[4]) / f".s.PGSQL.{lines[3]}.lock").unlink(missing_ok=True)


def _lock_keeper(place: Place) -> int | None:
    """The descriptor whose lock makes this process, or the child that goes on for it, the keeper; None where one is."""
    guard = os.open(place.beside("keeper"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(guard)
        return None
    return guard


def _keep(place: Place, guard: int) -> None:
    """Keep the server until nobody uses it."""
    while Path(place.pgdata).is_dir():
        with only_one(place):
            if not is_used(place):
                stop(place)
                # A user who comes now finds no keeper, and starts one.
                os.close(guard)
                return
            if running_pid(place) is None:
                start(place)
        time.sleep(_POLL_SECONDS)


def _daemon(place: Place) -> None:
    """Go on as a process that belongs to nobody, so that no signal to a command reaches it."""
    # Before the process that a command waits for ends: afterwards there is a keeper, whichever it is.
    guard = _lock_keeper(place)
    if guard is None or os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.dup2(1, 2)
    with contextlib.suppress(OSError):
        _keep(place, guard)
    os._exit(0)


if __name__ == "__main__":
    _daemon(Place(**json.loads(sys.argv[1])))
