"""The processes of the Prefect container: watched together, and stopped together."""

import sys
import time

import pytest

from driftgate.errors import DriftgateError
from tests.services.daemons import SERVICES, script


def test_a_child_that_ends_is_an_error_with_its_status() -> None:
    children = script(SERVICES / "prefect" / "children.py").Children()
    children.start("server", [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(DriftgateError, match="the server ended with status 3"):
        children.wait_until(lambda: False)
    children.stop(1)


def test_a_command_that_fails_is_an_error_and_leaves_the_others_running() -> None:
    children = script(SERVICES / "prefect" / "children.py").Children()
    children.start("server", ["sleep", "60"])
    children.run("first load", ["true"])
    with pytest.raises(DriftgateError, match="first load failed with status 1"):
        children.run("first load", ["false"])
    children.wait_until(lambda: True)
    children.stop(1)


def test_stopping_ends_a_child_that_ignores_the_signal() -> None:
    children = script(SERVICES / "prefect" / "children.py").Children()
    children.start("worker", ["sh", "-c", "trap '' TERM; sleep 60 & wait; wait"])
    time.sleep(0.2)
    began = time.monotonic()
    children.stop(0.3)
    assert time.monotonic() - began < 5
