"""What feature_store.yaml says, read without Feast, and without a word of its secrets in an error."""

from pathlib import Path

import pytest

from driftgate.errors import FeastRepositoryError
from driftgate.features.repository import offline_store, project_of, registry_settings


def repository(folder: Path, content: str) -> Path:
    (folder / "feature_store.yaml").write_text(content)
    return folder


def test_variables_are_filled_and_a_text_is_a_type_or_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_HOST", "db")
    repo = repository(tmp_path, "offline_store: {type: postgres, host: '${STORE_HOST}'}\nregistry: data/registry.db\n")
    found = offline_store(repo)
    assert (found.kind, found.settings["host"]) == ("postgres", "db")
    assert registry_settings(repo) == {"path": "data/registry.db"}
    assert offline_store(repository(tmp_path, "offline_store: duckdb\n")).kind == "duckdb"


def test_where_nothing_is_said_it_is_what_feast_takes(tmp_path: Path) -> None:
    assert offline_store(repository(tmp_path, "project: p\n")).kind == "dask"


@pytest.mark.parametrize(("line", "name"), [("project: p_1", "p_1"), ("project: 'q-2'", "q-2"), ('project: "r"', "r")])
def test_the_project_is_found_without_yaml(tmp_path: Path, line: str, name: str) -> None:
    assert project_of(repository(tmp_path, f"provider: local\n{line}\n")) == name


@pytest.mark.parametrize(
    "content", ["", "[", "offline_store: [a, b]\n", "offline_store: {password: s3cret\n", "[" * 5000]
)
def test_what_cannot_be_read_is_an_error_without_its_content(tmp_path: Path, content: str) -> None:
    with pytest.raises(FeastRepositoryError) as caught:
        offline_store(repository(tmp_path, content))
    assert "s3cret" not in f"{caught.value}{caught.value.remedy}"
    assert caught.value.__cause__ is None


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    repository(tmp_path, "project: p\n" + "#" * 1_000_000)
    for read in (offline_store, project_of):
        with pytest.raises(FeastRepositoryError, match="1,000,000 bytes"):
            read(tmp_path)
