"""Queries on MLflow's tables about one registered model.

Importing mlflow takes five seconds and a hundred megabytes. A process that only reads the champion does not need it. A
query takes a third of a millisecond, MLflow's client seven milliseconds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from driftgate.database import ConnectionParameters, connect, database_errors
from driftgate.database.locks import Lock, session_lock
from driftgate.database.sqlstates import SqlState, sqlstate

# Of a version: what it was trained on and how, as one word.
IDENTITY_TAG = "driftgate.identity"
# Of a version: the monitor for which it was trained.
MONITOR_TAG = "monitor"

_ALIAS = text(
    "SELECT version FROM mlflow.registered_model_aliases "
    "WHERE workspace = 'default' AND name = :name AND alias = :alias"
)
_LIVE = "workspace = 'default' AND name = :name AND current_stage <> 'Deleted_Internal'"
_TAGGED = "FROM mlflow.model_versions JOIN mlflow.model_version_tags USING (workspace, name, version)"
_TAG = text(f"SELECT value {_TAGGED} WHERE {_LIVE} AND version = :version AND key = :key")
_VERSIONS = text(f"SELECT version FROM mlflow.model_versions WHERE {_LIVE} ORDER BY version")  # noqa: S608
_SAME = text(f"SELECT version {_TAGGED} WHERE {_LIVE} AND key = :key AND value = :identity ORDER BY version DESC")
_ALL_LIVE = "workspace = 'default' AND current_stage <> 'Deleted_Internal'"
_MODELS = text(f"SELECT DISTINCT name FROM mlflow.model_versions WHERE {_ALL_LIVE} ORDER BY name")  # noqa: S608
_OF_MONITOR = text(f"SELECT DISTINCT name {_TAGGED} WHERE {_ALL_LIVE} AND key = :key AND value = :monitor")
_UNFINISHED = text(
    "SELECT run_uuid FROM mlflow.runs JOIN mlflow.tags USING (run_uuid) WHERE key = :key AND status = 'RUNNING'"
)


@dataclass(frozen=True)
class MlflowTables:
    """One registered model. Every method raises DatabaseError where the database refuses or cannot be reached."""

    parameters: ConnectionParameters
    name: str

    @cached_property
    def _engine(self) -> Engine:
        return connect(self.parameters)

    def close(self) -> None:
        """Close idle connections; later queries open new ones."""
        self._engine.dispose()

    def alias(self, alias: str) -> str | None:
        """Return the version that an alias points at."""
        return next(iter(self._scalars(_ALIAS, alias=alias)), None)

    def versions(self) -> list[str]:
        """Return all versions that were not deleted, oldest first."""
        return self._scalars(_VERSIONS)

    def tag(self, version: str, key: str) -> str | None:
        """Return a tag of a version; None where the tag or the version is absent."""
        if not (version.isascii() and version.isdecimal() and len(version) < 10):
            return None
        return next(iter(self._scalars(_TAG, version=int(version), key=key)), None)

    def with_identity(self, identity: str) -> list[str]:
        """Return the versions of the same training, newest first."""
        return self._scalars(_SAME, key=IDENTITY_TAG, identity=identity)

    def models(self) -> list[str]:
        """Return the names of all models that have versions, whichever this one is."""
        return self._scalars(_MODELS)

    def models_of(self, monitor: str) -> list[str]:
        """Return the names of the models that were trained for a monitor."""
        return self._scalars(_OF_MONITOR, key=MONITOR_TAG, monitor=monitor)

    def unfinished_runs(self) -> list[str]:
        """Return the runs of trainings, of any model, that nobody has ended. Ask inside of `only_one`."""
        return self._scalars(_UNFINISHED, key=IDENTITY_TAG)

    @contextmanager
    def only_one(self, what: str) -> Iterator[None]:
        """Hold a session lock: MLflow writes in several transactions, and those of two writers must not mix."""
        with database_errors(what, self.parameters), session_lock(self._engine, Lock.MODEL_REGISTRY):
            yield

    def _scalars(self, statement: Any, **values: object) -> list[str]:
        """Return the first column of a query's rows as text; nothing where MLflow has no tables yet."""
        with database_errors(f"asking for {self.name}", self.parameters):
            try:
                with self._engine.connect() as connection:
                    found = connection.execute(statement, {"name": self.name, **values}).scalars()
                    return [str(value) for value in found]
            except ProgrammingError as error:
                if sqlstate(error) in (SqlState.UNDEFINED_TABLE, SqlState.INVALID_SCHEMA_NAME):
                    return []
                raise
