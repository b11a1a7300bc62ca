"""What every flow and every step is, and which of its failures are tried again."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext

from driftgate.errors import DriftgateError
from flows.runtime.lost_runs import note_run

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# Nothing that steps hand over is kept or hashed: it is files, and small records that name them.
STEP: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
FLOW: dict[str, Any] = {"persist_result": False, "on_running": [note_run]}


def is_transient(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether a retry can mend the failure; wrong data and wrong configuration stay wrong."""
    try:
        state.result(raise_on_failure=True)
    except DriftgateError as error:
        return error.transient
    except Exception:
        return False
    return False


DATABASE_RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [1, 5, 15],
    "retry_condition_fn": is_transient,
}


class Awaited(Protocol[R_co]):
    """A result to come."""

    def result(self) -> R_co:
        """Wait for it."""


class Step(Generic[P, R]):
    """A function that is a Prefect task where a flow calls it, and a part of the task that calls it otherwise.

    So the steps of one run are seen and tried again one by one, and those of many runs cost nothing.
    """

    def __init__(self, function: Callable[P, R], options: dict[str, Any]) -> None:
        """Make the task of a function."""
        self.function = function
        self.task = task(**STEP, **options)(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it."""
        if TaskRunContext.get() is not None:
            return self.function(*args, **kwargs)
        return self.task(*args, **kwargs)

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Awaited[R]:
        """Start it beside the flow; within a task it runs now."""
        if TaskRunContext.get() is None:
            return cast(Awaited[R], self.task.submit(*args, **kwargs))
        done: Future[R] = Future()
        done.set_result(self.function(*args, **kwargs))
        return done


def step(name: str, **options: Any) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a step.

    Args:
        name: of its task.
        options: of its task.
    """
    return lambda function: Step(function, {"name": name, **options})
