"""A disk that is full: one folder of a case on a small file system of its own, with so much room and no more."""

import os
import shutil
import subprocess
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


def can_be_made() -> bool:
    """Whether this user may mount a file system in memory, as root may."""
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


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
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        _move_inside(aside, folder)
        yield
        _move_inside(folder, aside)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
    aside.rename(folder)


def _move_inside(source: Path, target: Path) -> None:
    """Have in a folder what is in another, with owners and modes, and nothing else."""
    target.mkdir(exist_ok=True)
    for path in target.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    subprocess.run(["cp", "-a", f"{source}{os.sep}.", str(target)], check=True)
