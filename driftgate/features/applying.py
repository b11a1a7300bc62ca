"""Apply the Feast repository where its files have changed since the last time; repeated calls are safe."""

import hashlib
import logging
import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Column, Connection, DateTime, Engine, Table, Text, func, select
from sqlalchemy.dialects.postgresql import insert

from driftgate.database import ConnectionParameters, database_errors, metadata, prepare_database
from driftgate.database.locks import Lock, session_lock
from driftgate.errors import FeastRepositoryError
from driftgate.features.repository import project_of, require_repository, without_input
from driftgate.features.types import feast_environment

_log = logging.getLogger(__name__)
_APPLY_TIMEOUT_SECONDS = 600

feast_applied = Table(
    "feast_applied",
    metadata,
    Column("project", Text, primary_key=True),
    Column("repo", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False),
)


def repository_fingerprint(repo: Path) -> str:
    """Return the SHA-256 over the names and contents of the repository's Python and YAML files.

    Raises:
        FeastRepositoryError: there is no feature_store.yaml.
    """
    require_repository(repo)
    digest = hashlib.sha256()
    for path in sorted([*repo.rglob("*.py"), *repo.rglob("*.yaml")]):
        if not path.is_file():
            # Feast imports files; a pipe would keep us waiting for ever.
            continue
        content = path.read_bytes()
        digest.update(f"{path.relative_to(repo)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def ensure_applied(engine: Engine, parameters: ConnectionParameters, repo: Path, *, force: bool = False) -> bool:
    """Apply the repository unless this database has seen the same files before.

    Returns:
        Whether it was applied now.

    Raises:
        FeastRepositoryError: the repository is missing, or feast refuses it; the message has feast's last lines.
        DatabaseError: the database refuses or cannot be reached.
    """
    fingerprint = repository_fingerprint(repo)
    project = project_of(repo)
    prepare_database(engine)
    # Of two processes that apply at the same time, both create the registry's tables, and one fails.
    with database_errors("applying the Feast repository"), session_lock(engine, Lock.FEAST_APPLY) as connection:
        if not force and _known(connection, project) == fingerprint:
            return False
        _apply(parameters, repo)
        _record(connection, project, repo, fingerprint)
    return True


def _known(connection: Connection, project: str) -> str | None:
    known = connection.execute(select(feast_applied.c.fingerprint).where(feast_applied.c.project == project))
    fingerprint = known.scalar_one_or_none()
    connection.commit()
    return fingerprint


def _apply(parameters: ConnectionParameters, repo: Path) -> None:
    _log.info("applying the Feast repository %s", repo)
    result = run_feast(parameters, repo, ["apply"], capture=True)
    if result.returncode != 0:
        raise FeastRepositoryError(
            f"feast apply failed for {repo}:\n    " + "\n    ".join(_last_lines(result.stderr or result.stdout)),
            remedy="correct the repository; `driftgate feast plan` shows what it would change",
        )


def _record(connection: Connection, project: str, repo: Path, fingerprint: str) -> None:
    row = {"project": project, "repo": str(repo), "fingerprint": fingerprint, "applied_at": func.now()}
    statement = insert(feast_applied).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["project"],
            set_={
                "repo": statement.excluded.repo,
                "fingerprint": statement.excluded.fingerprint,
                "applied_at": statement.excluded.applied_at,
            },
        )
    )
    connection.commit()


def run_feast(
    parameters: ConnectionParameters, repo: Path, arguments: list[str], *, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the feast command in the repository, with the variables that fill its feature_store.yaml.

    It runs in its own process because feast puts the repository's modules, such as `entities`, on the import path.
    """
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from feast.cli.cli import cli; cli()", *arguments],
        cwd=repo,
        env={**os.environ, **feast_environment(parameters)},
        capture_output=capture,
        text=True,
        timeout=_APPLY_TIMEOUT_SECONDS if capture else None,
        check=False,
    )


def _last_lines(text: str) -> list[str]:
    return without_input(text).strip().splitlines()[-5:]
