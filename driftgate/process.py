"""How a process of ours ends: by SIGTERM with 143 and by Ctrl-C with 130, without a traceback, and never with 0.

A signal raises SystemExit where the process is, so that what it started is ended in order. That can go wrong in three
ways, each of which is met here: within an import, libraries turn the exception into another one; in a callback, Python
prints and drops it; and other handlers (Prefect's, uvicorn's) may keep it to themselves. So every signal is noted where
Python itself notes it, and what was noted decides the exit status.

Python runs handlers between two of its own steps, and a call of a library can take for ever: a client of PostgreSQL
waits for a frozen server as if no signal came. So a thread asks the main one, by a signal that nothing else minds,
whether it still runs handlers. Where it does not, that thread ends the process as a kill would, and the next command
clears away what is left.
"""

import atexit
import contextlib
import logging
import math
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NoReturn, TextIO

from driftgate.errors import ConfigurationError, DriftgateError, OutputError

_NUMBERS = (signal.SIGTERM, signal.SIGINT)
_AGAIN_SECONDS = 10.0
_DEAF_SECONDS = 5.0
_ASK_SECONDS, _LOOK_SECONDS = 0.25, 1.0
_LAST_SECONDS = 2.0
_ASK = signal.SIGURG
_PARENT_SECONDS = 0.5
_IMPORT_SECONDS, _JOIN_SECONDS = 60.0, 0.05
_GOOD_FILES, _LEAST_FILES = 1024, 256
_MORE_MEMORY = "`ulimit -v unlimited`"
_NO_MEMORY = ("cannot allocate memory", "failed to map segment", "can't start new thread", "unable to allocate")
_IMPORT_FILES = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


class _State:
    noted = 0
    failed = 0
    leaving = False
    keep_logging = False
    most_seconds = math.inf
    heard = 0.0
    last_steps: ClassVar[list[Callable[[], None]]] = []
    ears: tuple[socket.socket, socket.socket] | None = None
    imports: ClassVar[list[threading.Thread]] = []


def end_on_signals(*, keep_logging: bool = False, most_seconds: float = math.inf) -> None:
    """Begin to note signals; the first thing that a process of ours does, before it imports what is slow.

    Args:
        keep_logging: go on logging after a signal, as a service does that answers what it has begun to.
        most_seconds: that may pass between a signal and the end; whatever is not done by then is cut off.
    """
    if _State.ears is not None:
        return
    _State.keep_logging, _State.most_seconds = keep_logging, most_seconds
    _State.ears = ears = socket.socketpair()
    for end in ears:
        end.setblocking(False)
    # Python writes each signal's number there, whoever handles it.
    signal.set_wakeup_fd(ears[1].fileno(), warn_on_full_buffer=False)
    for number in _NUMBERS:
        signal.signal(number, _end)
    signal.signal(_ASK, _hear)
    # Registered first, called last: what is registered later has ended by then.
    atexit.register(_last)
    for hook in ("excepthook", "unraisablehook"):
        setattr(sys, hook, _quiet(getattr(sys, hook)))
    threading.excepthook = _quiet(threading.excepthook)
    # The thread inherits the mask, so that a signal which `become` blocks waits, and does not end with this thread.
    signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)
    threading.Thread(target=_listen, name="signals", daemon=True).start()
    # Those that `become` blocked come now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NUMBERS)


def import_beside(module: str) -> Callable[[], None]:
    """Begin to import a slow module in a thread, while this one waits for something else.

    Returns:
        What waits for the import, and raises what it raised. An import statement in its place would find a module
        that is gone again, and say that instead.
    """
    done: Future[None] = Future()

    def load() -> None:
        try:
            import_module(module)
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    thread = threading.Thread(target=load, name=f"import of {module}", daemon=True)
    _State.imports.append(thread)
    thread.start()
    return done.result


