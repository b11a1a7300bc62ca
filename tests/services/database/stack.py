"""The roles of the stack on the server of the tests, which other tests must not find there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import text

from driftgate.database import ConnectionParameters, connect
from services.database.roles import ROLES

PASSWORDS = {role: f"secret of {role}" for role in ROLES}


@contextmanager
def without_roles(server: ConnectionParameters, prefect_database: str) -> Iterator[None]:
    """Drop the roles afterwards, and the Prefect server's database; the superuser gets what else they own."""
    yield
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{prefect_database}" WITH (FORCE)')
        databases = connection.execute(text("SELECT datname FROM pg_database WHERE datallowconn")).scalars().all()
        present = connection.execute(
            text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles)"), {"roles": list(ROLES)}
        )
        roles = sorted(present.scalars().all(), key=ROLES.index, reverse=True)
    admin.dispose()
    for database in databases:
        own = connect(replace(server, dbname=database))
        with own.begin() as connection:
            for role in roles:
                connection.exec_driver_sql(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
                connection.exec_driver_sql(f"DROP OWNED BY {role} CASCADE")
        own.dispose()
    admin = connect(server)
    with admin.begin() as connection:
        for role in roles:
            connection.exec_driver_sql(f"DROP ROLE {role}")
    admin.dispose()
