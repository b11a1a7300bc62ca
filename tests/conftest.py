"""One PostgreSQL for the whole run, and a database of its own for each test that asks for one."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from driftgate.database import ConnectionParameters, connect
from driftgate.database.embedded import embedded_parameters


@pytest.fixture(scope="session")
def server() -> Iterator[ConnectionParameters]:
    """The maintenance database of an embedded PostgreSQL."""
    # The path of a Unix socket may have about a hundred characters, which pytest's own folders exceed.
    home = Path(tempfile.mkdtemp(prefix="dg"))
    yield embedded_parameters(home, "postgres")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def parameters(server: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """A fresh database."""
    name = f"test_{uuid.uuid4().hex}"
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield replace(server, dbname=name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def database(parameters: ConnectionParameters) -> Iterator[Engine]:
    """An engine on a fresh database."""
    engine = connect(parameters)
    yield engine
    engine.dispose()