def end_with_parent(parent: int, then: Callable[[], None]) -> None:
    """Watch the process that started this one, from a thread, and call `then` once it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_SECONDS)
        then()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def before_end(step: Callable[[], None]) -> None:
    """Have a step taken, once, where a signal ends the process: as it leaves, or before it is cut off."""
    _State.last_steps.append(step)


def noted_signal() -> int:
    """The number of the first signal that asked this process to end; 0 where none did."""
    if _State.ears is not None:
        with contextlib.suppress(BlockingIOError, OSError):
            for number in _State.ears[0].recv(64):
                if number in _NUMBERS:
                    _State.noted = _State.noted or number
    return _State.noted


def become(arguments: Sequence[str]) -> NoReturn:
    """Go on as another Python program of ours, which begins with `end_on_signals`: until then, signals wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)
    os.execv(sys.executable, [sys.executable, *arguments])


def require_files() -> None:
    """Raise the limit on open files as far as this user may, and check that it is enough.

    Raises:
        ConfigurationError: it is not; without files, packages fail to import with whatever they have to say.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _GOOD_FILES if hard == resource.RLIM_INFINITY else min(hard, _GOOD_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft != resource.RLIM_INFINITY and soft < _LEAST_FILES:
        raise ConfigurationError(
            f"this process may open {soft} files at a time",
            allowed=f"{_LEAST_FILES} or more",
            remedy=f"raise the limit, as by `ulimit -n {_GOOD_FILES}`",
        )


def require_memory(megabytes: int) -> None:
    """Check that this process may use so much address space.

    Raises:
        ConfigurationError: it may not; without memory, libraries end the process, with whatever they have to say.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < megabytes * 2**20:
        raise ConfigurationError(
            f"this process may use {soft // 2**20} MB of address space",
            allowed=f"{megabytes} MB or more",
            remedy=f"raise the limit, as by {_MORE_MEMORY}",
        )


