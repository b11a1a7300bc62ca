"""An embedded PostgreSQL for machines where no server is configured.

The server is a separate process that listens on a Unix socket only, and lets only the user in who started it (see
`cluster`). Commands that run at the same time share it. A small process keeps it (see `keeper`): it stops the server
when the last of them ends, however that ends, and restarts it where it was killed under them.
"""

import time
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from driftgate.database.engine import EMBEDDED_HOSTS, ConnectionParameters, translate
from driftgate.database.sqlstates import SqlState, sqlstate
from driftgate.errors import DatabaseError, DatabaseUnavailableError
from driftgate.files import make_home

_ADMIN = "postgres"
_RESTART_SECONDS = 120.0
_PAUSE_SECONDS = 0.2


def embedded_parameters(home: Path, dbname: str = "driftgate") -> ConnectionParameters:
    """Start the server under `home` or join the one that runs there, and return where `dbname` is.

    Raises:
        DatabaseError: the server cannot be started; its log is named.
    """
    folder = home / "postgres"
    try:
        make_home(home)
        # It brings PostgreSQL, and those who have a server of their own need not have it.
        from driftgate.database.cluster import PORT, start_cluster

        host = str(start_cluster(folder).socket_folder)
    except DatabaseError:
        raise
    except Exception as error:
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise DatabaseError(
            f"the embedded PostgreSQL under {folder} does not start: {cause}",
            remedy=f"see {folder / 'log'}; set DRIFTGATE_HOME to a writable local folder, "
            "or set POSTGRES_HOST to use a server of your own",
        ) from error
    admin = ConnectionParameters(host, PORT, _ADMIN, "", "postgres", "disable")
    EMBEDDED_HOSTS[host] = folder
    _ensure_database(admin, dbname)
    return replace(admin, dbname=dbname)


def _ensure_database(admin: ConnectionParameters, dbname: str) -> None:
    """Make the database where it is missing; a server that was killed meanwhile is waited for, as its keeper starts it.

    Raises:
        DatabaseError: the server refuses, or does not come back.
    """
    deadline = time.monotonic() + _RESTART_SECONDS
    while True:
        try:
            _make_database(admin, dbname)
            return
        except DBAPIError as error:
            if sqlstate(error) in (SqlState.DUPLICATE_DATABASE, SqlState.UNIQUE_VIOLATION):
                # Another command created it in the same moment.
                return
            found = translate(error, "making the database", admin)
            if not isinstance(found, DatabaseUnavailableError) or time.monotonic() > deadline:
                raise found from error
        time.sleep(_PAUSE_SECONDS)


def _make_database(admin: ConnectionParameters, dbname: str) -> None:
    engine = create_engine(admin.url(), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            there = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": dbname})
            if there.first() is None:
                quoted = connection.execute(text("SELECT quote_ident(:name)"), {"name": dbname}).scalar_one()
                connection.exec_driver_sql(f"CREATE DATABASE {quoted.replace('%', '%%')}")
    finally:
        engine.dispose()
