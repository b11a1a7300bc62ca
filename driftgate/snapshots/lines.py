"""From the row of a table back to the line of its file. Used only once something is wrong."""

import csv
from array import array
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

_CHUNK_BYTES = 1 << 20


class FileLines:
    """Where the records of one CSV file stand.

    A row is a record with as many fields as the header has; blank lines and ragged records are not rows. A record
    may span lines, so the file is read once more instead of adding two to the row number.
    """

    def __init__(self, path: Path, fields: int) -> None:
        self._path = path
        self._fields = fields

    def of_row(self, row: int) -> int:
        """The line, from 1, on which row `row`, from 0, begins; approximate where the file defies Python's reader."""
        starts, _ = self._scan
        return starts[row] if row < len(starts) else row + 2

    @property
    def ragged(self) -> list[tuple[int, int]]:
        """(line, number of fields) of the records that have more or fewer fields than the header."""
        return self._scan[1]

    @cached_property
    def _scan(self) -> tuple["array[int]", list[tuple[int, int]]]:
        starts = array("q")
        ragged: list[tuple[int, int]] = []
        for line, fields in self._records():
            if fields == self._fields:
                starts.append(line)
            elif fields:
                ragged.append((line, fields))
        return starts, ragged

    def _records(self) -> Iterator[tuple[int, int]]:
        """(first line, number of fields) of each record after the header; blank lines have no field."""
        with self._path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file)
            headed = False
            before = 0
            try:
                for record in reader:
                    if headed:
                        yield before + 1, len(record)
                    headed = headed or bool(record)
                    before = reader.line_num
            except csv.Error:
                return


def first_undecodable(path: Path) -> tuple[int, int, int] | None:
    """(offset, byte, line) of the first byte that is not UTF-8; the offset counts from 0, the line from 1."""
    offset = 0
    line = 1
    carried = b""
    with path.open("rb") as file:
        while chunk := carried + file.read(_CHUNK_BYTES):
            last = len(chunk) == len(carried)
            try:
                chunk.decode()
                good = len(chunk)
            except UnicodeDecodeError as error:
                good = error.start
                # A character may be cut by the end of the chunk; the next round sees all of it.
                if last or len(chunk) - good > 3 or error.reason != "unexpected end of data":
                    return offset + good, chunk[good], line + chunk.count(b"\n", 0, good)
            offset += good
            line += chunk.count(b"\n", 0, good)
            carried = chunk[good:]
    return None
