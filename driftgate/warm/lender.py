"""The process that forks: it has imported what is slow, has no threads, and lends a fork to whoever may have one."""

import gc
import json
import os
import resource
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from driftgate.scratch import remove_of_dead_owner
from driftgate.warm.client import (
    ASK_SECONDS,
    LIMITS,
    NUMBER,
    STREAMS,
    code_version,
    mark_lent,
    read_once,
    receive,
    short_address,
    user_of,
)

_GRACE_SECONDS = 10.0
_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


@dataclass(frozen=True)
class Program:
    """What a fork is to run: a module and its arguments, as after `python -m`."""

    module: str
    arguments: tuple[str, ...]

    def run(self) -> None:
        """Run it, as the main program of this process."""
        mark_lent()
        sys.argv = [self.module, *self.arguments]
        # It says that a module was imported before it is run, which is what a fork is for.
        warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning, "runpy")
        runpy.run_module(self.module, run_name="__main__", alter_sys=True)


class Lender:
    """Import what is slow before `run`, and start no thread."""

    def __init__(self, path: Path, modules: Sequence[str], finish: Callable[[], None] = lambda: None) -> None:
        """Import the modules and listen; the socket is this user's alone.

        Args:
            path: of the socket, in a folder that is there.
            modules: which the forks are to have imported, in this order.
            finish: what else is done once for all forks, when the modules are there.

        Raises:
            OSError: the socket cannot be made.
        """
        # Before the import: what is changed in the meantime is then taken for another code, and refused.
        self._code, self._read = code_version(), read_once(os.environ)
        # Garbage is collected meanwhile, which takes half a second: what it left behind would be holes, which each fork
        # fills in pages of its own.
        for module in modules:
            import_module(module)
        finish()
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with short_address(path) as address:
                self.listener.bind(address)
        finally:
            os.umask(before)
        self.listener.listen()
        gc.collect()
        gc.freeze()

    def run(self, until: int) -> Program | None:
        """Have forks lent until there is something to read from a descriptor, or its other end is closed.

        Another process forks, which is no child of this one: who supervises this process must not take what it lends
        for its own. It stops lending with this one, and ends with its last fork.

        Returns:
            In a fork, what it is to run: whoever called this returns to its own top, and runs it there. In this
            process None, at the end.

        Raises:
            ChildProcessError: the process that forks has ended.
        """
        (alive, held_alive), (serves, held_serving) = os.pipe(), os.pipe()
        if _fork_away():
            for descriptor in (alive, held_serving):
                os.close(descriptor)
            if until not in select.select([until, serves], [], [])[0]:
                raise ChildProcessError("the process that forks has ended")
            # It stops where this is closed.
            os.close(held_alive)
            return None
        for descriptor in (held_alive, serves):
            os.close(descriptor)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        connection = _Forker(self.listener, alive).run()
        os.close(held_serving)
        return self._become(connection)

    def close(self) -> None:
        """Stop listening."""
        self.path.unlink(missing_ok=True)
        self.listener.close()

    def _become(self, connection: socket.socket) -> Program:
        """Read what this process is to be, and have what that needs; where that cannot be, this process ends."""
        try:
            connection.settimeout(ASK_SECONDS)
            header, streams, _, _ = socket.recv_fds(connection, NUMBER.size, STREAMS)
            if not header:
                os._exit(0)
            asked = json.loads(receive(connection, NUMBER.unpack(header)[0]))
            alike = not asked["alike"] or read_once(asked["environment"]) == self._read
            if asked["code"] != self._code or not alike:
                os._exit(0)
            _take_over(asked, streams)
            connection.settimeout(None)
            threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
            connection.sendall(NUMBER.pack(os.getpid()))
        except Exception:
            traceback.print_exc()
            os._exit(0)
        module, *arguments = asked["program"]
        return Program(module, tuple(arguments))


