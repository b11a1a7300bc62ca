"""What the tests of lent forks call over there."""

import os
import time

import numpy as np

from driftgate.errors import DriftgateError


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
