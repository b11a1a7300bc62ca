"""MLflow's errors as Driftgate's errors: they say whether a retry can mend them, and never contain a password."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.exc import DBAPIError

from driftgate.database import ConnectionParameters
from driftgate.database.engine import translate
from driftgate.errors import DriftgateError, OutputError

SCHEMA = "mlflow"


@contextmanager
def mlflow_errors(what: str, parameters: ConnectionParameters, artifacts: Path | None = None) -> Iterator[None]:
    """Turn MLflow's errors into Driftgate's; the driver's error beneath says whether a retry can mend it."""
    try:
        yield
    except DriftgateError:
        raise
    except Exception as error:
        raise _ours(error, what, parameters, artifacts) from error


def _ours(error: Exception, what: str, parameters: ConnectionParameters, artifacts: Path | None) -> DriftgateError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DBAPIError):
            return translate(cause, what, parameters)
        if isinstance(cause, OSError) and artifacts is not None:
            return OutputError(
                f"models cannot be written to {artifacts}: {cause.strerror or cause}",
                remedy="make the folder writable for this user, or set MLFLOW_ARTIFACTS to one that is",
            )
        cause = cause.__cause__ or cause.__context__
    message = str(error)
    # The message may contain the address of the store with the password, plain or quoted.
    for secret in {parameters.password, quote(parameters.password, safe="")} - {""}:
        message = message.replace(secret, "***")
    return DriftgateError(
        f"MLflow failed while {what}: {type(error).__name__}: {message[:600]}",
        remedy=f"see the cause above; MLflow's tables are in the schema {SCHEMA} of the database",
    )
