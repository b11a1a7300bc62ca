"""The container that sets the database up: passwords are made once and kept, MLflow's server needs to read only."""

import os
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from driftgate.database import ConnectionParameters, connect
from driftgate.errors import DatabaseError, DatabaseUnavailableError, OutputError
from services.database.roles import FLOWS, MLFLOW, ROLES, set_up_roles
from services.database.start import FOLDERS, kept_passwords, make_mlflow_tables, take_password, wait_for_server
from tests.services.database.stack import PASSWORDS, without_roles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for service in FOLDERS.values():
        (tmp_path / service).mkdir(exist_ok=True)
    return tmp_path


def test_each_role_has_a_password_of_its_own_that_stays(folder: Path) -> None:
    first = kept_passwords(folder)
    assert set(first) == set(ROLES)
    assert len({*first.values()}) == len(ROLES)
    assert all(len(password) == 64 and password.isalnum() for password in first.values())
    assert kept_passwords(folder) == first
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*/*")} == {0o644}
    assert {path.name for path in (folder / "api").iterdir()} == {"driftgate_api"}


def test_new_ones_are_made_on_demand_and_for_an_empty_file(folder: Path) -> None:
    first = kept_passwords(folder)
    renewed = kept_passwords(folder, renew=True)
    assert not {*first.values()} & {*renewed.values()}
    (folder / "api" / "driftgate_api").write_text("\n")
    assert len(kept_passwords(folder)["driftgate_api"]) == 64


def test_a_volume_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "prefect").touch()
    with pytest.raises(OutputError, match="prefect/driftgate_flows"):
        kept_passwords(tmp_path)


def test_a_server_that_is_away_is_waited_for_and_one_that_refuses_is_not(parameters: ConnectionParameters) -> None:
    wait_for_server(parameters, 5)
    with pytest.raises(DatabaseUnavailableError):
        wait_for_server(replace(parameters, port=1), 0.6)
    with pytest.raises(DatabaseError, match="keeps the names of its first start"):
        wait_for_server(replace(parameters, dbname="absent"), 60)


def test_mlflows_server_reads_the_tables_that_flows_own(
    server: ConnectionParameters, parameters: ConnectionParameters, tmp_path: Path
) -> None:
    prefect = f"prefect_{uuid.uuid4().hex}"
    with without_roles(server, prefect):
        set_up_roles(parameters, PASSWORDS, prefect)
        for _ in range(2):
            make_mlflow_tables(parameters, PASSWORDS[FLOWS], tmp_path)
        own = connect(replace(parameters, user=MLFLOW))
        with own.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM mlflow.experiments").scalar_one() == 1
        own.dispose()
        admin = connect(parameters)
        with admin.connect() as connection:
            owners = connection.exec_driver_sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'mlflow'")
            assert owners.scalars().all() == [FLOWS]
        admin.dispose()


def test_the_superuser_keeps_no_password(parameters: ConnectionParameters) -> None:
    name = f"chief_{os.getpid()}"
    admin = connect(parameters).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD 'from an earlier release'")
        take_password(replace(parameters, user=name))
        query = f"SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = '{name}'"
        assert connection.exec_driver_sql(query).scalar_one() is True
        connection.exec_driver_sql(f"DROP ROLE {name}")
    admin.dispose()
