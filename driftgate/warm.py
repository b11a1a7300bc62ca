"""A process that has slow packages imported, and forks for whoever asks: `driftgate up` keeps one with Evidently.

A fork is there in milliseconds, where the import takes seconds of one core. It is lent through a Unix socket that this
user alone may open, and only to a process that runs the same code, because the two talk in pickles. Where anything is
amiss there is no fork, and the caller starts a process as it does otherwise.
"""

import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, NoReturn

_ASK_SECONDS = 5.0
_LENGTH = struct.Struct("!I")
_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)

AVAILABLE = sys.platform == "linux"
"""Elsewhere some system libraries do not survive a fork, and a socket does not say whose it is."""


def evidently_socket(home: Path) -> Path:
    """Where the process with Evidently lends its forks."""
    return home / "evidently.sock"


@cache
def code_version() -> str:
    """What differs wherever one process could read the pickles of another in a different way."""
    root = Path(__file__).parent
    digest = sha256(repr((sys.executable, sys.version)).encode())
    # A package that is installed or replaced changes the folder of all packages.
    for path in (Path(sysconfig.get_path("purelib")), *sorted(root.rglob("*.py"))):
        found = path.stat()
        digest.update(repr((str(path), found.st_mtime_ns, found.st_size)).encode())
    return digest.hexdigest()


class Fork:
    """A process that was forked for this one. It has what `subprocess.Popen` has, as far as a worker needs it."""

    def __init__(self, connection: socket.socket, alive: BinaryIO, pid: int) -> None:
        """Take over what `borrow` opened.

        Args:
            connection: calls and answers.
            alive: a pipe whose other end the process holds open as long as it lives.
            pid: of the process.
        """
        self.pid = pid
        self.stdin: BinaryIO = connection.makefile("wb")
        self.stdout: BinaryIO = connection.makefile("rb")
        connection.close()
        self._alive = alive

    def poll(self) -> int | None:
        """None while it lives. Its status is not known: it is no child of this process."""
        return -1 if self._has_ended(0.0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it lives on.
        """
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("fork", timeout or 0.0)
        return -1

    def terminate(self) -> None:
        """End it."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    kill = terminate

    def _has_ended(self, timeout: float | None) -> bool:
        if not self._alive.closed and select.select([self._alive], [], [], timeout)[0]:
            self._alive.close()
        return self._alive.closed


def borrow(path: Path, module: str, environment: Mapping[str, str]) -> Fork | None:
    """Ask for a fork of the process that listens at a path; None where there is none to be had.

    Args:
        path: of the socket.
        module: which it must have imported.
        environment: all variables of the new process.
    """
    if not AVAILABLE:
        return None
    reading, writing = os.pipe()
    alive = os.fdopen(reading, "rb", buffering=0)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_ASK_SECONDS)
        with _short(path) as address:
            connection.connect(address)
        if _user_of(connection) != os.geteuid():
            raise PermissionError(f"{path} is of another user")
        asked = {"code": code_version(), "module": module, "environment": dict(environment), "folder": str(Path.cwd())}
        text = json.dumps(asked).encode()
        socket.send_fds(connection, [_LENGTH.pack(len(text))], [2, writing])
        connection.sendall(text)
        pid = _LENGTH.unpack(_receive(connection, _LENGTH.size))[0]
        connection.settimeout(None)
        return Fork(connection, alive, pid)
    except (OSError, EOFError):
        connection.close()
        alive.close()
        return None
    finally:
        os.close(writing)


class Lender:
    """The process that forks. Import what is slow before `run`, and start no thread."""

    def __init__(self, path: Path, modules: Sequence[str]) -> None:
        """Import the modules and listen; the socket is this user's alone.

        Args:
            path: of the socket, in a folder that is there.
            modules: which the forks are to have imported.

        Raises:
            OSError: the socket cannot be made.
        """
        # Before the import: what is changed in the meantime is then taken for another code, and refused.
        self._code = code_version()
        for module in modules:
            import_module(module)
        self.path, self._modules = path, modules
        self.listener = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with _short(path) as address:
                self.listener.bind(address)
        finally:
            os.umask(before)
        self.listener.listen()
        # Collecting would write to the pages that the forks share.
        gc.collect()
        gc.freeze()

    def run(self, until: int, serve: Callable[[BinaryIO, BinaryIO], None]) -> None:
        """Fork for whoever asks, until there is something to read from a descriptor, or its other end is closed.

        Args:
            until: the descriptor.
            serve: what a fork does with its calls and answers.
        """
        while until not in select.select([self.listener.fileno(), until], [], [])[0]:
            with self.listener.accept()[0] as connection:
                if _user_of(connection) == os.geteuid():
                    self._fork(connection, until, serve)

    def close(self) -> None:
        """Stop listening."""
        self.path.unlink(missing_ok=True)
        self.listener.close()

    def _fork(self, connection: socket.socket, until: int, serve: Callable[[BinaryIO, BinaryIO], None]) -> None:
        """Fork twice: who supervises this process must not take the fork for one of its own, and nobody reaps it."""
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            return
        try:
            if os.fork() == 0:
                os.setsid()
                self.listener.close()
                os.close(until)
                self._become(connection, serve)
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _become(self, connection: socket.socket, serve: Callable[[BinaryIO, BinaryIO], None]) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        connection.settimeout(_ASK_SECONDS)
        header, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 2)
        if not header:
            os._exit(0)
        asked = json.loads(_receive(connection, _LENGTH.unpack(header)[0]))
        if asked["code"] != self._code or asked["module"] not in self._modules:
            os._exit(0)
        # The other descriptor stays open until this process ends.
        os.dup2(descriptors[0], 2)
        os.dup2(2, 1)
        os.environ.clear()
        os.environ.update(asked["environment"])
        tempfile.tempdir = None
        os.chdir(asked["folder"])
        if "numpy" in sys.modules:
            # Else every fork would draw the same numbers.
            sys.modules["numpy"].random.seed()
        connection.settimeout(None)
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        connection.sendall(_LENGTH.pack(os.getpid()))
        serve(connection.makefile("rb"), connection.makefile("wb"))
        os._exit(0)


def _end_with(connection: socket.socket) -> None:
    """End this process when the one that borrowed it is gone, also in the midst of a call."""
    poll = select.poll()
    poll.register(connection, _HUNG_UP)
    poll.poll()
    os._exit(0)


def _receive(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def _user_of(connection: socket.socket) -> int:
    """Who is at the other end, as the kernel says."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", packed)[1])


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """An address of a socket that is short enough, however long its path is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
