"""The role of the dashboards, on a real PostgreSQL: what it may read, and that it may do nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from driftgate.database import ConnectionParameters, connect
from driftgate.errors import ConfigurationError, DatabaseError
from driftgate.store.reader import READABLE, READER, create_reader
from driftgate.store.tables import save_run
from tests.conftest import new_database
from tests.reports.runs import finished

PASSWORD = 'it\'s "quoted" 100%s $1 \\ ü'


@pytest.fixture(scope="module")
def asks_for_a_password(server: ConnectionParameters) -> Iterator[None]:
    """The embedded server asks the kernel who connects; of this role it asks a password."""
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        hba = Path(connection.exec_driver_sql("SHOW hba_file").scalar_one())
        before = hba.read_text()
        hba.write_text(f"local all {READER} scram-sha-256\n{before}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        yield
        hba.write_text(before)
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    admin.dispose()


@pytest.fixture
def results(server: ConnectionParameters) -> Iterator[tuple[Engine, ConnectionParameters]]:
    """A fresh database with a table that is none of the dashboards' business; the role is dropped afterwards."""
    with new_database(server) as parameters:
        engine = connect(parameters)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE users (user_id text, name text)")
            connection.exec_driver_sql("CREATE SCHEMA mlflow CREATE TABLE runs (run_id text)")
        yield engine, parameters
        engine.dispose()
    admin = connect(server)
    with admin.begin() as connection:
        connection.exec_driver_sql(f"DROP ROLE IF EXISTS {READER}")
    admin.dispose()


def as_reader(parameters: ConnectionParameters, password: str = PASSWORD) -> Engine:
    return connect(replace(parameters, user=READER, password=password))


READABLE_NOW = text(
    "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
    "AND has_schema_privilege(:role, n.oid, 'USAGE') AND (has_table_privilege(:role, c.oid, 'SELECT') "
    "OR has_any_column_privilege(:role, c.oid, 'SELECT'))"
)


def readable(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(READABLE_NOW, {"role": READER}).scalars())


def test_it_reads_the_tables_of_the_dashboards_and_no_others(
    results: tuple[Engine, ConnectionParameters], asks_for_a_password: None
) -> None:
    engine, parameters = results
    create_reader(engine, PASSWORD)
    save_run(engine, finished())
    assert readable(engine) == {f"public.{name}" for name in READABLE}
    reader = as_reader(parameters)
    with reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM monitor_runs").scalar_one() == 1
        for table in READABLE:
            connection.exec_driver_sql(f"SELECT * FROM {table}")
    for table in ("users", "mlflow.runs", "pg_authid"):
        with reader.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
            connection.exec_driver_sql(f"SELECT * FROM {table}")
    reader.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO monitor_runs (monitor) VALUES ('x')",
        "UPDATE monitor_runs SET verdict = 'NO_ACTION'",
        "DELETE FROM predictions",
        "TRUNCATE monitor_columns",
        "DROP TABLE predictions",
        "CREATE TABLE mine (x int)",
        "CREATE ROLE another",
        f"ALTER ROLE {READER} SUPERUSER",
        "COPY monitor_runs TO PROGRAM 'cat'",
    ],
)
def test_it_cannot_write_even_where_its_session_asks_to(
    results: tuple[Engine, ConnectionParameters], asks_for_a_password: None, statement: str
) -> None:
    engine, parameters = results
    create_reader(engine, PASSWORD)
    reader = as_reader(parameters)
    with reader.connect() as connection, pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        connection.exec_driver_sql(statement)
    with reader.connect() as connection, pytest.raises(DBAPIError, match="read-only transaction"):
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine (x int)")
    reader.dispose()


def test_the_password_can_be_changed_and_repeating_changes_nothing(
    results: tuple[Engine, ConnectionParameters], asks_for_a_password: None
) -> None:
    engine, parameters = results
    for password in ("first", "first", PASSWORD):
        create_reader(engine, password)
    reader, old = as_reader(parameters), as_reader(parameters, "first")
    with reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == READER
    with pytest.raises(DBAPIError, match="password authentication failed"):
        old.connect()
    for each in (reader, old):
        each.dispose()


def test_the_server_never_sees_the_password(
    results: tuple[Engine, ConnectionParameters], server: ConnectionParameters
) -> None:
    from sqlalchemy import event

    engine, _ = results
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(f"{given[2]} {given[3]}"))
    create_reader(engine, PASSWORD)
    assert any("SCRAM-SHA-256$" in statement for statement in seen)
    assert not any(part in statement for statement in seen for part in (PASSWORD, "quoted"))


def test_earlier_grants_are_taken_back(results: tuple[Engine, ConnectionParameters]) -> None:
    engine, _ = results
    create_reader(engine, PASSWORD)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"GRANT ALL ON users, monitor_runs TO {READER}")
        connection.exec_driver_sql(f"GRANT SELECT (user_id), UPDATE (name) ON users TO {READER}")
        connection.exec_driver_sql(f"GRANT CREATE ON SCHEMA public TO {READER}")
    assert "public.users" in readable(engine)
    create_reader(engine, PASSWORD)
    assert readable(engine) == {f"public.{name}" for name in READABLE}
    with engine.connect() as connection:
        query = text(
            "SELECT has_table_privilege(:role, 'monitor_runs', 'UPDATE'), "
            "has_schema_privilege(:role, 'public', 'CREATE')"
        )
        assert connection.execute(query, {"role": READER}).one() == (False, False)


@pytest.mark.parametrize("more", [f"ALTER ROLE {READER} CREATEDB", f"GRANT pg_read_all_data TO {READER}"])
def test_a_role_that_may_do_more_is_refused(results: tuple[Engine, ConnectionParameters], more: str) -> None:
    engine, _ = results
    create_reader(engine, PASSWORD)
    with engine.begin() as connection:
        connection.exec_driver_sql(more)
    with pytest.raises(DatabaseError, match=r"may do more than read: (rolcreatedb|member of pg_read_all_data)"):
        create_reader(engine, PASSWORD)


@pytest.mark.parametrize("password", ["", "a\0b"])
def test_an_unusable_password_is_refused_before_anything_is_made(
    results: tuple[Engine, ConnectionParameters], password: str
) -> None:
    engine, _ = results
    with pytest.raises(ConfigurationError, match="GRAFANA_DB_PASSWORD"):
        create_reader(engine, password)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT to_regrole(:role)"), {"role": READER}).scalar_one() is None


def test_a_role_that_may_not_make_roles_gets_an_error(results: tuple[Engine, ConnectionParameters]) -> None:
    engine, parameters = results
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE plain_user LOGIN")
        connection.exec_driver_sql("GRANT CREATE ON SCHEMA public TO plain_user")
    plain = create_engine(replace(parameters, user="plain_user").url())
    with pytest.raises(DatabaseError, match="permission denied to create role"):
        create_reader(plain, PASSWORD)
    plain.dispose()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY plain_user")
        connection.exec_driver_sql("DROP ROLE plain_user")
