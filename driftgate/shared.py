"""What the comparisons of one job have in common: it is found once, and kept as long as its month is needed."""

import shutil
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class Shared:
    """Results by month and name, and the files that they are in.

    It is no dataclass, because Prefect looks into every dataclass that a task is given.
    """

    def __init__(self, folder: Path) -> None:
        """Keep files in a folder that the caller makes and removes."""
        self._folder = folder
        self._found: dict[date | None, dict[Hashable, Any]] = {}

    def once(self, month: date | None, what: Hashable, find: Callable[[], T]) -> T:
        """Return a result that was found before, or find it now.

        Args:
            month: which it is of; None for a result that no month ends.
            what: its name within the month.
            find: finds it; what it raises is not kept.
        """
        found = self._found.setdefault(month, {})
        if what not in found:
            found[what] = find()
        result: T = found[what]
        return result

    def each(
        self, months: Sequence[date], what: Hashable, find: Callable[[list[date]], Mapping[date, T]]
    ) -> dict[date, T]:
        """Return such a result of each month; those that are missing are found together."""
        missing = [month for month in months if what not in self._found.get(month, {})]
        for month, result in (find(missing) if missing else {}).items():
            self._found.setdefault(month, {})[what] = result
        return {month: self._found[month][what] for month in months}

    def file(self, month: date, name: str) -> Path:
        """Return a place for a file of a month."""
        folder = self._folder / str(month)
        folder.mkdir(exist_ok=True)
        return folder / name

    def keep(self, months: Collection[date]) -> None:
        """Forget what was found of all other months, with its files."""
        for month in [month for month in self._found if month is not None and month not in months]:
            del self._found[month]
            shutil.rmtree(self._folder / str(month), ignore_errors=True)
