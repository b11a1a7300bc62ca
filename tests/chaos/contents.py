"""What a case holds in the end: rows and files in a normal form, without what differs from run to run."""

import hashlib
import json
import multiprocessing
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.place import Place

_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?( ?UTC|Z|[+-]\d\d:?\d\d)?")
_SECOND = re.compile(r"\d{8}-\d{6}")
# Columns that hold moments, and Feast's descriptions, which hold them as well.
_MOMENTS = re.compile(r"timestamp$|_timestamp$|_time$|_proto$|^materialized_intervals$|^workspace_time$")
_CONTENT_TIMES = {"event_ts"}
# That a training was killed is no loss: its run says so.
_NO_KILLED = "WHERE run_uuid NOT IN (SELECT run_uuid FROM mlflow.runs WHERE status IN ('KILLED', 'FAILED'))"
_DIGITS = 9
# PostgreSQL's and Prefect's own files are theirs. What is in the spool is held against what was answered.
_NOT_READ = ("home/postgres/", "home/prefect/", "home/spool/")
_NAMES_ALONE = re.compile(r"\.pkl$|\.html$|^workspace/|input_example|MLmodel$")
_HIDDEN = re.compile(r"(^|/)\.[^/]+-[^/]+$")


@dataclass
class Contents:
    """Rows by table and files by folder, each with how often it is there."""

    groups: dict[str, Counter[str]] = field(default_factory=dict)

    def differences(self, once: "Contents", twice: "Contents", kills: int) -> list[str]:
        """How it differs from one undisturbed run, and from several; empty where it does not.

        Kinds of rows must be those of one run or of two. There may be as many as runs of the command add up to.
        """
        found = []
        for name in sorted(self.groups.keys() | once.groups.keys()):
            mine, first, second = (each.groups.get(name, Counter()) for each in (self, once, twice))
            if mine.keys() not in (first.keys(), second.keys()):
                found += _named(name, "is missing", first.keys() - mine.keys())
                found += _named(name, "is too much", mine.keys() - (first.keys() | second.keys()))
            growth = second.total() - first.total()
            allowed = {first.total() + times * growth for times in range(kills + 1)}
            if mine.total() not in allowed:
                found.append(f"{name}: {mine.total()} are there, not {sorted(allowed)}")
        return found


def read_contents(place: Place, ignore: Iterable[str] = ()) -> Contents:
    """Read what a case holds; its server is started for it and stopped again.

    Args:
        place: nothing runs in it.
        ignore: tables that are not read.
    """
    groups: dict[str, Counter[str]] = {}
    for name, row in database_rows(place.home):
        if name not in set(ignore):
            groups.setdefault(f"table {name}", Counter())[row] += 1
    for path in sorted(place.case.rglob("*")):
        inside = path.relative_to(place.case).as_posix()
        if not path.is_file() or inside.startswith(_NOT_READ):
            continue
        groups.setdefault(f"files {inside.split('/')[0]}", Counter())[f"{plain(inside)} {_digest(path, inside)}"] += 1
    return Contents(groups)


def broken_files(place: Place) -> list[str]:
    """Files with a final name that are not whole."""
    found = []
    for path in sorted(place.case.rglob("*")):
        inside = path.relative_to(place.case).as_posix()
        if not path.is_file() or inside.startswith((*_NOT_READ, "tmp/", "home/scratch/")) or _HIDDEN.search(inside):
            continue
        if not _is_whole(path):
            found.append(f"{inside} is not whole")
    return found


def unfinished_runs(place: Place, prefect_api: str) -> int:
    """How many runs of flows and tasks have not ended, in the case's own history and on a server that cases share."""
    states = ["RUNNING", "PENDING", "CANCELLING"]
    found = 0
    history = place.home / "prefect" / "prefect.db"
    for kind in ("flow_run", "task_run"):
        asked = {f"{kind}s": {"state": {"type": {"any_": states}}}}
        found += int(httpx.post(f"{prefect_api}/{kind}s/count", json=asked, timeout=60).raise_for_status().text)
        if history.is_file():
            with closing(sqlite3.connect(history)) as connection:
                query = f"SELECT count(*) FROM {kind} WHERE state_type IN (?, ?, ?)"
                found += int(connection.execute(query, states).fetchone()[0])
    return found


