"""The description of a repository holds as long as its registry and its feature_store.yaml are as they were."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from driftgate.errors import FeastRepositoryError
from driftgate.features.description import (
    RepositoryDescription,
    ServiceDescription,
    ViewDescription,
    read_description,
    registry_fingerprint,
    save_description,
)
from driftgate.features.sources import Source
from driftgate.features.types import DeclaredFeature, Kind

STORE = "project: p\nprovider: local\nregistry: {registry}\noffline_store:\n  type: duckdb\n"
SOURCE = Source("usage", path="data/usage.parquet", timestamp="at", created="written", mapping=(("old", "new"),))
SERVICE = ServiceDescription(
    (DeclaredFeature("view__fee", "view", "FLOAT64", Kind.NUMERIC),),
    True,
    (ViewDescription("view", ("user_id",), timedelta(days=27, seconds=1), SOURCE),),
    "0af1",
)
DESCRIPTION = RepositoryDescription({"usage": SOURCE}, {"service": SERVICE})


def repository(folder: Path, registry: str = "data/registry.db", content: bytes | None = b"one") -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(STORE.format(registry=registry))
    if content is not None:
        (folder / "data" / "registry.db").write_bytes(content)
    return folder


def test_a_description_is_read_as_it_was_written() -> None:
    again = RepositoryDescription.from_json(DESCRIPTION.to_json())
    assert again == DESCRIPTION
    assert again.services["service"].digest == SERVICE.digest
    assert SERVICE.plain(SERVICE.declared[0]) == "fee"


def test_the_fingerprint_follows_the_registry_and_the_settings(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    first = registry_fingerprint(repo)
    assert first is not None and registry_fingerprint(repo) == first
    assert registry_fingerprint(repository(tmp_path, content=b"two")) != first
    repository(tmp_path)
    assert registry_fingerprint(repo) == first
    path = repo / "feature_store.yaml"
    path.write_text(path.read_text() + "# changed\n")
    assert registry_fingerprint(repo) not in (None, first)


@pytest.mark.parametrize(
    "registry",
    [
        "s3://bucket/registry.db",
        "data/none.db",
        '{registry_type: remote, path: "localhost:6570"}',
        '{registry_type: sql, path: "sqlite:///no.db"}',
    ],
)
def test_what_feast_alone_can_read_has_none(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert registry_fingerprint(repository(tmp_path, registry, None)) is None


def test_without_a_repository_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(FeastRepositoryError, match="there is no Feast repository"):
        registry_fingerprint(tmp_path)


def test_one_description_is_kept_of_a_repository(database: Engine, tmp_path: Path) -> None:
    assert read_description(database, tmp_path, "a") is None, "there is no table yet"
    save_description(database, tmp_path, "a", DESCRIPTION)
    assert read_description(database, tmp_path, "a") == DESCRIPTION
    other = RepositoryDescription({}, {})
    save_description(database, tmp_path, "b", other)
    assert read_description(database, tmp_path, "b") == other
    assert read_description(database, tmp_path, "a") is None
    assert read_description(database, tmp_path / "elsewhere", "b") is None
