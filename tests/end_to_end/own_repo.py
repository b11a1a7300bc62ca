"""A Feast repository that is not StreamFlow's, on a database of its own, with the monitors that go with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from driftgate.database import ConnectionParameters
from tests.conftest import new_database
from tests.workplace import Workplace, workplace_on

_STORE = """
project: {name}
provider: local
registry:
  registry_type: sql
  path: ${FEAST_REGISTRY_URL}
offline_store:
  type: postgres
  entity_select_mode: embed_query
  host: ${POSTGRES_HOST}
  port: ${POSTGRES_PORT}
  database: ${POSTGRES_DB}
  user: ${POSTGRES_USER}
  password: "${POSTGRES_PASSWORD}"
  sslmode: ${POSTGRES_SSLMODE}
entity_key_serialization_version: 3
"""


@contextmanager
def own_repo(
    server: ConnectionParameters, prefect_api: str, folder: Path, name: str, definitions: str, monitors: str
) -> Iterator[Workplace]:
    """Write the repository to `folder / name` and monitors.toml beside it; nothing is applied, no table is there."""
    repo = folder / name
    repo.mkdir()
    (repo / "feature_store.yaml").write_text(_STORE.replace("{name}", name))
    (repo / "definitions.py").write_text(definitions)
    (folder / "monitors.toml").write_text(monitors)
    with (
        new_database(server) as parameters,
        workplace_on(parameters, prefect_api, folder) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("DRIFTGATE_MONITORS", str(folder / "monitors.toml"))
        patch.delenv("FEAST_REPO")
        yield made
