"""A disk that is full: one folder of a case on a small file system of its own, with so much room and no more.

Only root may mount one; another user is root's like in a namespace of their own (user_namespaces(7)), where the kernel
allows that. The commands of a case have no more rights there than elsewhere.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.place import Place

FOLDERS = {
    "full home": "home",
    "full reports": "reports",
    "full workspace": "workspace",
    "full predictions": "predictions",
    "full models": "mlartifacts",
    "full tmp": "tmp",
}
# Files that are there for a moment are not seen afterwards.
LEAST_ROOM = 256 * 1024
_PAGE = 4096
_ENTERED = "DRIFTGATE_CHAOS_NAMESPACE"
# --keep-caps leaves the right to mount to the program that is started.
_NAMESPACE = ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount")
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_libc = ctypes.CDLL(None, use_errno=True)


def require_rights() -> None:
    """Go on in a namespace in which this user may mount, where they may not here and may make one.

    It takes the place of this process, which must not have started anything.
    """
    if os.environ.pop(_ENTERED, None):
        # What this process starts, as a user would, gets none of its rights.
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    elif not can_be_made() and subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0:
        line = [*_NAMESPACE, sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
        os.execvpe(line[0], line, {**os.environ, _ENTERED: "1"})


def can_be_made() -> bool:
    """Whether this process may mount a file system in memory."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            _mount(Path(folder), _PAGE)
        except PermissionError:
            return False
        _unmount(Path(folder))
        return True


# By the kernel's own call: the program `mount` asks whether it is root, and not whether it may.
def _mount(folder: Path, size: int) -> None:
    arguments = (b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={size}".encode())
    _succeed(_libc.mount(*arguments), folder)


def _unmount(folder: Path) -> None:
    _succeed(_libc.umount2(os.fsencode(folder), 0), folder)


def _succeed(status: int, folder: Path) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))


def used_bytes(folder: Path) -> int:
    """What a folder takes on a file system in memory, in whole pages; a folder that is not there takes none."""
    return sum(
        _PAGE + -(-path.lstat().st_size // _PAGE) * _PAGE for path in [folder, *folder.rglob("*")] if path.exists()
    )


def used(place: Place) -> dict[str, int]:
    """What each folder of the case takes."""
    return {role: used_bytes(place.case / name) for role, name in FOLDERS.items()}


@contextmanager
def full_disk(folder: Path, room: int) -> Iterator[None]:
    """Have a folder on a disk with so many bytes left; what is in it at the end stays.

    Nothing runs when it begins and when it ends.
    """
    folder.mkdir(exist_ok=True)
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir()
    size = used_bytes(aside) + room
    _mount(folder, size)
    try:
        _move_inside(aside, folder)
        yield
        _move_inside(folder, aside)
    finally:
        _unmount(folder)
    folder.rmdir()
    aside.rename(folder)


def _move_inside(source: Path, target: Path) -> None:
    """Have in a folder what is in another, with owners and modes, and nothing else."""
    target.mkdir(exist_ok=True)
    for path in target.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    subprocess.run(["cp", "-a", f"{source}{os.sep}.", str(target)], check=True)
