"""The description of a repository: as it is kept while it holds, else as Feast gives it."""

import os
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from driftgate.database import ConnectionParameters, connect
from driftgate.errors import DatabaseError
from driftgate.features.description import (
    RepositoryDescription,
    ServiceDescription,
    read_description,
    registry_fingerprint,
    save_description,
)
from driftgate.features.sources import Source

_known: dict[Path, tuple[str, RepositoryDescription]] = {}


def source_of(repo: Path, name: str) -> Source:
    """Return where the rows of a data source of the repository are.

    Raises:
        ConfigurationError: the registry has no such source.
        FeastRepositoryError: the registry cannot be read, or Driftgate cannot read this kind of source.
    """
    kept = _description(repo)
    if kept is not None and name in kept.sources:
        return kept.sources[name]
    from driftgate.features.feast_adapter import describe_source

    return describe_source(repo, name)


def service_of(repo: Path, name: str) -> ServiceDescription:
    """Return what a feature service declares and reads.

    Raises:
        FeastRepositoryError: the registry has no such service, or it or a source of it cannot be read.
    """
    kept = _description(repo)
    if kept is not None and name in kept.services:
        return kept.services[name]
    from driftgate.features.feast_adapter import describe_service

    return describe_service(repo, name)


def _description(repo: Path) -> RepositoryDescription | None:
    """Return the description of the registry as it is now; None where nothing says whether it is as it was."""
    fingerprint = registry_fingerprint(repo)
    if fingerprint is None:
        return None
    known = _known.get(repo)
    if known is not None and known[0] == fingerprint:
        return known[1]
    engine = _results()
    found = read_description(engine, repo, fingerprint) if engine else None
    if found is None:
        from driftgate.features.feast_adapter import describe_repository

        found = describe_repository(repo)
        if registry_fingerprint(repo) != fingerprint:
            return found
        if engine:
            _keep(engine, repo, fingerprint, found)
    _known[repo] = (fingerprint, found)
    return found


def _keep(engine: Engine, repo: Path, fingerprint: str, found: RepositoryDescription) -> None:
    try:
        save_description(engine, repo, fingerprint, found)
    except DatabaseError:
        # A role that may only read asks Feast each time.
        return


@cache
def _results() -> Engine | None:
    """Return the database of the results, which the variables of this process name."""
    named = os.environ
    if "POSTGRES_HOST" not in named:
        return None
    return connect(
        ConnectionParameters(
            named["POSTGRES_HOST"],
            int(named.get("POSTGRES_PORT", "5432")),
            named.get("POSTGRES_USER", ""),
            named.get("POSTGRES_PASSWORD", ""),
            named.get("POSTGRES_DB", ""),
            named.get("POSTGRES_SSLMODE", "prefer"),
        )
    )
