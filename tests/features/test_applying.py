"""Applying the Feast repository: when it is needed and not otherwise, whoever else does so at the same time."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters, connect
from driftgate.errors import DatabaseUnavailableError, FeastRepositoryError
from driftgate.features import applying
from driftgate.features.applying import ensure_applied, repository_fingerprint
from tests.features.conftest import sql, store_text

DEFINITIONS = """
from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Int64

thing = Entity(name="thing", join_keys=["thing_id"], value_type=ValueType.STRING)
source = PostgreSQLSource(name="source", table="measured", timestamp_field="as_of")
view = FeatureView(name="view", entities=[thing], schema=[Field(name="n", dtype=Int64)], source=source, online=False)
service = FeatureService(name="first_service", features=[view])
"""


def write_repo(folder: Path, definitions: str = DEFINITIONS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "feature_store.yaml").write_text(store_text(project="small"))
    (folder / "definitions.py").write_text(definitions)
    return folder


@pytest.fixture
def engine(parameters: ConnectionParameters) -> Iterator[Engine]:
    engine = connect(parameters)
    sql(engine, "CREATE TABLE measured (thing_id text, as_of date, n int)")
    yield engine
    engine.dispose()


def services(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT feature_service_name FROM feature_services")).scalars())


def records(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT fingerprint FROM feast_applied")).scalars())


@pytest.mark.slow
def test_two_at_once_then_again_then_changed_then_broken(
    engine: Engine, parameters: ConnectionParameters, tmp_path: Path
) -> None:
    repo = write_repo(tmp_path / "repo")
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ensure_applied, engine, parameters, repo) for _ in range(2)]
    assert any(answer.result() for answer in answers)
    assert services(engine) == {"first_service"}
    assert records(engine) == [repository_fingerprint(repo)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applying, "run_feast", lambda *_, **__: pytest.fail("it was applied again"))
        assert not ensure_applied(engine, parameters, repo)

    changed = DEFINITIONS.replace("first_service", "second_service")
    (repo / "definitions.py").write_text(changed)
    assert ensure_applied(engine, parameters, repo)
    assert services(engine) == {"second_service"}
    known = records(engine)
    assert known == [repository_fingerprint(repo)]

    (repo / "definitions.py").write_text(DEFINITIONS + "\nraise ValueError('this file is broken')\n")
    with pytest.raises(FeastRepositoryError, match="this file is broken") as caught:
        ensure_applied(engine, parameters, repo)
    assert str(repo) in str(caught.value) and "feast plan" in caught.value.remedy
    assert records(engine) == known
    assert services(engine) == {"second_service"}


def test_what_another_folder_applied_since_is_replaced(
    engine: Engine, parameters: ConnectionParameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two working copies of one repository share a database: the registry must hold what is asked for now."""
    applied: list[Path] = []

    def run(_: object, repo: Path, arguments: list[str], **__: object) -> subprocess.CompletedProcess[str]:
        applied.append(repo)
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(applying, "run_feast", run)  # only whether it runs is asked here, and it takes seconds
    mine = write_repo(tmp_path / "mine")
    theirs = write_repo(tmp_path / "theirs", DEFINITIONS.replace("first_service", "their_service"))
    other_project = write_repo(tmp_path / "other")
    (other_project / "feature_store.yaml").write_text(store_text(project="other"))
    for repo in (mine, other_project, theirs, mine, other_project, mine):
        ensure_applied(engine, parameters, repo)
    assert applied == [mine, other_project, theirs, mine]


def test_the_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    repo = write_repo(tmp_path / "repo")
    first = repository_fingerprint(repo)
    assert re.fullmatch("[0-9a-f]{64}", first)
    copy = Path(shutil.copytree(repo, tmp_path / "copy"))
    assert repository_fingerprint(copy) == first

    (copy / "notes.txt").write_text("not a definition")
    assert repository_fingerprint(copy) == first
    (copy / "folder").mkdir()
    (copy / "folder" / "more.py").write_text("")
    deeper = repository_fingerprint(copy)
    assert deeper != first
    (copy / "folder" / "more.py").rename(copy / "more.py")
    assert repository_fingerprint(copy) not in (first, deeper)
    (copy / "more.py").unlink()
    assert repository_fingerprint(copy) == first
    (copy / "feature_store.yaml").write_text(store_text(project="other"))
    assert repository_fingerprint(copy) != first


def test_text_moved_from_one_file_to_the_next_is_a_change(tmp_path: Path) -> None:
    repo = write_repo(tmp_path / "repo")
    (repo / "a.py").write_text("x = 1\n")
    (repo / "b.py").write_text("y = 2\n")
    before = repository_fingerprint(repo)
    (repo / "a.py").write_text("x = 1\ny = 2\n")
    (repo / "b.py").write_text("")
    assert repository_fingerprint(repo) != before


def test_no_repository_is_refused_before_anything_else(tmp_path: Path, server: ConnectionParameters) -> None:
    with pytest.raises(FeastRepositoryError, match=r"no feature_store\.yaml") as caught:
        ensure_applied(connect(server), server, tmp_path)
    assert "FEAST_REPO" in caught.value.remedy


def test_no_database_is_worth_a_retry(tmp_path: Path) -> None:
    nowhere = ConnectionParameters("127.0.0.1", 1, "u", "", "d")
    with pytest.raises(DatabaseUnavailableError):
        ensure_applied(connect(nowhere), nowhere, write_repo(tmp_path / "repo"))


def test_a_pipe_in_a_repository_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "feature_store.yaml").write_text("project: p\n")
    known = repository_fingerprint(tmp_path)
    os.mkfifo(tmp_path / "pipe.py")
    assert repository_fingerprint(tmp_path) == known
