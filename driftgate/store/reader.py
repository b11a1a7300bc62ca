"""The role that dashboards read with: it may read the tables they show, and nothing else."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from driftgate.database import database_errors
from driftgate.database.locks import Lock, lock_transaction
from driftgate.errors import ConfigurationError, DatabaseError, bounded
from driftgate.predictions.log import create_prediction_tables, prediction_monitoring, predictions
from driftgate.store.decisions import monitor_decisions
from driftgate.store.tables import create_result_tables, monitor_columns, monitor_runs

READER = "driftgate_reader"
READABLE = (
    monitor_runs.name,
    monitor_columns.name,
    monitor_decisions.name,
    predictions.name,
    prediction_monitoring.name,
)

# A dashboard's query that takes longer is of no use to whoever waits for it.
_SETTINGS = {"default_transaction_read_only": "on", "statement_timeout": "30s", "timezone": "UTC"}
_POWERS = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")


def create_reader(engine: Engine, password: str) -> None:
    """Make the role `driftgate_reader`, or give it this password, and let it read the dashboards' tables alone.

    The tables are made first where they are missing, so that none comes later without its grant. What the role was
    granted in this schema beyond them is taken back. Safe to repeat and to run at once.

    Args:
        engine: on the database of the results, with a role that may create roles and owns the tables.
        password: reaches the server only as its SCRAM verifier, so no log of statements can show it.

    Raises:
        ConfigurationError: the password is empty or holds a null character.
        DatabaseError: the role may not, a role of that name may do more than read, or the database cannot be reached.
    """
    if not password or "\0" in password:
        raise ConfigurationError(
            "the password of the role that dashboards read with is empty or holds a null character",
            remedy="set GRAFANA_DB_PASSWORD to a password",
        )
    create_result_tables(engine)
    create_prediction_tables(engine)
    with database_errors(f"making the role {READER}"), engine.begin() as connection:
        # Several containers may start at once.
        lock_transaction(connection, Lock.READER_ROLE)
        _ensure_role(connection)
        connection.execute(
            text(f"ALTER ROLE {READER} LOGIN PASSWORD :verifier"), {"verifier": _verifier(connection, password)}
        )
        for name, value in _SETTINGS.items():
            connection.exec_driver_sql(f"ALTER ROLE {READER} SET {name} = '{value}'")
        _grant(connection)


def _ensure_role(connection: Connection) -> None:
    known = (
        connection.execute(text("SELECT * FROM pg_roles WHERE rolname = :name"), {"name": READER}).mappings().first()
    )
    if known is None:
        connection.exec_driver_sql(f"CREATE ROLE {READER} LOGIN")
        return
    groups = connection.execute(
        text("SELECT roleid::regrole::text FROM pg_auth_members WHERE member = to_regrole(:name)"), {"name": READER}
    ).scalars()
    more = [*(power for power in _POWERS if known[power]), *(f"member of {group}" for group in groups)]
    if more:
        raise DatabaseError(
            f"there is a role {READER} that may do more than read: {bounded(more)}",
            allowed="a role without privileges of its own or of a group",
            remedy=f"DROP OWNED BY {READER}; DROP ROLE {READER}; and start again",
        )


def _verifier(connection: Connection, password: str) -> str:
    from psycopg2.extensions import encrypt_password

    driver = connection.connection.dbapi_connection
    return str(encrypt_password(password, READER, scope=driver, algorithm="scram-sha-256"))


def _grant(connection: Connection) -> None:
    quote = connection.dialect.identifier_preparer.quote_identifier
    schema_name = connection.execute(text("SELECT current_schema()")).scalar_one()
    schema = quote(schema_name)
    for table in _granted(connection, schema_name):
        _run(connection, f"REVOKE ALL ON {schema}.{quote(table)} FROM {READER}")
    _run(connection, f"REVOKE ALL ON SCHEMA {schema} FROM {READER}")
    _run(connection, f"GRANT USAGE ON SCHEMA {schema} TO {READER}")
    _run(connection, f"GRANT SELECT ON {', '.join(f'{schema}.{quote(table)}' for table in READABLE)} TO {READER}")


def _granted(connection: Connection, schema: str) -> Sequence[str]:
    """The tables of the schema on which the role was granted anything, whole or in columns."""
    query = text(
        "SELECT table_name FROM information_schema.role_table_grants WHERE grantee = :name AND table_schema = :schema "
        "UNION SELECT table_name FROM information_schema.role_column_grants "
        "WHERE grantee = :name AND table_schema = :schema"
    )
    return connection.execute(query, {"name": READER, "schema": schema}).scalars().all()


def _run(connection: Connection, statement: str) -> None:
    # The driver reads % as the beginning of a parameter.
    connection.exec_driver_sql(statement.replace("%", "%%"))
