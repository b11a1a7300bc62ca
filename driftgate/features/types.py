"""The request to the feature store, and its answer."""

import json
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from driftgate.database import ConnectionParameters
from driftgate.features.entities import MonthSize
from driftgate.monitors import Monitor


class Kind(StrEnum):
    """How a declared feature is compared, from its Feast type."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TIMESTAMP = "timestamp"
    ARRAY = "array"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class DeclaredFeature:
    """One feature of the feature service. `name` is its column in the retrieved table."""

    name: str
    view: str
    dtype: str
    kind: Kind


@dataclass(frozen=True)
class FeatureRequest:
    """One month's features: whose, of which entities, and where to put the table.

    Attributes:
        repo: folder of feature_store.yaml.
        monitor: names the feature service and the source of the entities.
        size: the month, with how many of its entities are wanted.
        previous: the month before; a view needs a row after it, up to the month. None skips that question.
        out: Arrow IPC file to write, an absolute path.
    """

    repo: Path
    monitor: Monitor
    size: MonthSize
    previous: date | None
    out: Path

    @property
    def service(self) -> str:
        """Name of the feature service."""
        return self.monitor.feature_service

    @property
    def key(self) -> str:
        """Join key, a column of the answer."""
        return self.monitor.entity.feast_key

    @property
    def as_of(self) -> date:
        """The month."""
        return self.size.as_of


@dataclass(frozen=True)
class FeatureMonth:
    """The answer: an Arrow IPC file with the key and one column for each declared feature that the source has.

    Attributes:
        declared: every feature of the service, in its order.
        absent: declared features whose column the source table does not have.
        stale_views: views whose source has no row in (previous, as_of].
        rows: rows of the file.
    """

    as_of: date
    path: Path
    rows: int
    declared: tuple[DeclaredFeature, ...]
    absent: tuple[str, ...]
    stale_views: tuple[str, ...]


def feast_environment(parameters: ConnectionParameters) -> dict[str, str]:
    """Return the variables that fill feature_store.yaml; PGTZ makes every session of Feast run in UTC."""
    return {
        "POSTGRES_HOST": parameters.host,
        "POSTGRES_PORT": str(parameters.port),
        "POSTGRES_USER": parameters.user,
        "POSTGRES_PASSWORD": parameters.password,
        "POSTGRES_DB": parameters.dbname,
        # JSON quotes the password for YAML, whatever characters it has.
        "FEAST_PASSWORD_YAML": json.dumps(parameters.password, ensure_ascii=False),
        "POSTGRES_SSLMODE": parameters.sslmode,
        "FEAST_REGISTRY_URL": parameters.url_text(),
        "FEAST_USAGE": "False",
        "PGTZ": "UTC",
    }
