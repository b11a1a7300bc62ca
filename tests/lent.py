"""What the tests of lent forks call over there, and run as a program."""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from driftgate.errors import DriftgateError
from driftgate.warm.client import is_lent

FINISHED: list[str] = []
"""What the lender did before it lent."""


def finished() -> list[str]:
    """What the lender did before it lent."""
    return FINISHED


def seen() -> dict[str, object]:
    """What a fork is and has of its caller."""
    return {
        "caller": os.environ.get("OF_CALLER"),
        "added": os.environ.get("ADDED"),
        "folder": os.getcwd(),  # noqa: PTH109
        "pid": os.getpid(),
        "session": os.getsid(0),
    }


def draw() -> float:
    """A number by chance."""
    return float(np.random.random())


def say(words: str) -> None:
    """Print."""
    print(words, flush=True)


def sleep() -> None:
    """Take longer than any test."""
    time.sleep(3600)


def fail() -> None:
    """Raise an error of ours."""
    raise DriftgateError("planted", remedy="none")


def describe() -> None:
    """Print what this process is, with a line of its input."""
    os.umask(mask := os.umask(0))
    more = {
        "arguments": sys.argv[1:],
        "read": sys.stdin.readline().strip(),
        "lent": is_lent(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "umask": mask,
        "nice": os.nice(0),
    }
    print(json.dumps({**seen(), **more}))


def end(how: str) -> None:
    """End with a status, by a signal, or with an error."""
    if how == "raise":
        raise ValueError("planted")
    if int(how) < 0:
        os.kill(os.getpid(), -int(how))
    sys.exit(int(how))


def wait(*marks: str) -> None:
    """Wait for a signal, and say which it was, on standard output and by a file."""

    def ended(number: int, _: object) -> None:
        for mark in marks:
            Path(mark).touch()
        # Not by print, which may be at work.
        os.write(1, f"ends by {number}\n".encode())
        sys.exit(5)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ended)
    print("waits", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    if sys.argv[1:2] == ["end"]:
        end(sys.argv[2])
    elif sys.argv[1:2] == ["wait"]:
        wait(*sys.argv[2:])
    else:
        describe()
