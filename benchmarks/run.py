"""`make bench`: Driftgate and the textbook way on the same data, each as a whole process, in pairs.

    python -m benchmarks.run --users 7043 100000 1000000 --pairs 3

Prints medians and the median of the pairwise ratios, and writes benchmarks/results.json.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, measure, temporary_home
from driftgate.database import ConnectionParameters, connect, prepare_database
from driftgate.database.embedded import embedded_parameters
from driftgate.features.applying import ensure_applied
from driftgate.features.types import feast_environment
from driftgate.snapshots import create_source_tables, ingest_month
from flows.runtime.local_server import free_port
from streamflow.sample import write_sample_months
from streamflow.source_tables import SOURCE_TABLES

ROOT = Path(__file__).resolve().parents[1]
LARGE_USERS = 500_000


def main() -> None:
    """Run every size, print as it goes."""
    parser = argparse.ArgumentParser(description="What Driftgate costs, against the textbook way")
    parser.add_argument("--users", type=int, nargs="+", default=[7043, 100_000, 1_000_000])
    parser.add_argument("--pairs", type=int, default=3, help="pairs of runs; one pair from 500,000 users on")
    options = parser.parse_args()
    results: dict[str, object] = {"cores": os.cpu_count()}
    home = temporary_home("dgbench")
    server = embedded_parameters(home / "home")
    for users in options.users:
        results[str(users)] = bench_size(home / str(users), server, users, options.pairs)
    (ROOT / "benchmarks" / "results.json").write_text(json.dumps(results, indent=2) + "\n")


def bench_size(folder: Path, server: ConnectionParameters, users: int, pairs: int) -> dict[str, object]:
    """One size: load, then pairs of runs from a cold start and with `driftgate up`."""
    pairs = 1 if users >= LARGE_USERS else pairs
    say(f"\n{users:,} users")
    parameters = replace(server, dbname=f"bench_{users}")
    ingest = load(folder, server, parameters, users)
    environment = {
        **feast_environment(parameters),
        "FEAST_REPO": str(ROOT / "feature_repo"),
        "PYTHONWARNINGS": "ignore",
    }
    landing = measure([sys.executable, "-m", "flows.cli", "profile", "--all"], environment, folder / "landing.log")
    say(f"  landing both months: {landing.wall_seconds:.1f} s, the import of Feast included")
    cold = [pair(folder, environment, number) for number in range(pairs)]
    say("\n".join(table_rows("cold", as_rows(cold))))
    with up(folder / "up", environment):
        warm = [ours(folder, environment, f"warm{number}", folder / "up") for number in range(pairs)]
    warm_pairs = [(mine, textbook) for mine, (_, textbook) in zip(warm, cold, strict=True)]
    say("\n".join(table_rows("with `driftgate up`, textbook as above", as_rows(warm_pairs))))
    return {"ingest": ingest, "landing": asdict(landing), "cold": as_rows(cold), "with_up": as_rows(warm_pairs)}


def pair(folder: Path, environment: Mapping[str, str], number: int) -> tuple[Cost, Cost]:
    """One run of each; which goes first alternates, so that neither always finds warm caches."""
    order = [ours, textbook] if number % 2 == 0 else [textbook, ours]
    costs = {way: way(folder, environment, f"cold{number}") for way in order}
    return costs[ours], costs[textbook]


def ours(folder: Path, environment: Mapping[str, str], name: str, home: Path | None = None) -> Cost:
    """`python monitor_flow.py` in a home; by default in one that has never seen Prefect."""
    home = home or folder / f"ours-{name}"
    own = {"DRIFTGATE_HOME": str(home), "REPORT_DIR": str(home / "reports")}
    command = [sys.executable, str(ROOT / "flows" / "monitor_flow.py")]
    return measure(command, {**environment, **own}, folder / f"ours-{name}.log")


def textbook(folder: Path, environment: Mapping[str, str], name: str) -> Cost:
    """The textbook script in a home that has never seen Prefect."""
    home = folder / f"textbook-{name}"
    own = {"PREFECT_HOME": str(home), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}
    script = str(ROOT / "benchmarks" / "textbook.py")
    command = [sys.executable, script, "2024-01-31", "2024-02-29", str(home / "reports")]
    return measure(command, {**environment, **own}, folder / f"textbook-{name}.log")


def load(folder: Path, server: ConnectionParameters, parameters: ConnectionParameters, users: int) -> dict[str, float]:
    """Two sample months in a database of their own, and what loading took against a bare COPY of the same files."""
    months = write_sample_months(folder / "months", months=2, users=users)
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {parameters.dbname}")
    engine = connect(parameters)
    prepare_database(engine)
    create_source_tables(engine, SOURCE_TABLES)
    bare = bare_copy(engine, months[0].folder)
    seconds = [ingest_month(engine, SOURCE_TABLES, month.folder, month.as_of).seconds for month in months]
    ensure_applied(engine, parameters, ROOT / "feature_repo")
    engine.dispose()
    shutil.rmtree(folder / "months")
    say(
        f"  ingest: {seconds[0]:.1f} s for the first month, {seconds[1]:.1f} s for the second; "
        f"bare COPY of the first {bare:.1f} s, ratio {seconds[0] / bare:.1f}"
    )
    return {"first_seconds": seconds[0], "second_seconds": seconds[1], "bare_copy_seconds": bare}


def bare_copy(engine: object, folder: Path) -> float:
    """Seconds to COPY the six files, as they are, into empty tables with the same columns and a primary key."""
    started = time.perf_counter()
    connection = engine.raw_connection()  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        for source in SOURCE_TABLES.tables:
            path = folder / source.file_name
            header = path.open().readline().strip()
            cursor.execute(f"CREATE TABLE bare_{source.name} AS SELECT {header} FROM {source.name} LIMIT 0")
            cursor.execute(f"ALTER TABLE bare_{source.name} ADD PRIMARY KEY (user_id)")
            with path.open("rb") as handle:
                cursor.copy_expert(
                    f"COPY bare_{source.name} FROM STDIN (FORMAT csv, HEADER)", io.BufferedReader(handle)
                )
    connection.commit()
    seconds = time.perf_counter() - started
    with connection.cursor() as cursor:
        for source in SOURCE_TABLES.tables:
            cursor.execute(f"DROP TABLE bare_{source.name}")
    connection.commit()
    connection.close()
    return seconds


@contextmanager
def up(home: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """`driftgate up` in a home of its own, with the parts that make a verdict faster."""
    variables = {**os.environ, **environment, "DRIFTGATE_HOME": str(home), "REPORT_DIR": str(home / "reports")}
    variables["DRIFTGATE_UI_PORT"] = str(free_port())
    command = [sys.executable, "-m", "flows.cli"]
    subprocess.run([*command, "up", "--detach", "--only", "prefect,lender"], env=variables, check=True)
    try:
        yield
    finally:
        subprocess.run([*command, "down"], env=variables, check=True)


FIGURES = (
    ("wall_seconds", "wall seconds", ".1f"),
    ("cpu_seconds", "CPU seconds", ".1f"),
    ("memory_mib", "peak memory, MiB", ",.0f"),
)


def table_rows(title: str, pairs: Sequence[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Rows of a Markdown table: medians of both, and the median of the ratios of the pairs.

    Args:
        title: of these pairs.
        pairs: as `as_rows` gives them.
    """
    rows = []
    for name, what, form in FIGURES:
        mine, theirs = ([pair[way][name] for pair in pairs] for way in ("driftgate", "textbook"))
        ratio = statistics.median(left / right for left, right in zip(mine, theirs, strict=True))
        medians = " | ".join(format(statistics.median(values), form) for values in (mine, theirs))
        rows.append(f"| {title} | {what} | {medians} | {ratio:.2f} |")
    return rows


def result_rows(results: Mapping[str, Any]) -> list[str]:
    """Every row of the table of docs/speed.md."""
    return [
        row
        for users, size in results.items()
        if users.isdecimal()
        for name, what in (("cold", "cold"), ("with_up", "with `driftgate up`"))
        for row in table_rows(f"{int(users):,} | {what}", size[name])
    ]


def as_rows(costs: list[tuple[Cost, Cost]]) -> list[dict[str, dict[str, float]]]:
    """The pairs for the results file."""
    return [{"driftgate": asdict(left), "textbook": asdict(right)} for left, right in costs]


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
