"""The PostgreSQL server of the stack, and the Prefect server's own database in it."""

import time

from sqlalchemy import URL, text

from driftgate.database import ConnectionParameters, connect, database_errors
from driftgate.errors import DatabaseError, DatabaseUnavailableError

PREFECT_DATABASE = "prefect"

_DATABASE_SECONDS = 120


def wait_for_database(parameters: ConnectionParameters) -> None:
    """Wait for PostgreSQL: when Docker itself restarts, it does not start containers in their order.

    Raises:
        DatabaseError: it refuses this user, or does not come up in two minutes.
    """
    engine = connect(parameters)
    deadline = time.monotonic() + _DATABASE_SECONDS
    while True:
        try:
            with database_errors("connecting", parameters), engine.connect():
                return
        except DatabaseUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        except DatabaseError as error:
            raise DatabaseError(
                error.received,
                remedy="a volume keeps the user and password of its first start: set POSTGRES_USER and "
                "POSTGRES_PASSWORD to those, or drop all that is loaded with `docker compose down -v`",
            ) from error


def create_prefect_database(parameters: ConnectionParameters) -> None:
    """Create the Prefect server's own database beside ours, where it is missing.

    Raises:
        DatabaseError: the role may not.
    """
    engine = connect(parameters).execution_options(isolation_level="AUTOCOMMIT")
    with database_errors(f"creating the database {PREFECT_DATABASE}", parameters), engine.connect() as connection:
        known = connection.execute(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": PREFECT_DATABASE}
        ).scalar()
        if not known:
            connection.execute(text(f"CREATE DATABASE {PREFECT_DATABASE}"))
    engine.dispose()


def prefect_database_url(parameters: ConnectionParameters) -> str:
    """The address of that database as Prefect reads it, with the password quoted.

    >>> prefect_database_url(ConnectionParameters("db", 5432, "u", "p@:/%#", "d"))
    'postgresql+asyncpg://u:p%40%3A%2F%25%23@db:5432/prefect'
    """
    url = URL.create(
        "postgresql+asyncpg",
        username=parameters.user,
        password=parameters.password,
        host=parameters.host,
        port=parameters.port,
        database=PREFECT_DATABASE,
    )
    return url.render_as_string(hide_password=False)
