"""The PostgreSQL server of the stack, and the Prefect server's own database in it."""

import time
from dataclasses import replace
from pathlib import Path

from sqlalchemy import URL

from driftgate.database import ConnectionParameters, connect, database_errors
from driftgate.errors import ConfigurationError, DatabaseError, DatabaseUnavailableError
from driftgate.files import read_named

PREFECT_ROLE, PREFECT_DATABASE = "driftgate_prefect", "prefect"

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
                remedy="`docker compose up -d roles-init` sets the roles and their passwords anew",
            ) from error


def prefect_parameters(parameters: ConnectionParameters, password_file: Path) -> ConnectionParameters:
    """The address of the Prefect server's database, on the same server, with the server's own role.

    Raises:
        ConfigurationError: the file of the role's password cannot be read.
    """
    try:
        password = read_named(password_file).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"PREFECT_DATABASE_PASSWORD_FILE cannot be read: {error}",
            remedy="`docker compose up -d roles-init` makes the passwords",
        ) from error
    return replace(parameters, user=PREFECT_ROLE, password=password, dbname=PREFECT_DATABASE)


def prefect_database_url(parameters: ConnectionParameters) -> str:
    """The address of a database as Prefect reads it, with the password quoted.

    >>> prefect_database_url(ConnectionParameters("db", 5432, "u", "p@:/%#", "prefect"))
    'postgresql+asyncpg://u:p%40%3A%2F%25%23@db:5432/prefect'
    """
    url = URL.create(
        "postgresql+asyncpg",
        username=parameters.user,
        password=parameters.password,
        host=parameters.host,
        port=parameters.port,
        database=parameters.dbname,
    )
    return url.render_as_string(hide_password=False)
