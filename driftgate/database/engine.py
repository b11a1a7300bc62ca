"""Connections to PostgreSQL, and its failures in two groups: a retry can mend the one, only a person the other."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import URL, Dialect, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError

from driftgate.database.sqlstates import SqlState, sqlstate
from driftgate.errors import DatabaseError, DatabaseUnavailableError

metadata = MetaData()
"""Holds every table as the code reads and writes it. The revisions in `migrations` make them."""

EMBEDDED_HOSTS: dict[str, Path] = {}
"""Data folders of the embedded servers that this process uses, by the folder of the socket."""

MAKE_ROOM = "make room on that disk, or set DRIFTGATE_HOME to a folder on another one"
"""What to do where the disk of an embedded server is full."""

_MEGABYTE = 2**20
# PostgreSQL ends where it cannot make the next file of its log, which has 16.
_LEAST_FREE_MEGABYTES = 32
_KEEPER_SECONDS = 15.0

_WRONG_CREDENTIALS = ("authentication failed", "no password supplied", "pg_hba.conf")
_ABSENT = ("does not exist",)
# These refusals of a connection end by themselves; a person must mend every other one.
_PASSING = ("starting up", "shutting down", "recovery", "too many", "connection slots", "accepting", "terminating")
_TLS = ("certificate", "SSL was required", "sslmode")
_TRANSIENT_STATES = ("08", "40001", "40P01", "53", "57P01", "57P02", "57P03")


@dataclass(frozen=True)
class ConnectionParameters:
    """The address of one PostgreSQL database. `host` may be the folder of a Unix socket."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    dbname: str
    sslmode: str = "prefer"

    def url(self) -> URL:
        """Return the SQLAlchemy URL; its string form hides the password."""
        return URL.create(
            "postgresql+psycopg2",
            username=self.user,
            password=self.password or None,
            port=self.port,
            database=self.dbname,
            query={"host": self.host, "sslmode": self.sslmode},
        )

    def url_text(self) -> str:
        """Return the URL as text with the password in it, for a configuration file that is filled from the environment.

        >>> ConnectionParameters("db", 5432, "u", "p@ss", "d").url_text()
        'postgresql+psycopg2://u:p%40ss@/?host=db&port=5432&dbname=d&sslmode=prefer'
        """
        # SQLAlchemy 2.0 does not decode the name of the database where it stands in the path.
        query = urlencode(
            {"host": self.host, "port": self.port, "dbname": self.dbname, "sslmode": self.sslmode}, safe="/"
        )
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        return f"postgresql+psycopg2://{user}:{password}@/?{query}"

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.dbname}"


def connect(parameters: ConnectionParameters) -> Engine:
    """Make an engine whose sessions run in UTC. It opens no connection before the first query.

    Sessions run in UTC because PostgreSQL reads a `date` in the session's zone when it compares it with a timestamp.
    """
    engine = create_engine(
        parameters.url(),
        pool_pre_ping=True,
        connect_args={
            "options": "-c timezone=UTC",
            "connect_timeout": 10,
            "application_name": "driftgate",
        },
    )
    if parameters.host in EMBEDDED_HOSTS:
        event.listen(engine, "do_connect", _wait_for_keeper)
    return engine


def _wait_for_keeper(dialect: Dialect, _record: Any, arguments: Any, options: Any) -> Any:
    """Connect; where the embedded server was killed, give its keeper the time to start it again."""
    deadline = time.monotonic() + _KEEPER_SECONDS
    while True:
        try:
            return dialect.connect(*arguments, **options)
        except Exception as error:
            passing = any(
                part in str(error) for part in (*_PASSING, "No such file", "refused", "server closed the connection")
            )
            if not passing or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


@contextmanager
def database_errors(what: str, parameters: ConnectionParameters | None = None) -> Iterator[None]:
    """Turn driver errors inside the block into DatabaseError or DatabaseUnavailableError.

    Args:
        what: the activity, as it should read after "while ".
        parameters: named in the message where they are known.
    """
    try:
        yield
    except DBAPIError as error:
        raise translate(error, what, parameters) from error


def translate(error: DBAPIError, what: str, parameters: ConnectionParameters | None = None) -> DatabaseError:
    """Return the Driftgate error for a driver error; it is transient only where trying again can succeed."""
    state = sqlstate(error)
    # The message has one line for each address of the host; the server's reason is not always in the first.
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    message = next((line for line in lines if "FATAL:" in line), lines[0])
    where = f" ({parameters})" if parameters else ""
    received = f"PostgreSQL{where} failed while {what}: {message[:500]}"
    connecting = not state and not error.connection_invalidated and _is_operational(error)
    if connecting and any(part in message for part in _WRONG_CREDENTIALS):
        return DatabaseError(received, remedy="correct POSTGRES_USER and POSTGRES_PASSWORD")
    if connecting and "FATAL:" not in message and any(part in message for part in _TLS):
        return DatabaseError(received, remedy="correct POSTGRES_SSLMODE, or provide the certificate")
    if connecting and any(part in message for part in _ABSENT):
        return DatabaseError(received, remedy="create that role or database, or correct POSTGRES_USER and POSTGRES_DB")
    if connecting and "FATAL:" in message and not any(part in message for part in _PASSING):
        return DatabaseError(received, remedy="the server refuses this connection; see the cause above")
    if connecting or error.connection_invalidated or state.startswith(_TRANSIENT_STATES):
        return _unavailable(received, state, parameters)
    return DatabaseError(received, remedy="the statement itself was refused; see the cause above")


def _unavailable(received: str, state: str, parameters: ConnectionParameters | None) -> DatabaseError:
    """The error for a server that is not there; one without room for its files does not come back by itself."""
    if (full := _full_disk(parameters)) is not None:
        return DatabaseError(f"{received}\n  {full}", remedy=MAKE_ROOM)
    if state == SqlState.DISK_FULL:
        return DatabaseUnavailableError(received, remedy="make room on the disk of the database server")
    return DatabaseUnavailableError(
        received,
        remedy="start the server, or correct POSTGRES_HOST and POSTGRES_PORT; "
        "with POSTGRES_HOST unset an embedded server is used",
    )


def _full_disk(parameters: ConnectionParameters | None) -> str | None:
    """What is to be said of the disk of an embedded server that has no room; where none is named, of any."""
    folders = [folder for host, folder in EMBEDDED_HOSTS.items() if parameters is None or parameters.host == host]
    return next((said for said in map(without_room, folders) if said), None)


def without_room(folder: Path) -> str | None:
    """What is to be said of the disk of a data folder; None where PostgreSQL has the room that it needs there."""
    try:
        free = shutil.disk_usage(folder).free // _MEGABYTE
    except OSError:
        return None
    if free >= _LEAST_FREE_MEGABYTES:
        return None
    return f"the disk of {folder} is full: {free} MB are free, PostgreSQL needs {_LEAST_FREE_MEGABYTES} MB"


def _is_operational(error: DBAPIError) -> bool:
    return type(error.orig).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")
