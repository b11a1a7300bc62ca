"""Ask for a fork, and wait for its end."""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

AVAILABLE = sys.platform == "linux"
"""Elsewhere some system libraries do not survive a fork, and a socket does not say whose it is."""

NUMBER = struct.Struct("!i")
"""A length, a process id, and an exit status are each sent as this."""

ASK_SECONDS = 5.0
STREAMS = 3

LIMITS = tuple(sorted(number for name, number in vars(resource).items() if name.startswith("RLIMIT_")))
"""Numbers of the limits of a process, in the order in which a request has them."""

_PACKAGES = ("driftgate", "flows", "services", "streamflow")
# What Python and libraries of numbers read once, when they start.
_READ_ONCE = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONHASHSEED", "PYTHONDEVMODE", "PYTHONUTF8"),
    *("PYTHONIOENCODING", "PYTHONOPTIMIZE", "LANG", "LC_", "OMP_", "OPENBLAS_", "MKL_", "PREFECT_"),
)
_FORWARDED = (signal.SIGTERM, signal.SIGINT)


class _State:
    lent = False


def is_lent() -> bool:
    """Whether this process is a fork that was lent."""
    return _State.lent


def mark_lent() -> None:
    """Note that this process is a fork that was lent: it has what it needs, and asks for no other in its place."""
    _State.lent = True


class Fork:
    """A process that was forked for this one. It has what `subprocess.Popen` has, as far as it is needed here."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        """Take over what `start` opened.

        Args:
            connection: the process ends when it is closed, and its exit status comes through it.
            pid: of the process.
        """
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """None while it lives, else its status, negative for a signal."""
        return self.returncode if self._has_ended(0.0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its status.

        Raises:
            subprocess.TimeoutExpired: it lives on.
        """
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("fork", timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing happens where it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _has_ended(self, timeout: float | None) -> bool:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            with self._connection:
                try:
                    self.returncode = NUMBER.unpack(receive(self._connection, NUMBER.size))[0]
                except (OSError, EOFError):
                    # Who waits for it there has ended before it.
                    self.returncode = -signal.SIGKILL
        return self.returncode is not None


def start(
    path: Path,
    program: Sequence[str],
    environment: Mapping[str, str],
    *,
    streams: Sequence[int] = (0, 1, 2),
    alike: bool = True,
) -> Fork | None:
    """Start a program in a fork of the process that listens at a path; None where there is none to be had.

    Args:
        path: of the socket.
        program: name of a module and its arguments, as after `python -m`.
        environment: all variables of the new process.
        streams: descriptors of this process for its standard input, output and error.
        alike: whether the lender must have had the same variables that Python and libraries read once.
    """
    if not AVAILABLE:
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ASK_SECONDS)
        with short_address(path) as address:
            connection.connect(address)
        if user_of(connection) != (os.geteuid(), os.getegid()):
            raise PermissionError(f"{path} is of another user")
        _send(connection, streams, json.dumps(_request(program, environment, alike)).encode())
        pid = NUMBER.unpack(receive(connection, NUMBER.size))[0]
        if pid <= 0:
            raise ChildProcessError("its status instead: it could not become what was asked for")
        connection.settimeout(None)
        return Fork(connection, pid)
    except (OSError, EOFError):
        connection.close()
        return None


def lender_socket(home: Path) -> Path:
    """Where the lender of a home listens."""
    return home / "lender.sock"


def lends(path: Path) -> bool:
    """Whether a process listens at a path."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection, short_address(path) as address:
        connection.connect(address)
        return True
    return False


def run(path: Path, program: Sequence[str], environment: Mapping[str, str], *, alike: bool = True) -> int | None:
    """Run a program in a fork in place of this process, and return its status; None where there is no fork.

    Signals that ask this process to end are for the fork. Where this process is killed, the fork ends as well.
    """
    noted: list[int] = []
    fork: Fork | None = None

    def forward(number: int, _: FrameType | None) -> None:
        noted.append(number)
        if fork is not None:
            fork.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        fork = start(path, program, environment, alike=alike)
        if fork is not None:
            for number in tuple(noted):
                fork.send_signal(number)
            return fork.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in noted:
        os.kill(os.getpid(), number)
    return None


@cache
def code_version() -> str:
    """What differs wherever one process could read the pickles of another in a different way, or run other code."""
    digest = sha256(repr((sys.executable, sys.version)).encode())
    files = (path for name in _PACKAGES for path in sorted(_folder(name).rglob("*.py")))
    # A package that is installed or replaced changes the folder of all packages.
    for path in (Path(sysconfig.get_path("purelib")), *files):
        found = path.stat()
        digest.update(repr((str(path), found.st_mtime_ns, found.st_size)).encode())
    return digest.hexdigest()


def read_once(environment: Mapping[str, str]) -> dict[str, str]:
    """Those variables that a process reads once, and a fork no more."""
    return {name: value for name, value in sorted(environment.items()) if name.startswith(_READ_ONCE)}


def receive(connection: socket.socket, length: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: the other end was closed before.
    """
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def user_of(connection: socket.socket) -> tuple[int, int]:
    """User and group of the other end, as the kernel says."""
    _, user, group = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return user, group


@contextlib.contextmanager
def short_address(path: Path) -> Iterator[str]:
    """An address of a socket that is short enough, however long its path is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _folder(package: str) -> Path:
    """Where a package is imported from."""
    found = find_spec(package)
    return Path(*(found.submodule_search_locations or ())) if found else Path(__file__).parents[2] / package


def _request(program: Sequence[str], environment: Mapping[str, str], alike: bool) -> dict[str, object]:
    os.umask(mask := os.umask(0o077))
    return {
        "code": code_version(),
        "program": list(program),
        "environment": dict(environment),
        "alike": alike,
        "folder": str(Path.cwd()),
        "umask": mask,
        "limits": [resource.getrlimit(number) for number in LIMITS],
        "nice": os.nice(0),
    }


def _send(connection: socket.socket, streams: Sequence[int], text: bytes) -> None:
    socket.send_fds(connection, [NUMBER.pack(len(text))], list(streams))
    connection.sendall(text)
