"""Files that people read, written whole or not at all."""

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
    temporary: Path | None = None
    try:
        _make_folder(path.parent)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
        ) as handle:
            temporary = Path(handle.name)
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", remedy=_REMEDY) from error
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