def limited_memory(error: BaseException) -> ConfigurationError | None:
    """The plain error for one that is due to a limit on memory; None for any other."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    said = str(error).lower()
    due = isinstance(error, MemoryError) or any(part in said for part in _NO_MEMORY)
    if not due or soft == resource.RLIM_INFINITY:
        return None
    return ConfigurationError(
        f"this process may use {soft // 2**20} MB of address space, and needed more: {type(error).__name__}: {error}",
        remedy=f"raise the limit, as by {_MORE_MEMORY}",
    )


def run_program(work: Callable[[], None]) -> NoReturn:
    """Do the work of a program and end the process, with one plain line on standard error for an error of ours.

    The status is 0 at the end of the work, that of the error's family, or that of the signal that was noted. Where
    standard output could not be written it is that of an OutputError; where its reader has gone, that of SIGPIPE.
    """
    # Typer replaces it where its reader has gone.
    output = sys.stdout
    try:
        require_files()
        work()
        status = 0
    except DriftgateError as error:
        if not noted_signal():
            _say(error)
        status = error.exit_code
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        # So Typer ends where a write meets that the reader has gone.
        if isinstance(end.__context__, BrokenPipeError):
            status = _end_output(output, end.__context__) or status
    except BaseException as error:
        # What fails after a signal fails because of it.
        if noted_signal():
            leave(1)
        if (limited := limited_memory(error)) is not None:
            _say(limited)
            leave(limited.exit_code)
        if isinstance(error, OSError) and (lost := _end_output(output, error)):
            leave(lost)
        _await_imports()
        raise
    lost = _end_output(output)
    leave(status if status > 1 else lost or status)


def _end_output(output: TextIO | None, failed: OSError | None = None) -> int:
    """Write what is left of standard output; where that cannot be done, say so once and return the status of it.

    Args:
        output: where the program wrote to; None where that was closed from the beginning.
        failed: what a write failed with that may have been one to it: then one line end more is tried, because without
            a buffer nothing is left.
    """
    if output is None:
        return 0
    try:
        if failed is not None and failed.filename is None:
            output.write("\n")
        output.flush()
    except OSError as error:
        # Python writes what is left once more at the exit.
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), output.fileno())
        if isinstance(error, BrokenPipeError):
            return 128 + signal.SIGPIPE
        lost = OutputError(
            f"standard output cannot be written: {error.strerror}", remedy="make room there, or send it elsewhere"
        )
        _say(lost)
        return lost.exit_code
    return 0


def abort(error: Exception) -> NoReturn:
    """End the process at once, from any thread, with one plain line: what its other threads wait for will not come.

    It ends as it would by a kill, so that what it leaves is cleared away by the next command.
    """
    number = noted_signal()
    if number:
        os._exit(128 + number)
    _say(error)
    sys.stderr.flush()
    os._exit(error.exit_code if isinstance(error, DriftgateError) else 1)


def _say(error: Exception) -> None:
    # Where nothing can be written there either, the status alone says it.
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{type(error).__name__}: {error}\n")


def note_failure(error: DriftgateError) -> None:
    """Have the process end with the status of an error, also where a signal asks for its end."""
    _State.failed = _State.failed or error.exit_code


def leave(status: int) -> NoReturn:
    """End the process: with the status of a failure or of a signal that was noted, else with the given one.

    Signals that come from here on change the status and interrupt nothing. Imports that go on beside are waited for.
    """
    _State.leaving = True
    _await_imports()
    number = noted_signal()
    if number:
        _take_last_steps()
    sys.exit(_State.failed or (128 + number if number else status))


def _await_imports() -> None:
    """Wait for the imports that go on beside, unless a signal asks for the end.

    Python ends the threads that are left at the exit by unwinding them. Much of what is imported has native code that
    does not let itself be unwound: it aborts the process then, with status 134.
    """
    deadline = time.monotonic() + _IMPORT_SECONDS
    for thread in _State.imports:
        while thread.is_alive() and not noted_signal() and time.monotonic() < deadline:
            thread.join(_JOIN_SECONDS)


def _end(number: int, frame: FrameType | None) -> None:
    _State.noted = _State.noted or number
    if _State.leaving:
        return
    _silence()
    if _importing(frame):
        _State.leaving = True
        atexit._run_exitfuncs()
    raise SystemExit(128 + number)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename in _IMPORT_FILES:
            return True
        frame = frame.f_back
    return False


def _last() -> None:
    """The last thing of all: set the status where a signal was noted and its exception was lost."""
    _State.leaving = True
    number = noted_signal()
    if number:
        # Registered before us, it would come after us.
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(_State.failed or 128 + number)
    # What comes now ends the process as it ends any other.
    signal.set_wakeup_fd(-1)
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_DFL)


def _listen() -> None:
    """Wait for the first signal, send it again where it was lost, and end the process where that is in vain."""
    assert _State.ears is not None
    while not noted_signal():
        # With an end: the main thread may have read the signal before this one has seen it.
        select.select([_State.ears[0]], [], [], _LOOK_SECONDS)
    _silence()
    begun = sent = _State.heard = time.monotonic()
    while True:
        signal.pthread_kill(_main(), _ASK)
        time.sleep(_ASK_SECONDS)
        now = time.monotonic()
        if now - _State.heard > _DEAF_SECONDS or now - begun > _State.most_seconds:
            _cut_off()
        if now - sent > _AGAIN_SECONDS and not _State.leaving:
            sent = now
            os.kill(os.getpid(), _State.noted)


def _cut_off() -> NoReturn:
    # In a thread, because one that waits for what is frozen must not hold the end up.
    last = threading.Thread(target=_take_last_steps, daemon=True)
    last.start()
    last.join(_LAST_SECONDS)
    os._exit(128 + _State.noted)


def _take_last_steps() -> None:
    while _State.last_steps:
        with contextlib.suppress(Exception):
            _State.last_steps.pop()()


def _hear(_number: int, _frame: FrameType | None) -> None:
    """In the main thread, which runs handlers."""
    _State.heard = time.monotonic()


def _main() -> int:
    identity = threading.main_thread().ident
    assert identity is not None
    return identity


def _silence() -> None:
    """What is logged from now on is about steps that were cut off, each with a traceback of its own."""
    logging.raiseExceptions = False
    if not _State.keep_logging:
        logging.disable(logging.CRITICAL)


def _quiet(hook: Any) -> Any:
    """A hook that says nothing once a signal was noted: what fails then, fails because the process ends."""

    def quiet(*arguments: Any) -> None:
        if not noted_signal():
            hook(*arguments)

    return quiet
