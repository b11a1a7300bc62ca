"""Predictions on this machine's disk, until they are in the table: what was appended outlives the process.

Each process appends to a segment of its own, a file of JSON lines, and holds a lock on it (`flock`). A segment that
nobody holds was left by a process that ended before its rows were in the table; whoever comes next takes it over.
Rows carry their ids, so that a segment that was written to the table, and not yet removed, does no harm.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from uuid import UUID, uuid4

from driftgate.errors import OutputError
from driftgate.files import lock_or_none, private_folder
from driftgate.predictions.log import Prediction, row_of

_SUFFIX = ".jsonl"
_ASIDE = ".unreadable"
_sync = getattr(os, "fdatasync", os.fsync)


def spool_folder(home: Path) -> Path:
    """Where the prediction service of a home keeps its spool."""
    return home / "spool" / "predictions"


def rows_left(folder: Path) -> int:
    """How many predictions are in the spool, once the service has ended: the next start writes them to the table."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob(f"*{_SUFFIX}"))


@dataclass(frozen=True)
class Segment:
    """A closed file that this process holds.

    Attributes:
        descriptor: the open file, with the lock on it.
    """

    path: Path
    descriptor: int

    def read(self) -> tuple[list[Prediction], int]:
        """Its rows, and how many lines are not readable.

        A last line without an end is no row: its process ended within the write, before anybody was answered.
        """
        rows, unreadable = [], 0
        *lines, _rest = self.path.read_bytes().split(b"\n")
        for line in lines:
            try:
                rows.append(_prediction(json.loads(line)))
            except (ValueError, TypeError, KeyError, AttributeError):
                unreadable += 1
        return rows, unreadable

    def remove(self) -> None:
        """The rows are in the table."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)

    def put_aside(self) -> Path:
        """Keep the file for a person to look at; nobody takes it over."""
        aside = self.path.with_suffix(_ASIDE)
        self.path.rename(aside)
        os.close(self.descriptor)
        return aside

    def release(self) -> None:
        """Leave it to whoever comes next."""
        os.close(self.descriptor)


class Spool:
    """The segments in a folder. One thread appends; `cut` and `abandoned` are for another, between its calls."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before the first row."""
        self.folder = folder
        self._active: Segment | None = None

    def append(self, rows: Sequence[Prediction]) -> None:
        """Add rows; on the disk itself, by fdatasync, when this returns.

        Raises:
            OutputError: they could not be written, and none of them is there.
        """
        text = b"".join(_line(row) for row in rows)
        try:
            segment = self._active = self._active or self._open()
            size = os.fstat(segment.descriptor).st_size
            try:
                _write(segment.descriptor, text)
                _sync(segment.descriptor)
            except OSError:
                os.ftruncate(segment.descriptor, size)
                raise
        except OSError as error:
            raise OutputError(
                f"predictions cannot be kept in {self.folder}: {error.strerror}",
                remedy="make room and the folder writable, or set API_LOG_MODE to fast",
            ) from error

    def cut(self) -> Segment | None:
        """Close the segment that is appended to, and hand it over; None where there is none."""
        segment, self._active = self._active, None
        return segment

    def abandoned(self) -> Iterator[Segment]:
        """Take over the segments of processes that are gone, oldest first."""
        found = sorted(self.folder.glob(f"*{_SUFFIX}"), key=lambda path: path.name) if self.folder.is_dir() else []
        for path in found:
            segment = _hold(path)
            if segment is not None:
                yield segment

    def _open(self) -> Segment:
        # In the moment before its lock, whoever looks for abandoned segments may take the file, which is empty.
        while (segment := self._new()) is None:
            pass
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            # Without it, the name of the file could be lost with the power, and its rows with it.
            os.fsync(folder)
        finally:
            os.close(folder)
        return segment

    def _new(self) -> Segment | None:
        private_folder(self.folder)
        # Sorted by their names, segments are in the order in which they were begun.
        path = self.folder / f"{datetime.now().astimezone().timestamp():017.6f}-{uuid4().hex}{_SUFFIX}"
        return _hold(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)


def _hold(path: Path, flags: int = os.O_RDONLY) -> Segment | None:
    """Open and lock a segment; None where another holds it, or has just removed it."""
    descriptor = lock_or_none(path, flags)
    return None if descriptor is None else Segment(path, descriptor)


def _write(descriptor: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(descriptor, view) :]


def _line(row: Prediction) -> bytes:
    return json.dumps(row_of(row), default=str).encode() + b"\n"


def _prediction(values: Mapping[str, object]) -> Prediction:
    known = {item.name for item in fields(Prediction)}
    if not known >= set(values):
        raise ValueError(f"fields of another release: {sorted(set(values) - known)}")
    as_of = values.get("as_of")
    return Prediction(
        **{
            **values,  # type: ignore[arg-type]
            "prediction_id": UUID(str(values["prediction_id"])),
            "time": datetime.fromisoformat(str(values["time"])),
            "as_of": date.fromisoformat(str(as_of)) if as_of is not None else None,
        }
    )
