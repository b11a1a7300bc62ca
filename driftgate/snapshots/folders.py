"""Which month folders there are, and of which day each is."""

import re
from datetime import date
from pathlib import Path

from driftgate.errors import DataError
from driftgate.snapshots.dates import month_end

_NUMBERED = re.compile(r"month_(\d{3})")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}")


def month_folders(parent: Path, *, required: bool = True) -> list[tuple[Path, date]]:
    """The month folders directly below `parent` with their as_of, oldest first.

    A folder is named for its day (`2024-01-31`), or numbered (`month_000`): then month_000 is of 2024-01-31 and each
    further number is of one month end later.

    Raises:
        DataError: there is none and one is required, or two folders are of the same day.
    """
    found: dict[date, Path] = {}
    for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
        day = as_of_of(folder.name) if folder.is_dir() else None
        if day is None:
            continue
        if day in found:
            raise DataError(f"{found[day]} and {folder} are both of {day}", remedy="keep one of them")
        found[day] = folder
    if not found and required:
        raise DataError(
            f"there is no month folder below {parent}",
            allowed="folders named like 2024-01-31 or month_000",
            remedy="write some with `driftgate sample --out DIR`, or name the folder of yours",
        )
    return [(found[day], day) for day in sorted(found)]


def as_of_of(name: str) -> date | None:
    """The day a folder name stands for, or None.

    >>> as_of_of("month_001"), as_of_of("2024-03-31"), as_of_of("notes")
    (datetime.date(2024, 2, 29), datetime.date(2024, 3, 31), None)
    """
    if _DATED.fullmatch(name):
        try:
            return date.fromisoformat(name)
        except ValueError:
            return None
    numbered = _NUMBERED.fullmatch(name)
    return month_end(int(numbered[1])) if numbered else None
