"""Which engine a repository gets, and what is said where there is none."""

import sys
from pathlib import Path

import pytest

from driftgate.errors import ConfigurationError, FeastRepositoryError
from driftgate.features.engines import open_engine
from driftgate.features.repository import offline_store
from driftgate.monitors import EntitySource

ROOT = Path(__file__).resolve().parents[3]


def repository(folder: Path, offline: str) -> Path:
    (folder / "feature_store.yaml").write_text(f"project: p\nprovider: local\n{offline}")
    return folder


@pytest.mark.parametrize("offline", ["offline_store:\n  type: duckdb\n", "offline_store:\n  type: file\n", ""])
def test_repositories_of_files_are_read_by_duckdb(tmp_path: Path, offline: str) -> None:
    with open_engine(repository(tmp_path, offline)) as engine:
        assert engine.kind == "duckdb"
        table = EntitySource(table="things", key="id", timestamp="at")
        with pytest.raises(ConfigurationError, match="the features are in files") as caught:
            engine.rows(table)
    assert "source = " in caught.value.allowed


@pytest.mark.parametrize("kind", ["bigquery", "snowflake.offline", "my.own.OfflineStore"])
def test_another_offline_store_is_a_clear_error(tmp_path: Path, kind: str) -> None:
    repo = repository(tmp_path, f"offline_store:\n  type: {kind}\n")
    with pytest.raises(ConfigurationError, match=kind) as caught, open_engine(repo):
        pass
    assert caught.value.allowed == "postgres, duckdb, file, spark"
    # The page that it points at is there.
    page = next(word.strip("`") for word in caught.value.remedy.split() if word.startswith("how-to/"))
    assert (ROOT / "docs" / f"{page}.md").is_file()


def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "driftgate.features.engines.duckdb", raising=False)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with (
        pytest.raises(ConfigurationError, match="needs the package duckdb") as caught,
        open_engine(repository(tmp_path, "offline_store:\n  type: duckdb\n")),
    ):
        pass
    assert "driftgate[duckdb]" in caught.value.remedy


@pytest.mark.parametrize("content", ["", "[1, 2]", "project: [", "offline_store: 7"])
def test_a_file_that_says_no_store_is_refused_without_its_content(tmp_path: Path, content: str) -> None:
    (tmp_path / "feature_store.yaml").write_text(content + "\n# password: open sesame\n")
    with pytest.raises(FeastRepositoryError, match=r"feature_store\.yaml") as caught:
        offline_store(tmp_path)
    assert "sesame" not in str(caught.value)


def test_the_store_is_filled_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_STORE", "open sesame")
    store = offline_store(
        repository(tmp_path, "offline_store:\n  type: postgres\n  password: ${SECRET_OF_THE_STORE}\n")
    )
    assert (store.kind, store.settings["password"]) == ("postgres", "open sesame")
    assert "sesame" not in repr(store)