class _Forker:
    """Forks for whoever asks, and tells each caller how its fork ended.

    One process does so for all forks: each would hold megabytes of what has changed since the import.
    """

    def __init__(self, listener: socket.socket, alive: int) -> None:
        """Begin without a fork; `alive` is a pipe whose other end is closed when nothing more is to be lent."""
        self._listener = listener
        self._alive = alive
        self._lent: dict[int, tuple[int, socket.socket]] = {}
        self._poll = select.poll()

    def run(self) -> socket.socket:
        """Serve until nothing more is to be lent and the last fork has ended, and end this process.

        Returns:
            In each fork, what connects it to its caller.
        """
        for descriptor in (self._listener.fileno(), self._alive):
            self._poll.register(descriptor, select.POLLIN)
        while self._lent or self._listener.fileno() >= 0:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._lent:
                    self._tell_status(descriptor)
                elif descriptor == self._alive:
                    self._stop()
                elif (connection := self._accept()) and self._fork(connection):
                    return connection
        os._exit(0)

    def _accept(self) -> socket.socket | None:
        """What connects this process to a caller of the same user; None for another one, or where nothing is lent."""
        if self._listener.fileno() < 0:
            return None
        connection = self._listener.accept()[0]
        if user_of(connection) == (os.geteuid(), os.getegid()):
            return connection
        connection.close()
        return None

    def _fork(self, connection: socket.socket) -> bool:
        """Fork; whether this process is the fork."""
        try:
            process = os.fork()
        except OSError:
            # The caller starts a process instead, if it can, and the other forks are served on.
            traceback.print_exc()
            connection.close()
            return False
        if process == 0:
            self._forget()
            os.setsid()
            return True
        watched = os.pidfd_open(process)
        self._lent[watched] = process, connection
        self._poll.register(watched, select.POLLIN)
        return False

    def _forget(self) -> None:
        """In a fork, close what is of the process that forks, and of the other forks."""
        self._listener.close()
        os.close(self._alive)
        for watched, (_, connection) in self._lent.items():
            os.close(watched)
            connection.close()

    def _tell_status(self, watched: int) -> None:
        process, connection = self._lent.pop(watched)
        self._poll.unregister(watched)
        os.close(watched)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        # The caller may be gone.
        with connection, suppress(OSError):
            connection.sendall(NUMBER.pack(status))

    def _stop(self) -> None:
        self._poll.unregister(self._alive)
        self._poll.unregister(self._listener)
        self._listener.close()
        # Who waits for the end of a stream must not wait for this process.
        for stream in range(STREAMS):
            os.close(stream)


def _fork_away() -> bool:
    """Fork a process that is no child of this one, in a session of its own; False in that process."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return True
    if os.fork():
        os._exit(0)
    os.setsid()
    return False


def _take_over(asked: dict[str, Any], streams: Sequence[int]) -> None:
    """Have what the process has that asked: streams, variables, folder, limits.

    Raises:
        OSError, ValueError: one cannot be had, as a limit above that of this process.
    """
    os.chdir(asked["folder"])
    os.umask(asked["umask"])
    os.nice(asked["nice"] - os.nice(0))
    for number, limits in zip(LIMITS, asked["limits"], strict=True):
        resource.setrlimit(number, tuple(limits))
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    tempfile.tempdir = None
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    _open_streams()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "numpy" in sys.modules:
        # Else every fork would draw the same numbers.
        sys.modules["numpy"].random.seed()


def _open_streams() -> None:
    """Open the standard streams as Python does at its start: it did so for another process."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = open(0, encoding=sys.stdin.encoding, closefd=False)  # noqa: SIM115
    for name, number in (("stdout", 1), ("stderr", 2)):
        before = getattr(sys, name)
        stream = open(number, "w", encoding=before.encoding, errors=before.errors, closefd=False)  # noqa: SIM115
        lines = number == 2 or os.isatty(number)
        stream.reconfigure(line_buffering=lines, write_through=unbuffered)
        setattr(sys, name, stream)


def _end_with(connection: socket.socket) -> None:
    """End this process when the one that asked for it is gone, also in the midst of a call."""
    poll = select.poll()
    poll.register(connection, _HUNG_UP)
    poll.poll()
    remove_of_dead_owner()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)
