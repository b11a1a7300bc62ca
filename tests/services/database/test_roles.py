"""The roles of the stack on a real PostgreSQL: what each can do, and that it can do nothing else."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from driftgate.database import ConnectionParameters, connect, create_tables
from driftgate.errors import ConfigurationError, DatabaseError
from driftgate.predictions.log import Prediction, save_predictions
from driftgate.store.tables import save_run
from services.database.roles import API, FLOWS, MLFLOW, PREFECT, READABLE, READER, ROLES, role_engine, set_up_roles
from tests.conftest import FEATURE_REPO, new_database
from tests.reports.runs import finished
from tests.services.database.stack import PASSWORDS, without_roles

PASSWORD = 'it\'s "quoted" 100%s $1 \\ ü'
FEAST = {"entities", "feature_views", "feature_services", "projects", "feast_metadata", "feature_view_version_history"}


@pytest.fixture
def prefect_database() -> str:
    return f"prefect_{uuid.uuid4().hex}"


@pytest.fixture
def results(server: ConnectionParameters, prefect_database: str) -> Iterator[tuple[Engine, ConnectionParameters]]:
    """A database of an earlier release, with a table that is no service's business; the roles are dropped afterwards.

    The tables of that release belong to the superuser.
    """
    with without_roles(server, prefect_database), new_database(server) as parameters:
        engine = connect(parameters)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE users (user_id text, number serial)")
            connection.exec_driver_sql("CREATE TYPE colour AS ENUM ('red')")
            connection.exec_driver_sql("CREATE SCHEMA mlflow CREATE TABLE runs (run_id text)")
        yield engine, parameters
        engine.dispose()


def acting_as(parameters: ConnectionParameters, role: str) -> Engine:
    return connect(replace(parameters, user=role))


RIGHTS = text(
    "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
    "AND has_schema_privilege(:role, n.oid, 'USAGE') AND (has_table_privilege(:role, c.oid, :right) "
    "OR has_any_column_privilege(:role, c.oid, :right))"
)


def tables_with(engine: Engine, role: str, right: str = "SELECT") -> set[str]:
    with engine.connect() as connection:
        try:
            return set(connection.execute(RIGHTS, {"role": role, "right": right}).scalars())
        except DBAPIError:
            # No column can be deleted or truncated.
            connection.rollback()
            whole = RIGHTS.text.partition("AND (")[0] + "AND has_table_privilege(:role, c.oid, :right)"
            return set(connection.execute(text(whole), {"role": role, "right": right}).scalars())


def one(engine: Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(query).scalar_one()


# ---- what no role may


def test_no_role_has_powers_and_each_enters_its_own_database(
    results: tuple[Engine, ConnectionParameters], prefect_database: str
) -> None:
    engine, parameters = results
    for _ in range(2):
        set_up_roles(parameters, PASSWORDS, prefect_database)
    powers = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR NOT rolcanlogin"
    assert one(engine, f"SELECT count(*) FROM pg_roles WHERE rolname LIKE 'driftgate%%' AND ({powers})") == 0
    query = "SELECT has_database_privilege('{}', '{}', 'CONNECT')"
    for role in ROLES:
        assert one(engine, query.format(role, parameters.dbname)) is (role != PREFECT)
        assert one(engine, query.format(role, prefect_database)) is (role == PREFECT)


def test_what_a_role_had_beyond_its_rights_is_taken_back(
    results: tuple[Engine, ConnectionParameters], prefect_database: str
) -> None:
    engine, parameters = results
    set_up_roles(parameters, PASSWORDS, prefect_database)
    with engine.begin() as connection:
        for role in (API, READER, MLFLOW):
            connection.exec_driver_sql(f"GRANT ALL ON users, monitor_runs, mlflow.runs TO {role}")
            connection.exec_driver_sql(f"GRANT SELECT (user_id), UPDATE (user_id) ON users TO {role}")
            connection.exec_driver_sql(f"GRANT CREATE ON SCHEMA public TO {role}")
        connection.exec_driver_sql(f"ALTER ROLE {API} SUPERUSER CREATEDB")
        connection.exec_driver_sql(f"GRANT pg_read_all_data TO {MLFLOW}")
    set_up_roles(parameters, PASSWORDS, prefect_database)
    assert tables_with(engine, READER) == {f"public.{name}" for name in READABLE}
    assert tables_with(engine, API) == {
        *("public.predictions", "public.online_views", "public.driftgate_version"),
        "mlflow.runs",
    }
    assert tables_with(engine, MLFLOW) == {"mlflow.runs"}
    for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"):
        assert tables_with(engine, READER, right) == tables_with(engine, MLFLOW, right) == set()
        assert tables_with(engine, API, right) == ({"public.predictions"} if right == "INSERT" else set())
    assert one(engine, f"SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = '{API}'") is False


@pytest.mark.parametrize("role", [API, READER, MLFLOW])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO monitor_runs (monitor) VALUES ('x')",
        "UPDATE monitor_runs SET verdict = 'NO_ACTION'",
        "UPDATE predictions SET prediction = 1",
        "DELETE FROM predictions",
        "TRUNCATE monitor_columns",
        "DROP TABLE predictions",
        "DELETE FROM mlflow.runs",
        "SELECT * FROM users",
        "SELECT * FROM pg_authid",
        "CREATE TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE another",
        f"ALTER ROLE {READER} SUPERUSER",
        f"SET ROLE {FLOWS}",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_a_role_that_reads_cannot_write_even_where_its_session_asks_to(
    shared: tuple[Engine, ConnectionParameters], role: str, statement: str
) -> None:
    _, parameters = shared
    engine = acting_as(parameters, role)
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture(scope="module")
def shared(server: ConnectionParameters) -> Iterator[tuple[Engine, ConnectionParameters]]:
    """A database with the roles, which no test changes."""
    name = f"prefect_{uuid.uuid4().hex}"
    with without_roles(server, name), new_database(server) as parameters:
        engine = connect(parameters)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE users (user_id text)")
            connection.exec_driver_sql("CREATE SCHEMA mlflow CREATE TABLE runs (run_id text)")
        set_up_roles(parameters, PASSWORDS, name)
        yield engine, parameters
        engine.dispose()


# ---- what each role may


def test_the_dashboards_read_their_tables_and_only_in_read_only_transactions(
    results: tuple[Engine, ConnectionParameters], prefect_database: str
) -> None:
    _, parameters = results
    set_up_roles(parameters, PASSWORDS, prefect_database)
    with role_engine(parameters, FLOWS) as owner:
        save_run(owner, finished())
    reader = acting_as(parameters, READER)
    assert one(reader, "SELECT count(*) FROM monitor_runs") == 1
    with reader.connect() as connection:
        for table in READABLE:
            connection.exec_driver_sql(f"SELECT * FROM {table}")
    with reader.connect() as connection, pytest.raises(DBAPIError, match="read-only transaction"):
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine (x int)")
    reader.dispose()


def test_the_service_reads_features_and_registry_and_appends_predictions(
    server: ConnectionParameters, loaded: ConnectionParameters, prefect_database: str, tmp_path: Path
) -> None:
    """Feast was applied before the roles were made, and once more by their owner with other tables."""
    from driftgate.features.online_adapter import open_reader
    from driftgate.training.registry.models import ModelRegistry

    with without_roles(server, prefect_database):
        set_up_roles(loaded, PASSWORDS, prefect_database)
        own = replace(loaded, user=API)
        with pytest.MonkeyPatch.context() as patch:
            from driftgate.features.types import feast_environment

            for name, value in feast_environment(own).items():
                patch.setenv(name, value)
            reader = open_reader(FEATURE_REPO, "churn_v1", "user_id")
            assert reader.month() is None
            assert len(reader.read(["nobody"]).states) == 1
            reader.close()
        registry = ModelRegistry(own, tmp_path, "churn")
        assert registry.champion() is None
        registry.close()
        engine = connect(own)
        create_tables(engine)
        row = Prediction(uuid.uuid4(), datetime.now(UTC), "api", "A", 1, 0.7, "1", features={"x": 1.0})
        for _ in range(2):
            save_predictions(engine, [row])
        engine.dispose()
        admin = connect(loaded)
        assert one(admin, "SELECT count(*) FROM predictions") == 1
        readable = {name.removeprefix("public.") for name in tables_with(admin, API)}
        assert readable >= FEAST | {"online_views", "streamflow_subs_profile_fv"}
        assert not readable & {"users", "labels", "subscriptions_profile_snapshots", "monitor_runs", "feast_applied"}
        admin.dispose()


def test_tables_that_feast_makes_later_are_readable_for_the_service_and_others_are_not(
    results: tuple[Engine, ConnectionParameters], prefect_database: str
) -> None:
    engine, parameters = results
    set_up_roles(parameters, PASSWORDS, prefect_database)
    with role_engine(parameters, FLOWS) as owner, owner.begin() as connection:
        connection.exec_driver_sql(
            'CREATE TABLE "streamflow_New view" (entity_key bytea, feature_name text, event_ts timestamptz)'
        )
        connection.exec_driver_sql("CREATE TABLE entities (entity_name text, project_id text, entity_proto bytea)")
        connection.exec_driver_sql("CREATE TABLE tickets (project_id text, entity_key text)")
        connection.exec_driver_sql("CREATE TABLE mlflow.model_versions (name text)")
    assert tables_with(engine, API) == {
        *("public.predictions", "public.online_views", "public.driftgate_version"),
        *("public.streamflow_New view", "public.entities"),
        *("mlflow.runs", "mlflow.model_versions"),
    }
    assert tables_with(engine, MLFLOW) == {"mlflow.runs", "mlflow.model_versions"}


def test_flows_own_what_an_earlier_release_made_as_the_superuser(
    results: tuple[Engine, ConnectionParameters], prefect_database: str
) -> None:
    """They may set the planner up, change tables, and make MLflow's; they are in no other database."""
    from driftgate.database import prepare_database

    _, parameters = results
    set_up_roles(parameters, PASSWORDS, prefect_database)
    flows = acting_as(parameters, FLOWS)
    prepare_database(flows)
    with flows.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE users ADD COLUMN more text")
        connection.exec_driver_sql("INSERT INTO users (user_id) VALUES ('A')")
        connection.exec_driver_sql("CREATE TABLE mlflow.more (x int)")
        connection.exec_driver_sql("DROP TYPE colour")
    assert one(flows, "SELECT number FROM users") == 1
    assert one(flows, "SHOW enable_nestloop") == "off"
    with flows.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.exec_driver_sql("COPY users TO PROGRAM 'cat'")
    flows.dispose()
    other = acting_as(replace(parameters, dbname=prefect_database), FLOWS)
    with pytest.raises(DBAPIError, match="permission denied for database"):
        other.connect()
    other.dispose()


