"""Driftgate's own pages, made of the decision records on disk: a page for each verdict and monitor, and the overview.

The records are their only source. So a page never lists what is not there, needs no database and no network, and shows
the same wherever the folder is copied to.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from driftgate.errors import OutputError
from driftgate.files import write_atomic
from driftgate.reports import monitor_page, overview_page, verdict_page
from driftgate.reports.overview_page import Entry, Unreadable
from driftgate.reports.series import chain
from driftgate.store.record import RunRecord, problem

INDEX = "index.html"
MONITOR = "monitor.html"
BACKTEST = "backtest.html"

_Found = dict[Path, RunRecord]


def write_index(report_dir: Path) -> Path:
    """Make `report_dir`/index.html and each monitor's page anew from the decision records in the folder and below.

    A verdict page that is missing, or older than its record, is drawn too. Call it after every change to the records.
    Of several that run at once, the last to write looks again afterwards, so none is lost. A record that cannot be read
    is listed as such.

    Raises:
        OutputError: the folder cannot be read or written; the old page is untouched.
    """
    page = report_dir / INDEX
    while True:
        before = _state(report_dir)
        found, broken = _read(report_dir)
        for path in found:
            if _outdated(path):
                _write_verdict(report_dir, path, found)
        _write_monitors(report_dir, found)
        write_atomic(page, overview_page.render(_entries(report_dir, found), broken))
        if _state(report_dir) == before:
            return page


def write_verdict(report_dir: Path, record: Path) -> Path:
    """Make the verdict page of one record anew, from it and the records beside it.

    Raises:
        OutputError: the record cannot be read, or its folder cannot be written.
    """
    found, _ = _read(record.parent)
    if record not in found:
        raise OutputError(f"{record} is no decision record", remedy="judge the pair again with `driftgate monitor`")
    return _write_verdict(report_dir, record, found)


def records_of_page(path: Path) -> tuple[RunRecord, tuple[RunRecord, ...]]:
    """A record, and those before it that its verdict page takes into account.

    Args:
        path: of the record.

    Raises:
        OutputError: it cannot be read.
    """
    found, _ = _read(path.parent)
    if path not in found:
        raise OutputError(f"{path} is no decision record", remedy="judge the pair again with `driftgate monitor`")
    beside = [other for place, other in found.items() if place.parent == path.parent]
    return found[path], chain(found[path], beside)


def _write_verdict(report_dir: Path, path: Path, found: _Found) -> Path:
    record, page = found[path], _verdict_page(path)
    beside = [other for place, other in found.items() if place.parent == path.parent]
    files = [(name, quote(os.fsencode(file.name))) for name, file in _files(path) if file.is_file()]
    overview = "../" * len(path.parent.relative_to(report_dir).parts) + INDEX
    write_atomic(page, verdict_page.render(record, chain(record, beside), files, overview, MONITOR))
    if not path.exists():
        # Deleted while its page was drawn: the page must not outlive it.
        page.unlink(missing_ok=True)
    return page


def _write_monitors(report_dir: Path, found: _Found) -> None:
    folders = {path.parent for path in found} | {path.parent for path in _listed(report_dir, MONITOR)}
    for folder in sorted(folders):
        records = {path: record for path, record in found.items() if path.parent == folder}
        newest = max(records.values(), key=lambda item: Entry(item).order, default=None)
        name = newest.monitor if newest else folder.name
        mine = {path: record for path, record in records.items() if record.monitor == name}
        pages = {item.pair: _verdict_page(path).name for path, item in mine.items() if _verdict_page(path).is_file()}
        overview = "../" * len(folder.relative_to(report_dir).parts) + INDEX
        backtest = BACKTEST if (folder / BACKTEST).is_file() else ""
        write_atomic(folder / MONITOR, monitor_page.render(name, list(mine.values()), pages, overview, backtest))


def _outdated(record: Path) -> bool:
    try:
        return _verdict_page(record).stat().st_mtime_ns < record.stat().st_mtime_ns
    except FileNotFoundError:
        return True


def _verdict_page(record: Path) -> Path:
    return record.with_name("verdict_" + record.name.removeprefix("decision_")).with_suffix(".html")


def _records(report_dir: Path) -> list[Path]:
    return list(_listed(report_dir, "decision_*.json"))


def _listed(report_dir: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from sorted(path for path in report_dir.rglob(pattern) if path.is_file())
    except OSError as error:
        raise OutputError(
            f"{report_dir} cannot be read: {error.strerror}", remedy="make the folder readable, or set REPORT_DIR"
        ) from error


def _state(report_dir: Path) -> list[tuple[Path, int, int]]:
    """What the pages depend on; another writer changes it."""
    state = []
    for record in _records(report_dir):
        for path in (record, *(path for _, path in _files(record))):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            state.append((path, status.st_mtime_ns, status.st_size))
    return state


def _files(record: Path) -> list[tuple[str, Path]]:
    report = record.with_name("drift_" + record.name.removeprefix("decision_"))
    return [("Evidently report", report.with_suffix(".html")), ("JSON", report), ("record", record)]


def _read(report_dir: Path) -> tuple[_Found, list[Unreadable]]:
    """The records by path, and those that cannot be read, with the reason."""
    found, broken = {}, []
    for path in _records(report_dir):
        try:
            found[path] = RunRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            # Deleted in this moment.
            continue
        except (OSError, ValidationError) as error:
            broken.append(Unreadable(_shown(path.relative_to(report_dir)), _reason(error)))
    return found, broken


def _entries(report_dir: Path, found: _Found) -> Sequence[Entry]:
    """The entries, newest month first."""

    def address(path: Path) -> str:
        return quote(os.fsencode(path.relative_to(report_dir))) if path.is_file() else ""

    entries = [
        Entry(
            record,
            tuple((name, address(file)) for name, file in _files(path) if file.is_file()),
            address(_verdict_page(path)),
            address(path.with_name(MONITOR)),
        )
        for path, record in found.items()
    ]
    return sorted(entries, key=lambda entry: entry.order, reverse=True)


def _reason(error: OSError | ValidationError) -> str:
    return problem(error) if isinstance(error, ValidationError) else error.strerror or type(error).__name__


def _shown(path: Path) -> str:
    """The path as text that any file can hold, whatever bytes it is made of."""
    return path.as_posix().encode(errors="backslashreplace").decode()
