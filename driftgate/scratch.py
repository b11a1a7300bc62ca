"""A folder for the temporary files of one process and of the workers it starts, gone when they are.

It is below DRIFTGATE_HOME/scratch and its owner holds a lock on it. What a killed process left is removed by its own
workers, when they notice that it is gone, and else by the next process that makes a folder of its own.
"""

import atexit
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from driftgate.errors import OutputError
from driftgate.files import lock_or_none, make_home, private_folder

VARIABLE = "DRIFTGATE_SCRATCH"
"""Names the folder to the workers of its owner."""


@dataclass(frozen=True)
class _Owned:
    path: Path
    descriptor: int
    pid: int


_owned: dict[Path, _Owned] = {}
_newest: list[Path] = []
_lock = threading.Lock()


def scratch_folder(home: Path) -> Path:
    """The folder of this process below a home; made at the first call, and removed when the process ends.

    Raises:
        OutputError: it cannot be made.
    """
    with _lock:
        owned = _owned.get(home)
        if owned is None or owned.pid != os.getpid() or not owned.path.is_dir():
            parent = home / "scratch"
            try:
                make_home(home)
                private_folder(parent)
                sweep(parent)
                owned = _owned[home] = _make(parent)
            except OSError as error:
                raise OutputError(
                    f"temporary files cannot be kept in {parent}: {error.strerror}",
                    remedy="set DRIFTGATE_HOME to a folder that this user may write",
                ) from error
        if owned.path not in _newest:
            _newest.append(owned.path)
        return owned.path


def newest_scratch() -> Path | None:
    """The folder of this process; None where it has made none, which means the system's for temporary files."""
    return _newest[-1] if _newest else None


def worker_environment() -> dict[str, str]:
    """Variables by which a worker keeps its temporary files in the folder of this process; none where there is none."""
    folder = newest_scratch()
    return {VARIABLE: str(folder), "TMPDIR": str(folder)} if folder else {}


def sweep(parent: Path) -> None:
    """Remove the folders that no process holds."""
    for folder in parent.iterdir():
        descriptor = _hold(folder)
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def remove_of_dead_owner() -> None:
    """Remove the folder that the environment names; for a worker whose parent is gone."""
    folder = os.environ.get(VARIABLE)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _make(parent: Path) -> _Owned:
    while True:
        folder = Path(tempfile.mkdtemp(prefix="process-", dir=parent))
        descriptor = _hold(folder)
        # Another process may have swept it away in the moment before.
        if descriptor is not None:
            return _Owned(folder, descriptor, os.getpid())


def _hold(folder: Path) -> int | None:
    with suppress(OSError):
        return lock_or_none(folder, os.O_RDONLY | os.O_DIRECTORY)
    return None


@atexit.register
def _remove_own() -> None:
    """Registered when this is imported, hence called after the workers are ended, which register later."""
    for owned in _owned.values():
        if owned.pid == os.getpid():
            shutil.rmtree(owned.path, ignore_errors=True)
    _owned.clear()
    _newest.clear()
