"""The index of all reports: one page beside them, made anew from the decision records, readable with the network off.

The records on disk are its only source. So it never lists a report that is not there, needs no database, and shows the
same wherever the folder is copied to.
"""

import os
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from driftgate.errors import OutputError
from driftgate.files import write_atomic
from driftgate.reports.index_page import Entry, Unreadable, render
from driftgate.store.record import RunRecord, problem

INDEX = "index.html"


def write_index(report_dir: Path) -> Path:
    """Make `report_dir`/index.html anew from the decision records in the folder and below.

    Call it after every change to the records. Of several that run at once, the last to write looks again afterwards, so
    none is lost. A record that cannot be read is listed as such.

    Raises:
        OutputError: the folder cannot be read or written; the old page is untouched.
    """
    page = report_dir / INDEX
    while True:
        before = _state(report_dir)
        write_atomic(page, render(*_read(report_dir)))
        if _state(report_dir) == before:
            return page


def _records(report_dir: Path) -> list[Path]:
    try:
        return sorted(path for path in report_dir.rglob("decision_*.json") if path.is_file())
    except OSError as error:
        raise OutputError(
            f"{report_dir} cannot be read: {error.strerror}", remedy="make the folder readable, or set REPORT_DIR"
        ) from error


def _state(report_dir: Path) -> list[tuple[Path, int, int]]:
    """What the page depends on; another writer changes it."""
    state = []
    for record in _records(report_dir):
        for path in (record, *(path for _, path in _siblings(record))):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            state.append((path, status.st_mtime_ns, status.st_size))
    return state


def _siblings(record: Path) -> list[tuple[str, Path]]:
    report = record.with_name("drift_" + record.name.removeprefix("decision_"))
    return [("report", report.with_suffix(".html")), ("JSON", report), ("record", record)]


def _read(report_dir: Path) -> tuple[list[Entry], list[Unreadable]]:
    """The entries, newest month first, and the records that cannot be read, with the reason."""
    entries, broken = [], []
    for path in _records(report_dir):
        try:
            record = RunRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            # Deleted in this moment.
            continue
        except (OSError, ValidationError) as error:
            broken.append(Unreadable(_shown(path.relative_to(report_dir)), _reason(error)))
            continue
        files = [
            (name, quote(os.fsencode(file.relative_to(report_dir)))) for name, file in _siblings(path) if file.is_file()
        ]
        entries.append(Entry(record, tuple(files)))
    return sorted(entries, key=lambda entry: entry.order, reverse=True), broken


def _reason(error: OSError | ValidationError) -> str:
    return problem(error) if isinstance(error, ValidationError) else error.strerror or type(error).__name__


def _shown(path: Path) -> str:
    """The path as text that any file can hold, whatever bytes it is made of."""
    return path.as_posix().encode(errors="backslashreplace").decode()
