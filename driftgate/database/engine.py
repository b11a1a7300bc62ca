"""Connections to PostgreSQL, and its failures in two groups: a retry can mend the one, only a person the other."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import URL, Connection, Dialect, Engine, MetaData, Table, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from driftgate.database.locks import Lock, lock_transaction
from driftgate.database.sqlstates import SqlState, sqlstate
from driftgate.errors import DatabaseError, DatabaseUnavailableError

_log = logging.getLogger(__name__)

metadata = MetaData()
"""Holds every table, so that a single call creates what is missing."""

EARLIER_NAME = "earlier_name"
"""Key in a column's `info`: what an earlier release called the column. `create_tables` renames it, with its rows."""

EMBEDDED_HOSTS: set[str] = set()
"""Folders of the sockets of embedded servers that this process uses."""

_KEEPER_SECONDS = 15.0

# The planner expects one row per view and then chooses a nested loop, whose time grows with the square of the entities.
_PLANNER_SETTINGS = {"enable_nestloop": "off", "work_mem": "64MB", "timezone": "UTC"}

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
        return DatabaseUnavailableError(
            received,
            remedy="start the server, or correct POSTGRES_HOST and POSTGRES_PORT; "
            "with POSTGRES_HOST unset an embedded server is used",
        )
    return DatabaseError(received, remedy="the statement itself was refused; see the cause above")


def _is_operational(error: DBAPIError) -> bool:
    return type(error.orig).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")


def prepare_database(engine: Engine) -> None:
    """Create missing tables and set the planner up for point-in-time joins. Repeated and parallel calls are safe.

    The settings belong to this database alone. Where the role may not change them, a warning is logged and
    retrieval still works, though its time may grow with the square of the number of entities.

    Raises:
        DatabaseError: the tables cannot be created.
    """
    create_tables(engine)
    with database_errors("setting up the planner"), engine.begin() as connection:
        lock_transaction(connection, Lock.SCHEMA)
        _set_planner(connection)
    # Sessions that are open already keep the old settings.
    engine.dispose()


def create_tables(engine: Engine, tables: Sequence[Table] | None = None) -> None:
    """Create missing tables, by default all of Driftgate's, and bring the columns of older tables up to date.

    Repeated and parallel calls are safe.

    Raises:
        DatabaseError: the role may not, or the database cannot be reached.
    """
    with database_errors("creating tables"), engine.begin() as connection:
        lock_transaction(connection, Lock.SCHEMA)
        metadata.create_all(connection, tables=tables)
        for table in metadata.tables.values() if tables is None else tables:
            _renew_columns(connection, table)


def _renew_columns(connection: Connection, table: Table) -> None:
    """Rename what an earlier release called otherwise, add what its table lacks, and allow NULL where it may be now.

    A column that is added is nullable, so that the rows stay as they are.
    """
    found = inspect(connection).get_columns(table.name, schema=table.schema)
    present = {column["name"]: column["nullable"] for column in found}
    quote = connection.dialect.identifier_preparer
    for column in table.columns:
        altered, name = f"ALTER TABLE {quote.format_table(table)}", quote.format_column(column)
        if column.name in present:
            if column.nullable and not present[column.name]:
                connection.exec_driver_sql(f"{altered} ALTER COLUMN {name} DROP NOT NULL")
            continue
        earlier = column.info.get(EARLIER_NAME)
        if earlier in present:
            connection.exec_driver_sql(f"{altered} RENAME COLUMN {quote.quote(earlier)} TO {name}")
        else:
            kind = column.type.compile(connection.dialect)
            connection.exec_driver_sql(f"{altered} ADD COLUMN IF NOT EXISTS {name} {kind}")


def _set_planner(connection: Connection) -> None:
    present = connection.execute(
        text(
            "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
            "WHERE s.setrole = 0 AND d.datname = current_database()"
        )
    ).scalars()
    # PostgreSQL keeps its own spelling of a name, such as TimeZone.
    known = {setting.lower() for setting in present}
    missing = {f"{name}={value}".lower() for name, value in _PLANNER_SETTINGS.items()} - known
    if not missing:
        return
    quoted = connection.execute(text("SELECT quote_ident(current_database())")).scalar_one().replace("%", "%%")
    try:
        with connection.begin_nested():
            for name, value in _PLANNER_SETTINGS.items():
                connection.exec_driver_sql(f"ALTER DATABASE {quoted} SET {name} = '{value}'")
    except ProgrammingError as error:
        if sqlstate(error) != SqlState.INSUFFICIENT_PRIVILEGE:
            raise
        _log.warning(
            "This role may not set %s on the database; ask its owner to, or retrieval may be slow",
            ", ".join(sorted(_PLANNER_SETTINGS)),
        )
