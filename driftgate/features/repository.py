"""The folder of a Feast repository, and what its feature_store.yaml says."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from driftgate.errors import FeastRepositoryError
from driftgate.files import read_named

# What Feast takes where feature_store.yaml names no offline store.
_DEFAULT_OFFLINE_STORE = "dask"


@dataclass(frozen=True)
class OfflineStore:
    """The offline store of a repository: its type, and the keys beside it."""

    repo: Path
    kind: str
    settings: Mapping[str, Any] = field(repr=False)


def require_repository(repo: Path) -> None:
    """Check that the folder holds a Feast repository.

    Raises:
        FeastRepositoryError: there is no feature_store.yaml.
    """
    if not (repo / "feature_store.yaml").is_file():
        raise FeastRepositoryError(
            f"there is no Feast repository at {repo} (no feature_store.yaml)",
            remedy="set FEAST_REPO, or feast_repo in monitors.toml, to the folder that holds it",
        )


def offline_store(repo: Path) -> OfflineStore:
    """Return the offline store that feature_store.yaml names.

    Raises:
        FeastRepositoryError: the file is missing, or does not say it.
    """
    settings = _section(repo, "offline_store", _DEFAULT_OFFLINE_STORE, "type")
    return OfflineStore(repo, str(settings.get("type", _DEFAULT_OFFLINE_STORE)), settings)


def registry_settings(repo: Path) -> Mapping[str, Any]:
    """Return what feature_store.yaml says of the registry: a path, and for others than files a `registry_type`.

    Raises:
        FeastRepositoryError: the file is missing or unreadable.
    """
    return _section(repo, "registry", "", "path")


def project_of(repo: Path) -> str:
    """Return the Feast project. Applying any folder of a project replaces the definitions of that project.

    Raises:
        FeastRepositoryError: the file is missing or unreadable.
    """
    require_repository(repo)
    with _reading(repo):
        found = re.search(r"^project:\s*[\"']?([\w-]+)", read_named(repo / "feature_store.yaml"), re.MULTILINE)
    return found[1] if found else str(repo)


def _section(repo: Path, name: str, default: str, key: str) -> dict[str, Any]:
    """Return a section of feature_store.yaml, read as Feast reads it, without importing Feast; a text is its `key`."""
    require_repository(repo)
    with _reading(repo):
        content = yaml.safe_load(os.path.expandvars(read_named(repo / "feature_store.yaml")))
        found = content.get(name) or default
        return {key: found} if isinstance(found, str) else dict(found)


@contextmanager
def _reading(repo: Path) -> Iterator[None]:
    """Whatever keeps feature_store.yaml from being read is one plain error."""
    try:
        yield
    except (OSError, yaml.YAMLError, AttributeError, RecursionError, TypeError, ValueError) as error:
        # YAML's own message quotes the line, which may hold a password.
        said = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise FeastRepositoryError(
            f"{repo / 'feature_store.yaml'} cannot be read: {said}",
            allowed="the YAML of Feast, with an offline_store and its type",
            remedy="correct the file; `driftgate feast plan` shows Feast's own message",
        ) from None


def without_input(message: str) -> str:
    """Return a message without the values that Pydantic repeats, which may include the password of a store.

    >>> without_input("Field required [type=missing, input_value={'password': 'x'}, input_type=dict]")
    'Field required [type=missing, input_type=dict]'
    """
    return re.sub(r"input_value=.*?, input_type=", "input_type=", message, flags=re.DOTALL)
