"""What a Feast repository declares, kept in PostgreSQL so that a run on landed months need not import Feast.

A description holds as long as the registry and feature_store.yaml are as they were: it is kept with a fingerprint of
both. What a description does not have, because Driftgate cannot read it or because it is not there, is asked of Feast,
which says what is wrong.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Column, Engine, Table, Text, create_engine, select
from sqlalchemy import column as column_named
from sqlalchemy import table as table_named
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from driftgate.database import create_tables, metadata
from driftgate.features.repository import project_of, registry_settings
from driftgate.features.sources import Source
from driftgate.features.types import DeclaredFeature, Kind
from driftgate.files import read_named, require_regular

_FORMAT = 1
# Tables of Feast's SQL registry, with the column of the definition. Materialization does not change them all.
_REGISTRY_TABLES = {
    "data_sources": "data_source_proto",
    "feature_views": "feature_view_proto",
    "stream_feature_views": "feature_view_proto",
    "on_demand_feature_views": "feature_view_proto",
    "feature_services": "feature_service_proto",
}

feast_descriptions = Table(
    "feast_descriptions",
    metadata,
    Column("repo", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("description", Text, nullable=False),
)


@dataclass(frozen=True)
class ViewDescription:
    """A view of a service that reads a source.

    Attributes:
        name: what the service calls it.
        keys: join keys.
        life: how far back the join looks.
    """

    name: str
    keys: tuple[str, ...]
    life: timedelta
    source: Source


@dataclass(frozen=True)
class ServiceDescription:
    """A feature service.

    Attributes:
        declared: every feature of the service, in its order.
        prefixed: whether all names begin with their view, because views share a name.
        views: those that read a source.
        computed: digest of the views that compute their features from others.
    """

    declared: tuple[DeclaredFeature, ...]
    prefixed: bool
    views: tuple[ViewDescription, ...]
    computed: str = ""

    def plain(self, item: DeclaredFeature) -> str:
        """Return the name in its view, without a prefix of the join; the name itself may begin with view and `__`."""
        return item.name.removeprefix(f"{item.view}__") if self.prefixed else item.name

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON's types."""
        found = asdict(self)
        for view in found["views"]:
            view["life"] = view["life"].total_seconds()
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        declared = tuple(DeclaredFeature(**{**item, "kind": Kind(item["kind"])}) for item in data["declared"])
        views = tuple(
            ViewDescription(view["name"], tuple(view["keys"]), timedelta(seconds=view["life"]), _source(view["source"]))
            for view in data["views"]
        )
        return cls(declared, data["prefixed"], views, data["computed"])

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RepositoryDescription:
    """The data sources and feature services of a repository that Driftgate can read, by name."""

    sources: Mapping[str, Source]
    services: Mapping[str, ServiceDescription]

    def to_json(self) -> str:
        """The description as text."""
        sources = {name: asdict(source) for name, source in self.sources.items()}
        services = {name: service.to_dict() for name, service in self.services.items()}
        return json.dumps({"sources": sources, "services": services})

    @classmethod
    def from_json(cls, content: str) -> Self:
        """Read what `to_json` gave."""
        data = json.loads(content)
        return cls(
            {name: _source(source) for name, source in data["sources"].items()},
            {name: ServiceDescription.from_dict(service) for name, service in data["services"].items()},
        )


def _source(data: Mapping[str, Any]) -> Source:
    return Source(**{**data, "mapping": tuple((old, new) for old, new in data["mapping"])})


def registry_fingerprint(repo: Path) -> str | None:
    """Return the SHA-256 over the registry's content and feature_store.yaml; None where Feast alone can read it.

    Raises:
        FeastRepositoryError: feature_store.yaml is missing or unreadable.
    """
    settings = registry_settings(repo)
    kind, path = settings.get("registry_type", "file"), str(settings.get("path", ""))
    content = _sql_registry(path, project_of(repo)) if kind == "sql" else _file_registry(repo, kind, path)
    if content is None:
        return None
    digest = hashlib.sha256(f"{_FORMAT} {version('feast')}\0".encode())
    digest.update(read_named(repo / "feature_store.yaml").encode())
    digest.update(content)
    return digest.hexdigest()


def _file_registry(repo: Path, kind: str, path: str) -> bytes | None:
    if kind != "file" or "://" in path:
        return None
    try:
        require_regular(repo / path)
        return (repo / path).read_bytes()
    except OSError:
        return None


def _sql_registry(url: str, project: str) -> bytes | None:
    digest = hashlib.sha256()
    try:
        with _registry_engine(url).connect() as connection:
            for table, column in _REGISTRY_TABLES.items():
                named = table_named(table, column_named(column), column_named("project_id"))
                rows = connection.execute(select(named.c[column]).where(named.c.project_id == project)).scalars()
                for content in sorted(hashlib.sha256(bytes(row)).digest() for row in rows):
                    digest.update(content)
                digest.update(table.encode())
    except SQLAlchemyError:
        # Feast says what is wrong with its registry.
        return None
    return digest.digest()


@cache
def _registry_engine(url: str) -> Engine:
    return create_engine(url, pool_pre_ping=True)


def read_description(engine: Engine, repo: Path, fingerprint: str) -> RepositoryDescription | None:
    """Return what is kept of a repository under this fingerprint, or None."""
    columns = feast_descriptions.c
    query = select(columns.description).where(columns.repo == str(repo), columns.fingerprint == fingerprint)
    try:
        with engine.connect() as connection:
            found = connection.execute(query).scalar_one_or_none()
    except SQLAlchemyError:
        # No table yet, or no database: Feast can still be asked.
        return None
    return RepositoryDescription.from_json(found) if found is not None else None


def save_description(engine: Engine, repo: Path, fingerprint: str, description: RepositoryDescription) -> None:
    """Keep a description in place of an earlier one of the repository.

    Raises:
        DatabaseError: the role may not create the table.
    """
    create_tables(engine)
    row = {"repo": str(repo), "fingerprint": fingerprint, "description": description.to_json()}
    changed = {name: value for name, value in row.items() if name != "repo"}
    with engine.begin() as connection:
        connection.execute(
            insert(feast_descriptions).values(row).on_conflict_do_update(index_elements=["repo"], set_=changed)
        )
