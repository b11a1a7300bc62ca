"""Files that others read, written whole or not at all, and locks that say whose a file is."""

import fcntl
import os
import stat
import tempfile
from pathlib import Path

from driftgate.errors import OutputError

_REMEDY = "make the folder writable for this user, or set REPORT_DIR to one that is"


def require_writable(folder: Path) -> None:
    """Create the folder where it is missing and prove that a file can be made in it.

    Raises:
        OutputError: it cannot.
    """
    try:
        _make_folder(folder)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
            pass
    except OSError as error:
        raise OutputError(f"reports cannot be written to {folder}: {error.strerror}", remedy=_REMEDY) from error


def write_atomic(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part; readable for everyone.

    Raises:
        OutputError: the folder is not writable or the disk is full; the old file is untouched.
    """
    try:
        _make_folder(path.parent)
        replace_file(path, text, 0o644)
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
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
        ) as handle:
            temporary = Path(handle.name)
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        # Gone already where it became the file.
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Create a folder with the mode of the one it is in, so that whoever may delete reports there may do so here."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    mode = stat.S_IMODE(folder.parent.stat().st_mode) & ~stat.S_ISVTX
    if mode & stat.S_IWOTH:
        folder.chmod(mode)


def lock_or_none(path: Path, flags: int) -> int | None:
    """Open a file or folder and lock it; the lock ends with the descriptor, and so with the process.

    Args:
        path: what to lock.
        flags: of `os.open`.

    Returns:
        The descriptor; None where it is gone, or another process holds it.

    Raises:
        OSError: it cannot be opened or locked for another reason.
    """
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor
