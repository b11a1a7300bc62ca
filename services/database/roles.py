"""The roles of the stack's PostgreSQL: one for each service, with the least rights that it needs.

| role | may |
| --- | --- |
| driftgate_flows | all in the database of features and results, which it owns |
| driftgate_api | read Feast's registry and online store, MLflow's tables and our revision, append to `predictions` |
| driftgate_mlflow | read MLflow's tables |
| driftgate_reader | read the tables that dashboards show |
| driftgate_prefect | all in the Prefect server's database, which it owns |

Each may connect to its own database only. None is a superuser.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection, Engine, create_engine, text

from driftgate.database import ConnectionParameters, connect, create_tables, database_errors
from driftgate.database.locks import Lock, session_lock
from driftgate.database.schema import VERSION_TABLE
from driftgate.errors import ConfigurationError
from driftgate.features.online import online_views
from driftgate.predictions.log import prediction_monitoring, predictions
from driftgate.store.decisions import monitor_decisions
from driftgate.store.tables import monitor_columns, monitor_runs

FLOWS, API, MLFLOW, READER = "driftgate_flows", "driftgate_api", "driftgate_mlflow", "driftgate_reader"
PREFECT = "driftgate_prefect"
ROLES = (FLOWS, API, MLFLOW, READER, PREFECT)

READABLE = (
    monitor_runs.name,
    monitor_columns.name,
    monitor_decisions.name,
    predictions.name,
    prediction_monitoring.name,
)
"""The tables that dashboards show."""

PREFECT_DATABASE = "prefect"
MLFLOW_SCHEMA = "mlflow"

# A dashboard's query that takes longer is of no use to whoever waits for it.
_SETTINGS = {
    READER: {"default_transaction_read_only": "on", "statement_timeout": "30s", "timezone": "UTC"},
    MLFLOW: {"default_transaction_read_only": "on"},
}
_NO_POWERS = "NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS"

# Feast names its tables after the views of any repository, and makes them when a repository is applied. So they are
# known by their columns, and a trigger gives the right when one is made.
_OF_FEAST = f"""
CREATE OR REPLACE FUNCTION public.driftgate_of_feast(relation oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT names @> '{{entity_key,feature_name,event_ts}}'
        OR names @> '{{project_id}}' AND (names @> '{{metadata_key}}' OR array_to_string(names, ',') ~ '_proto(,|$)')
    FROM (SELECT array_agg(attname::text) AS names FROM pg_attribute
          WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped) AS columns
$$;
CREATE OR REPLACE FUNCTION public.driftgate_grant() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE made record;
BEGIN
    FOR made IN SELECT objid, object_identity FROM pg_event_trigger_ddl_commands()
        WHERE object_type = 'table' AND schema_name = 'public' AND public.driftgate_of_feast(objid)
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO {API}', made.object_identity);
    END LOOP;
END $$;
DROP EVENT TRIGGER IF EXISTS driftgate_grant;
CREATE EVENT TRIGGER driftgate_grant ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION driftgate_grant();
"""

# What an earlier release made as the superuser; sequences and indexes follow their tables, and what an extension made
# stays with it.
_OWNED_BY_OTHERS = text("""
SELECT format('ALTER %s %I.%I OWNER TO %I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW'
    WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, n.nspname, c.relname, :owner)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND pg_get_userbyid(c.relowner) <> :owner
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i', 'e'))
UNION ALL
SELECT format('ALTER TYPE %I.%I OWNER TO %I', n.nspname, t.typname, :owner)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY(:schemas) AND t.typtype IN ('e', 'd') AND pg_get_userbyid(t.typowner) <> :owner
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure, :owner)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(:schemas) AND pg_get_userbyid(p.proowner) <> :owner AND p.proname NOT LIKE 'driftgate\\_%'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
""")


def set_up_roles(
    admin: ConnectionParameters, passwords: Mapping[str, str], prefect_database: str = PREFECT_DATABASE
) -> None:
    """Make the roles, the Prefect server's database and the grants; take back every other right. Safe to repeat.

    The tables that are granted by name are made first where they are missing, so that none comes later without its
    grant. What an earlier release made as the superuser gets its new owner.

    Args:
        admin: a superuser, on the database of features and results.
        passwords: of each role; they reach the server only as SCRAM verifiers, so no log of statements shows them.
        prefect_database: made where it is missing.

    Raises:
        ConfigurationError: a password is absent, empty or holds a null character.
        DatabaseError: the role may not, or the database cannot be reached.
    """
    _check(passwords)
    engine = connect(admin)
    # Two containers may start at once.
    with database_errors("setting up the roles", admin), session_lock(engine, Lock.ROLES) as connection:
        for role in ROLES:
            _make_role(connection, role, passwords[role])
        connection.commit()
        _make_database(engine, prefect_database)
        _own_database(connection, admin.dbname, FLOWS, (API, MLFLOW, READER))
        _own_objects(connection, FLOWS, ["public", MLFLOW_SCHEMA])
        connection.commit()
        with role_engine(admin, FLOWS) as owner:
            create_tables(owner)
        _grant(connection)
        connection.commit()
    engine.dispose()
    with _connected(replace(admin, dbname=prefect_database)) as connection:
        _own_database(connection, prefect_database, PREFECT, ())
        _own_objects(connection, PREFECT, ["public"])


def close_other_databases(admin: ConnectionParameters) -> None:
    """Let the roles into no database that PostgreSQL itself made.

    Raises:
        DatabaseError: the role may not, or the database cannot be reached.
    """
    with _connected(admin) as connection:
        _run(connection, "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")


def _check(passwords: Mapping[str, str]) -> None:
    for role in ROLES:
        if not passwords.get(role) or "\0" in passwords[role]:
            raise ConfigurationError(
                f"the password of the role {role} is absent, empty or holds a null character",
                remedy="remove its file, and a new one is made",
            )


@contextmanager
def role_engine(admin: ConnectionParameters, role: str) -> Iterator[Engine]:
    """An engine of the superuser whose sessions act as a role, so that what they make belongs to it."""
    engine = create_engine(admin.url(), connect_args={"options": f"-c timezone=UTC -c role={role}"})
    yield engine
    engine.dispose()


@contextmanager
def _connected(parameters: ConnectionParameters) -> Iterator[Connection]:
    engine = connect(parameters)
    with database_errors("setting up the roles", parameters), engine.begin() as connection:
        yield connection
    engine.dispose()


def _make_role(connection: Connection, role: str, password: str) -> None:
    known = connection.execute(text("SELECT to_regrole(:role)"), {"role": role}).scalar_one()
    if known is None:
        _run(connection, f"CREATE ROLE {role}")
    groups = connection.execute(
        text("SELECT roleid::regrole::text FROM pg_auth_members WHERE member = to_regrole(:role)"), {"role": role}
    )
    for group in groups.scalars().all():
        _run(connection, f"REVOKE {group} FROM {role}")
    verifier = _verifier(connection, role, password)
    connection.execute(text(f"ALTER ROLE {role} {_NO_POWERS} LOGIN PASSWORD :verifier"), {"verifier": verifier})
    for name, value in _SETTINGS.get(role, {}).items():
        _run(connection, f"ALTER ROLE {role} SET {name} = '{value}'")


def _verifier(connection: Connection, role: str, password: str) -> str:
    from psycopg2.extensions import encrypt_password

    driver = connection.connection.dbapi_connection
    return str(encrypt_password(password, role, scope=driver, algorithm="scram-sha-256"))


def _make_database(engine: Engine, name: str) -> None:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        known = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}).scalar()
        if not known:
            _run(connection, f"CREATE DATABASE {_quoted(connection, name)}")


def _own_database(connection: Connection, name: str, owner: str, others: Sequence[str]) -> None:
    """Give the database its owner, and let nobody else in than the others; a new database lets everybody in."""
    database = _quoted(connection, name)
    _run(connection, f"ALTER DATABASE {database} OWNER TO {owner}")
    _run(connection, f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {', '.join(set(ROLES) - {owner})}")
    if others:
        _run(connection, f"GRANT CONNECT ON DATABASE {database} TO {', '.join(others)}")


def _own_objects(connection: Connection, owner: str, schemas: Sequence[str]) -> None:
    for statement in connection.execute(_OWNED_BY_OTHERS, {"owner": owner, "schemas": list(schemas)}).scalars().all():
        _run(connection, statement)


def _grant(connection: Connection) -> None:
    _run(connection, f"CREATE SCHEMA IF NOT EXISTS {MLFLOW_SCHEMA}")
    _run(connection, f"ALTER SCHEMA {MLFLOW_SCHEMA} OWNER TO {FLOWS}")
    for role, schemas in {API: "public, mlflow", MLFLOW: "mlflow", READER: "public"}.items():
        _revoke_all(connection, role)
        _run(connection, f"GRANT USAGE ON SCHEMA {schemas} TO {role}")
    _run(connection, f"GRANT SELECT ON {', '.join(f'public.{table}' for table in READABLE)} TO {READER}")
    _run(connection, f"GRANT SELECT ON public.{VERSION_TABLE} TO {API}")
    _run(connection, f"GRANT SELECT ON public.{online_views.name} TO {API}")
    # A row that is written again is left as it is, and PostgreSQL reads its key for that.
    _run(connection, f"GRANT INSERT, SELECT (prediction_id) ON public.{predictions.name} TO {API}")
    _run(connection, f"GRANT SELECT ON ALL TABLES IN SCHEMA {MLFLOW_SCHEMA} TO {API}, {MLFLOW}")
    later = f"ALTER DEFAULT PRIVILEGES FOR ROLE {FLOWS} IN SCHEMA {MLFLOW_SCHEMA}"
    _run(connection, f"{later} GRANT SELECT ON TABLES TO {API}, {MLFLOW}")
    _run(connection, _OF_FEAST)
    made = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    for table in connection.execute(text(f"{made} AND public.driftgate_of_feast(oid)")).scalars().all():
        _run(connection, f"GRANT SELECT ON public.{_quoted(connection, table)} TO {API}")


def _revoke_all(connection: Connection, role: str) -> None:
    """Take back what the role was granted in our schemas, on tables whole or in columns."""
    for schema in ("public", MLFLOW_SCHEMA):
        _run(connection, f"REVOKE ALL ON SCHEMA {schema} FROM {role}")
        _run(connection, f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}")
        _run(connection, f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}")


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _run(connection: Connection, statement: str) -> None:
    # The driver reads % as the beginning of a parameter.
    connection.exec_driver_sql(statement.replace("%", "%%"))