def test_the_prefect_server_owns_its_database_and_what_is_in_it(
    results: tuple[Engine, ConnectionParameters], prefect_database: str
) -> None:
    _, parameters = results
    set_up_roles(parameters, PASSWORDS, prefect_database)
    superuser = connect(replace(parameters, dbname=prefect_database))
    with superuser.begin() as connection:
        connection.exec_driver_sql("CREATE TYPE state_type AS ENUM ('RUNNING')")
        connection.exec_driver_sql("CREATE TABLE flow_run (state state_type)")
    superuser.dispose()
    set_up_roles(parameters, PASSWORDS, prefect_database)
    prefect = acting_as(replace(parameters, dbname=prefect_database), PREFECT)
    with prefect.begin() as connection:
        connection.exec_driver_sql("ALTER TYPE state_type ADD VALUE 'CRASHED'")
        connection.exec_driver_sql("ALTER TABLE flow_run ADD COLUMN name text")
    prefect.dispose()


# ---- passwords


@pytest.fixture
def asks_for_a_password(server: ConnectionParameters) -> Iterator[None]:
    """The embedded server asks the kernel who connects; of the reader it asks a password."""
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


def test_the_password_can_be_changed(
    results: tuple[Engine, ConnectionParameters], prefect_database: str, asks_for_a_password: None
) -> None:
    _, parameters = results
    for password in ("first", "first", PASSWORD):
        set_up_roles(parameters, {**PASSWORDS, READER: password}, prefect_database)
    own = replace(parameters, user=READER, password=PASSWORD)
    reader, old = connect(own), connect(replace(own, password="first"))
    assert one(reader, "SELECT current_user") == READER
    with pytest.raises(DBAPIError, match="password authentication failed"):
        old.connect()
    for each in (reader, old):
        each.dispose()


