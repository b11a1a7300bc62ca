"""Which failures of a step are tried again."""

from typing import Any

from prefect.states import State

from driftgate.errors import DriftgateError


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
