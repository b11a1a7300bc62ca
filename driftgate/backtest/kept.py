"""Results kept in files by name, so that what was computed before is read and not computed again."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from driftgate.files import write_atomic

T = TypeVar("T")


@dataclass(frozen=True)
class Kept:
    """A folder of JSON files.

    Attributes:
        folder: made where it is missing.
    """

    folder: Path
    _used: set[str] = field(default_factory=set)

    def get(self, name: str, kind: type[T], compute: Callable[[], T]) -> T:
        """Return the result of that name, computed and kept where it is not there or cannot be read.

        Args:
            name: changes with whatever the result hangs on.
            kind: of the result, as pydantic reads and writes it.
            compute: returns the result.

        Raises:
            OutputError: the file cannot be written.
        """
        path, adapter = self.folder / f"{name}.json", TypeAdapter(kind)
        self._used.add(path.name)
        try:
            return adapter.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            found = compute()
        # pydantic's own text has null for NaN, which is then no number.
        write_atomic(path, json.dumps(adapter.dump_python(found, mode="json")))
        return found

    def delete_others(self) -> None:
        """Delete the files that nobody asked for."""
        for path in self.folder.glob("*.json"):
            if path.name not in self._used:
                path.unlink(missing_ok=True)
