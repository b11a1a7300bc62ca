"""Files written whole or not at all, who may read them, and locks that say whose a file is.

What holds rows of entities is private: this user alone reads it. Where a folder hands its group on (`chmod g+s`), it is
shared with that group, and so is what is written there.
"""

import errno
import fcntl
import glob
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from driftgate.errors import OutputError

MOST_NAMED_BYTES = 1_000_000
"""The size of a file that a user names and that is read whole; those that people write are far smaller."""

_REMEDY = "make the folder writable for this user, or set REPORT_DIR to one that is"


def require_regular(path: Path) -> None:
    """Check that what is read is a regular file: a pipe may keep its reader waiting for ever, a device never ends.

    Raises:
        OSError: it is absent, or something else.
    """
    kind = stat.S_IFMT(path.stat().st_mode)
    # To open a folder is an error that says so.
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))


def read_named(path: Path) -> str:
    """Read a text file that a user names, and that is read whole.

    Raises:
        OSError: it is absent, cannot be read, is no regular file, or has more than `MOST_NAMED_BYTES`.
        UnicodeDecodeError: it is not UTF-8.
    """
    require_regular(path)
    with path.open("rb") as file:
        content = file.read(MOST_NAMED_BYTES + 1)
    if len(content) > MOST_NAMED_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MOST_NAMED_BYTES:,} bytes", str(path))
    return content.decode()


def require_writable(folder: Path, *, private: bool = False) -> None:
    """Create the folder where it is missing, private or as its parent is, and prove that a file can be made in it.

    Raises:
        OutputError: it cannot.
    """
    try:
        _make_any(folder, private)
        _remove_left(folder / "probe")
        with _hidden_file(folder / "probe") as probe:
            Path(probe.name).unlink()
    except OSError as error:
        raise OutputError(f"reports cannot be written to {folder}: {error.strerror}", remedy=_REMEDY) from error


def write_atomic(path: Path, text: str, *, private: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part; readable for everyone, or private.

    Raises:
        OutputError: the folder is not writable or the disk is full; the old file is untouched.
    """
    try:
        _make_any(path.parent, private)
        replace_file(path, text, _private_mode(path.parent) if private else 0o644)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", remedy=_REMEDY) from error


def replace_file(path: Path, text: str, mode: int) -> None:
    """Write a file in a folder that is there, so that a reader sees the old one or the new one, never a part.

    Args:
        path: the file.
        text: what it holds then.
        mode: its permissions; before it is complete it is private.

    Raises:
        OSError: the folder is absent or not writable, or the disk is full; the old file is untouched.
    """
    temporary: Path | None = None
    _remove_left(path)
    try:
        with _hidden_file(path) as handle:
            temporary = Path(handle.name)
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
            # While it is locked: afterwards the next writer would take it for one that a killed process left.
            temporary.chmod(mode)
            temporary.replace(path)
    finally:
        # Gone already where it became the file.
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _hidden_file(path: Path) -> IO[str]:
    """A new file beside a path, which this process holds a lock on for as long as it is open."""
    while True:
        handle = tempfile.NamedTemporaryFile(  # noqa: SIM115  the caller closes it
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
        )
        try:
            if _lock(handle.fileno(), Path(handle.name)):
                return handle
        except OSError:
            # A file system without locks, where nobody removes what others left.
            return handle
        # Another process took it for one that was left.
        handle.close()


def _remove_left(path: Path) -> None:
    """Remove what processes left that were killed while they wrote the file."""
    remove_unlocked(path.parent.glob(f".{glob.escape(path.name)}-*"))


def remove_unlocked(paths: Iterable[Path]) -> None:
    """Remove the files that no process holds a lock on."""
    for path in paths:
        with suppress(OSError):
            descriptor = lock_or_none(path, os.O_RDWR)
            if descriptor is not None:
                path.unlink(missing_ok=True)
                os.close(descriptor)


def private_folder(folder: Path, mode: int = 0o700) -> None:
    """Create a folder, and those that are missing above it, for this user alone; one that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    private_folder(folder.parent, _above())
    folder.mkdir(mode, exist_ok=True)
    if folder.stat().st_mode & stat.S_ISGID:
        folder.chmod(0o2750)


def make_home(home: Path) -> None:
    """Create DRIFTGATE_HOME where it is missing: private.

    Raises:
        OSError: it cannot be made.
    """
    private_folder(home, _above())


def _above() -> int:
    # Root's embedded PostgreSQL runs as another user, who must pass; a list of the files is for nobody.
    return 0o711 if os.geteuid() == 0 else 0o700


def make_private(folder: Path) -> None:
    """Close a folder, and all that is in it, to others.

    Raises:
        OSError: this is not the user whose it is.
    """
    for place in (folder, *folder.rglob("*")):
        shared = bool(place.parent.stat().st_mode & stat.S_ISGID)
        if place.is_dir():
            place.chmod(0o2750 if shared else 0o700)
        else:
            place.chmod(_private_mode(place.parent))


def _private_mode(folder: Path) -> int:
    return 0o640 if folder.stat().st_mode & stat.S_ISGID else 0o600


def _make_any(folder: Path, private: bool) -> None:
    private_folder(folder) if private else _make_folder(folder)


def _make_folder(folder: Path) -> None:
    """Create a folder with the mode of the one it is in, so that whoever may delete reports there may do so here.

    Not so in a folder like /tmp, in which nobody may delete what is another's: there it is its user's alone to write.
    """
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    mode = stat.S_IMODE(folder.parent.stat().st_mode)
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        folder.chmod(mode)


def lock_or_none(path: Path, flags: int) -> int | None:
    """Open a file or folder and lock it; the lock ends with the descriptor, and so with the process.

    Args:
        path: what to lock.
        flags: of `os.open`.

    Returns:
        The descriptor; None where it is gone, or another process holds it or removed it in the moment before the lock.

    Raises:
        OSError: it cannot be opened or locked for another reason.
    """
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    locked = False
    try:
        locked = _lock(descriptor, path)
    finally:
        if not locked:
            os.close(descriptor)
    return descriptor if locked else None


def _lock(descriptor: int, path: Path) -> bool:
    """Lock what is open; False where another process holds it, or it no longer is what has that path."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
