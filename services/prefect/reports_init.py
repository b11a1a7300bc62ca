"""Make folders writable for containers that are not root. Runs once, as root, before they start.

The reports must be deletable by the owner of the folder, whoever that is, so a folder keeps its owner. Files in it stay
as they are.
"""

import os
import stat
from pathlib import Path

REPORTS = ("/reports/evidently", "/reports/workspace", "/reports/predictions")
# A new volume belongs to root.
MODELS, SPOOL = "/mlartifacts", "/spool"
PUSHGATEWAY, PUSHGATEWAY_UID = "/pushgateway", 65534

# Without the sticky bit: one user may replace a report that another wrote. The group bit hands the folder's group on.
OPEN_MODE = 0o2777


def may_write(status: os.stat_result, uid: int, gid: int) -> bool:
    """Whether this user may make and delete files in a folder with this owner, group and mode.

    >>> may_write(os.stat_result((0o40755, 0, 0, 2, 1001, 1001, 0, 0, 0, 0)), 1001, 1001)
    True
    >>> may_write(os.stat_result((0o40755, 0, 0, 2, 1001, 1001, 0, 0, 0, 0)), 1000, 1000)
    False
    """
    if status.st_uid == uid:
        needed = stat.S_IWUSR | stat.S_IXUSR
    elif status.st_gid == gid:
        needed = stat.S_IWGRP | stat.S_IXGRP
    else:
        needed = stat.S_IWOTH | stat.S_IXOTH
    return status.st_mode & needed == needed


def main() -> None:
    """Create the folders where they are missing, and open those that are closed to their user."""
    uid, gid = int(os.environ["DRIFTGATE_UID"]), int(os.environ["DRIFTGATE_GID"])
    for name in (*REPORTS, MODELS, SPOOL):
        open_folder(Path(name), uid, gid)
    open_folder(Path(PUSHGATEWAY), PUSHGATEWAY_UID, PUSHGATEWAY_UID)


def open_folder(folder: Path, uid: int, gid: int) -> None:
    """Create the folder where it is missing, and open it where it is closed to that user."""
    folder.mkdir(exist_ok=True)
    if uid != 0 and not may_write(folder.stat(), uid, gid):
        folder.chmod(OPEN_MODE)
        print(f"{folder} is now writable for user {uid}")


if __name__ == "__main__":
    main()
