"""What every step is, and which of its failures are tried again."""

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from driftgate.errors import DriftgateError

# Nothing that steps hand over is kept or hashed: it is files, and small records that name them.
STEP: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}


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
