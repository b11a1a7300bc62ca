"""Driftgate's tables in a database: made, and brought up to date, on one path, by the revisions in `migrations`.

A database says in `driftgate_version` which revision its tables are of. Where it is the newest one, that is all that is
read: Alembic is imported only where there is something to do.
"""

import logging
import threading
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import ProgrammingError

from driftgate.database.engine import database_errors
from driftgate.database.locks import Lock, lock_transaction
from driftgate.database.sqlstates import SqlState, sqlstate
from driftgate.errors import DatabaseError

_log = logging.getLogger(__name__)

HEAD = "0005"
"""The newest revision, whose tables this code reads and writes."""

VERSION_TABLE = "driftgate_version"

_REVISIONS = Path(__file__).with_name("migrations")
_OLDEST_TABLE = "monitor_runs"

# Alembic keeps the connection of an upgrade in its modules, which all threads share.
_alembic = threading.Lock()

# The planner expects one row per view and then chooses a nested loop, whose time grows with the square of the entities.
_PLANNER_SETTINGS = {"enable_nestloop": "off", "work_mem": "64MB", "timezone": "UTC"}


def prepare_database(engine: Engine) -> None:
    """Make the tables and set the planner up for point-in-time joins. Repeated and parallel calls are safe.

    The settings belong to this database alone. Where the role may not change them, a warning is logged and
    retrieval still works, though its time may grow with the square of the number of entities.

    Raises:
        DatabaseError: the tables cannot be made, or are those of a newer release.
    """
    create_tables(engine)
    with database_errors("setting up the planner"), engine.begin() as connection:
        lock_transaction(connection, Lock.SCHEMA)
        _set_planner(connection)
    # Sessions that are open already keep the old settings.
    engine.dispose()


def create_tables(engine: Engine) -> None:
    """Make Driftgate's tables, or bring those of an earlier release up to date; their rows stay.

    One transaction does it as a whole or not at all. Repeated and parallel calls are safe.

    Raises:
        DatabaseError: the role may not, the database cannot be reached, or its tables are those of a newer release.
    """
    with database_errors("creating tables"):
        with engine.connect() as connection:
            if _revision(connection) == HEAD:
                return
        with engine.begin() as connection:
            lock_transaction(connection, Lock.SCHEMA)
            # Another process may have been here while this one waited.
            if (found := _revision(connection)) != HEAD:
                _upgrade(connection, found)


def update_tables(engine: Engine) -> bool:
    """Bring the tables that are there up to date, for who only reads; returns whether there are any.

    Raises:
        DatabaseError: as `create_tables`.
    """
    with database_errors("looking for tables"), engine.connect() as connection:
        if _revision(connection) is None and not inspect(connection).has_table(_OLDEST_TABLE):
            return False
    create_tables(engine)
    return True


def _revision(connection: Connection) -> str | None:
    """The revision of the tables; None where there is none yet, or the tables are older than revisions."""
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE}).scalar_one() is None:
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608
    return str(found) if found is not None else None


def _upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_REVISIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseError(
            f"the tables of this database are of revision {found}, which a newer release of Driftgate made",
            allowed=f"up to {HEAD}",
            remedy="install that release or a newer one, or set POSTGRES_DB to another database; nothing was changed",
        )
    _log.info("The tables are brought from revision %s to %s", found, HEAD)
    with _alembic:
        command.upgrade(config, HEAD)


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