def test_the_server_never_sees_a_password(results: tuple[Engine, ConnectionParameters], prefect_database: str) -> None:
    from sqlalchemy import event

    _, parameters = results
    seen: list[str] = []
    note = lambda *given: seen.append(f"{given[2]} {given[3]}")  # noqa: E731
    event.listen(Engine, "before_cursor_execute", note)
    try:
        set_up_roles(parameters, {**PASSWORDS, READER: PASSWORD}, prefect_database)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert sum("SCRAM-SHA-256$" in statement for statement in seen) == len(ROLES)
    assert not any(part in statement for statement in seen for part in (PASSWORD, "quoted", *PASSWORDS.values()))


@pytest.mark.parametrize("password", ["", "a\0b"])
def test_an_unusable_password_is_refused_before_anything_is_made(
    results: tuple[Engine, ConnectionParameters], prefect_database: str, password: str
) -> None:
    engine, parameters = results
    with pytest.raises(ConfigurationError, match=f"password of the role {API}"):
        set_up_roles(parameters, {**PASSWORDS, API: password}, prefect_database)
    assert one(engine, f"SELECT to_regrole('{FLOWS}')") is None


def test_a_role_that_may_not_make_roles_gets_an_error(
    results: tuple[Engine, ConnectionParameters], prefect_database: str
) -> None:
    engine, parameters = results
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE plain_user LOGIN")
    with pytest.raises(DatabaseError, match="permission denied to create role"):
        set_up_roles(replace(parameters, user="plain_user"), PASSWORDS, prefect_database)
    plain = create_engine(parameters.url())
    with plain.begin() as connection:
        connection.exec_driver_sql("DROP ROLE plain_user")
    plain.dispose()
