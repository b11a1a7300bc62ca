"""Log files of parts: private, one for each, and none without a bound."""

import os
import shutil
from pathlib import Path
from typing import IO

from driftgate.files import private_folder

_MOST_BYTES = 10 * 2**20
_TAIL_BYTES = 4096
_MOST_CHARS = 300


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to it; made private to this user where it is missing."""
    private_folder(path.parent)
    bound_log(path)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def bound_log(path: Path) -> None:
    """Move what is in a log that has grown large to a second file, in place of what that had; writers go on."""
    if path.is_file() and path.stat().st_size > _MOST_BYTES:
        earlier = path.with_name(f"{path.name}.1")
        earlier.unlink(missing_ok=True)
        os.close(os.open(earlier, os.O_WRONLY | os.O_CREAT, 0o600))
        shutil.copyfile(path, earlier)
        # Whoever appends to it writes to its new end.
        os.truncate(path, 0)


def last_words(path: Path, start: int = 0) -> str:
    """What a program said last: its error where it is one of ours, else its last line; empty where it said nothing.

    Args:
        path: of its log.
        start: size of the log when the program was started; what was there before is not read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start if start <= size else 0, size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.split(":", 1)[0].endswith("Error")]
    return (errors or said or [""])[-1][:_MOST_CHARS]
