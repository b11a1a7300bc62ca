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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

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

    def __init__(self, path: Path, modules: Sequence[str]) -> None:
        """Import the modules and listen; the socket is this user's alone.

        Args:
            path: of the socket, in a folder that is there.
            modules: which the forks are to have imported.

        Raises:
            OSError: the socket cannot be made.
        """
        # Before the import: what is changed in the meantime is then taken for another code, and refused.
        self._code, self._read = code_version(), read_once(os.environ)
        # Importing allocates a great many objects that all stay; collecting would write to pages that the forks share.
        gc.disable()
        for module in modules:
            import_module(module)
        gc.enable()
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
        """Fork for whoever asks, until there is something to read from a descriptor, or its other end is closed.

        Returns:
            In a fork, what it is to run: whoever called this returns to its own top, and runs it there. In this
            process None, at the end.
        """
        while until not in select.select([self.listener.fileno(), until], [], [])[0]:
            with self.listener.accept()[0] as connection:
                if user_of(connection) == (os.geteuid(), os.getegid()):
                    program = self._fork(connection)
                    if program is not None:
                        return program
        return None

    def close(self) -> None:
        """Stop listening."""
        self.path.unlink(missing_ok=True)
        self.listener.close()

    def _fork(self, connection: socket.socket) -> Program | None:
        """Fork twice: who supervises this process must not take what it lends for its own, and nobody reaps it."""
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            return None
        try:
            if os.fork() == 0:
                os.setsid()
                self.listener.close()
                return self._lend(connection.dup())
        except Exception:
            traceback.print_exc()
        os._exit(0)

    def _lend(self, connection: socket.socket) -> Program:
        """Fork once more: one stays to tell the status of the other, which is the program."""
        connection.settimeout(ASK_SECONDS)
        header, streams, _, _ = socket.recv_fds(connection, NUMBER.size, STREAMS)
        if not header:
            os._exit(0)
        asked = json.loads(receive(connection, NUMBER.unpack(header)[0]))
        alike = not asked["alike"] or read_once(asked["environment"]) == self._read
        if asked["code"] != self._code or not alike:
            os._exit(0)
        process = os.fork()
        if process:
            _tell_status(connection, process, streams)
        _take_over(asked, streams)
        connection.settimeout(None)
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        connection.sendall(NUMBER.pack(os.getpid()))
        module, *arguments = asked["program"]
        return Program(module, tuple(arguments))


def _tell_status(connection: socket.socket, process: int, streams: Sequence[int]) -> NoReturn:
    # Who waits for the end of a stream must not wait for this process.
    for stream in (*streams, *range(STREAMS)):
        os.close(stream)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with suppress(OSError):
        connection.sendall(NUMBER.pack(status))
    os._exit(0)


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
