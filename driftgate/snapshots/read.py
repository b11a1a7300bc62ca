"""Reading the files of a month. What is wrong with a file is collected, so that one look names all of it."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from driftgate.errors import bounded
from driftgate.files import require_regular
from driftgate.snapshots.cast import ARROW_TYPES, Fault, cast_column
from driftgate.snapshots.lines import FileLines, first_undecodable
from driftgate.snapshots.schema import SourceTable, SourceTables

_CHUNK_BYTES = 1 << 20
_SHOWN_CHARS = 40


@dataclass
class SourceFile:
    """What one file of a month holds, and what is wrong with it.

    Attributes:
        source: the table that it should hold.
        data: a pyarrow Table of the known columns, in the order of the schema, or None where the file could not be
            read. A value of the wrong type is NULL here. An optional column that the file lacks is NULL throughout.
        failures: one line each.
        mistyped: column name to the rows, from 0, whose value was of the wrong type.
        lines: where its rows stand in the file.
    """

    source: SourceTable
    data: Any = None
    failures: list[str] = field(default_factory=list)
    mistyped: dict[str, set[int]] = field(default_factory=dict)
    lines: FileLines | None = None

    def fail(self, what: str) -> None:
        """Add a failure of the file as a whole."""
        self.failures.append(f"{self.source.file_name}: {what}")

    def fail_values(self, column: str, what: str, count: int, row: int, example: object) -> None:
        """Add a failure of `count` values of a column, the first of them in row `row`."""
        line = self.lines.of_row(row) if self.lines else row + 2
        value = "" if example is None else f": {shorten(example)}"
        self.fail(f"column {column}: {count} value(s) {what}, first at line {line}{value}")


class _UnreadableError(Exception):
    """The file has no table to go on with; the text says why."""


def shorten(value: object) -> str:
    """A value as a message shows it.

    >>> shorten("abc")
    "'abc'"
    """
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


def read_month(sources: SourceTables, folder: Path) -> dict[str, SourceFile]:
    """Read the files of a month, by source name. Never raises for what is in them."""
    return {source.name: read_file(source, folder / source.file_name) for source in sources.tables}


def read_file(source: SourceTable, path: Path) -> SourceFile:
    """Read one file. Blank values, quoted or not, are NULL; a byte order mark and CRLF are fine."""
    file = SourceFile(source)
    try:
        require_regular(path)
        header, header_lines = _header(path)
        file.lines = FileLines(path, len(header))
        positions = _positions(file, header)
        texts = _texts(file, path, header, header_lines)
        file.data = _typed(file, texts, positions)
    except _UnreadableError as error:
        file.fail(str(error))
    except FileNotFoundError:
        file.fail("is missing")
    except OSError as error:
        file.fail(f"cannot be read: {error.strerror or error}")
    return file


def _header(path: Path) -> tuple[list[str], int]:
    """The names in the header, and the number of lines up to its end."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            records: Iterator[list[str]] = (record for record in reader if record)
            header = next(records, None)
            lines = reader.line_num
            first = next(records, None)
    except UnicodeDecodeError as error:
        raise _UnreadableError(_encoding(path)) from error
    except csv.Error as error:
        raise _UnreadableError(f"is not CSV: {error}") from error
    if header is None:
        raise _UnreadableError("is empty: there is no header")
    if first is None:
        raise _UnreadableError("has a header and no rows")
    return header, lines


def _encoding(path: Path) -> str:
    found = first_undecodable(path)
    if found is None:
        return "is not UTF-8"
    offset, byte, line = found
    return f"is not UTF-8: byte 0x{byte:02x} at offset {offset}, line {line}"


def _positions(file: SourceFile, header: list[str]) -> dict[str, int]:
    """Where each known column stands; what is missing, unknown or there twice is a failure."""
    known = file.source.column_names
    counts = Counter(header)
    for column in file.source.columns:
        if not counts[column.name] and not column.optional:
            file.fail(f"column {column.name}: missing")
        if counts[column.name] > 1:
            file.fail(f"column {column.name}: {counts[column.name]} times in the header")
    unknown = [shorten(name) for name in counts if name not in known]
    if unknown:
        file.fail(f"unknown column(s) {bounded(unknown)}; known are {', '.join(known)}")
    return {name: header.index(name) for name in known if counts[name]}


def _texts(file: SourceFile, path: Path, header: list[str], header_lines: int) -> Any:
    """The file as a table of strings; columns are named by position, as names may come twice."""
    quotes = _count_quotes(path)
    if quotes % 2:
        # Such a quote may swallow the lines that follow it, and their entities with them.
        raise _UnreadableError("has a double quote that is never closed")
    names = [str(position) for position in range(len(header))]
    ragged: list[Any] = []

    def skip(row: Any) -> str:
        ragged.append(row.actual_columns)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=header_lines),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=quotes > 0, invalid_row_handler=skip),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowException as error:
        if first_undecodable(path):
            raise _UnreadableError(_encoding(path)) from error
        raise _UnreadableError(f"is not CSV: {str(error)[:200]}") from error
    if ragged:
        _fail_ragged(file, len(ragged), ragged[0], len(header))
    return table


def _count_quotes(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b'"') for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))


def _fail_ragged(file: SourceFile, count: int, fields: int, expected: int) -> None:
    where = ""
    if file.lines and file.lines.ragged:
        line, fields = file.lines.ragged[0]
        where = f" at line {line}"
    file.fail(f"{count} row(s) do not have the {expected} fields of the header, first{where} with {fields}")


def _typed(file: SourceFile, texts: Any, positions: dict[str, int]) -> Any:
    """The known columns, cast. Each column of strings is let go as soon as it is cast."""
    rows = texts.num_rows
    waiting = {name: texts.column(position) for name, position in positions.items()}
    del texts
    columns: dict[str, Any] = {}
    for column in file.source.columns:
        if column.name in waiting:
            cast = cast_column(column.kind, waiting.pop(column.name))
            columns[column.name] = cast.values
            _fail_cast(file, column.name, cast.faults)
        elif column.optional:
            columns[column.name] = pa.nulls(rows, ARROW_TYPES[column.kind])
    return pa.table(columns)


def _fail_cast(file: SourceFile, column: str, faults: list[Fault]) -> None:
    for fault in faults:
        file.fail_values(column, fault.what, len(fault.rows), fault.rows[0], fault.example)
        file.mistyped.setdefault(column, set()).update(fault.rows)