def database_rows(home: Path) -> list[tuple[str, str]]:
    """Table and normal form of each row, read by another process, which then no longer uses the server."""
    return list(in_database(home, _all_rows))


def change_database(home: Path, statements: Iterable[str]) -> None:
    """Run statements, such as those that take a template back to an earlier state."""
    in_database(home, _change, *statements)


def in_database(home: Path, function: Any, *arguments: Any) -> Any:
    """Call a function with a connection to the database of a home, in another process.

    Raises:
        RuntimeError: it failed.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_call, args=(home, theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        fault, answer = ours.recv()
    except EOFError:
        fault, answer = "the process ended without an answer", None
    process.join()
    if fault:
        raise RuntimeError(f"{home}: {fault}")
    return answer


def _call(home: Path, answer: Connection, function: Any, arguments: tuple[Any, ...]) -> None:
    from driftgate.database import connect
    from driftgate.database.cluster import start_cluster
    from driftgate.database.embedded import embedded_parameters

    try:
        engine = connect(embedded_parameters(home))
        with engine.begin() as connection:
            found = function(connection, *arguments)
        engine.dispose()
        answer.send((None, found))
    except Exception as error:
        answer.send((f"{type(error).__name__}: {error}", None))
    finally:
        start_cluster(home / "postgres").close()


def _change(connection: Any, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def _all_rows(connection: Any) -> list[tuple[str, str]]:
    tables = connection.exec_driver_sql(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
        "AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
    ).all()
    found = []
    for schema, table in tables:
        name = table if schema == "public" else f"{schema}.{table}"
        types = connection.exec_driver_sql(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            (schema, table),
        ).all()
        kept = [column for column, kind in types if _is_content(column, kind)]
        listed = ", ".join(f'"{column}"' for column in kept) or "1"
        which = _NO_KILLED if schema == "mlflow" and "run_uuid" in kept else ""
        rows = connection.exec_driver_sql(
            f'SELECT row_to_json(r) FROM (SELECT {listed} FROM "{schema}"."{table}" {which}) r'
        )
        found += [(name, plain(json.dumps(_rounded(row), sort_keys=True))) for row in rows.scalars()]
    return found


def _is_content(column: str, kind: str) -> bool:
    return column in _CONTENT_TIMES or not (kind.startswith("timestamp") or _MOMENTS.search(column))


def plain(text: str) -> str:
    """The text without ids and moments."""
    return _SECOND.sub("<second>", _TIME.sub("<time>", _ID.sub("<id>", text)))


def _rounded(value: Any) -> Any:
    """Trees add up in threads, so that figures may differ by rounding."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _digest(path: Path, inside: str) -> str:
    if _NAMES_ALONE.search(inside):
        return "is whole" if _is_whole(path) else "is not whole"
    content = path.read_bytes()
    try:
        text = content.decode()
        if path.suffix == ".json":
            text = json.dumps(_rounded(json.loads(text)), sort_keys=True)
        content = plain(text).encode()
    except ValueError:
        pass
    return hashlib.sha256(content).hexdigest()[:16]


def _is_whole(path: Path) -> bool:
    content = path.read_bytes()
    if path.suffix == ".html":
        return content.rstrip().endswith(b"</html>")
    if path.suffix == ".json":
        try:
            json.loads(content)
        except ValueError:
            return False
        return True
    if path.suffix in (".csv", ".jsonl"):
        return content.endswith(b"\n") or not content
    # A pickle ends with its STOP.
    return content.endswith(b".") if path.suffix == ".pkl" else True


def _named(group: str, what: str, rows: Iterable[str]) -> list[str]:
    listed = sorted(rows)
    return [f"{group}: {len(listed)} {what}: {listed[0][:300]}"] if listed else []
