"""Metrics of a flow run, pushed whether it succeeded or not; without PUSHGATEWAY_URL nothing is sent."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from driftgate.drift.result import ColumnState
from driftgate.errors import IncomparableColumnsError, UsageError
from driftgate.pushgateway import push_failure
from flows.runtime.environment import Runtime


class Clock:
    """How long a run has taken so far.

    Attributes:
        current: whether the run is about the present; what an old month gives must not look like today's state.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.current = True

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self._started


@contextmanager
def failures_pushed(runtime: Runtime, flow: str, monitor: str) -> Iterator[Clock]:
    """Push a failure of the block; a call that is wrong is no failure of the monitor."""
    clock = Clock()
    try:
        yield clock
    except UsageError:
        raise
    except Exception as error:
        if clock.current:
            push_failure(runtime.settings.pushgateway_url, flow, monitor, clock.seconds, _states(error))
        raise


def _states(error: Exception) -> Mapping[str, ColumnState] | None:
    if not isinstance(error, IncomparableColumnsError):
        return None
    return {name: ColumnState(state) for name, state in error.states.items()}
