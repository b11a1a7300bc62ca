"""`make bench-api`: our API and the textbook one, on the same users, machine and load generator, in one run.

    python -m benchmarks.api --users 7043 --seconds 10

One worker each, 1 and 16 clients, the two in turn; then the bare cost of one store read and one call of the model.
Prints a table and writes benchmarks/api_results.json.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.measure import temporary_home
from driftgate.database import ConnectionParameters, connect, prepare_database
from driftgate.database.embedded import embedded_parameters
from driftgate.features.applying import ensure_applied
from driftgate.features.online import materialize_month
from driftgate.features.types import feast_environment
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import read_monitor
from driftgate.snapshots.ingest import ingest_month
from streamflow.sample import write_sample_months
from streamflow.source_tables import SOURCE_TABLES

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = (1, 16)
READY_SECONDS = 180


def main() -> None:
    """Set both up, load both, print what came out."""
    parser = argparse.ArgumentParser(description="What serving costs, against the textbook way")
    parser.add_argument("--users", type=int, default=7043)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load, after a second to warm up")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    home = temporary_home("dgapi")
    parameters = embedded_parameters(home / "home", "bench")
    environment = {**os.environ, **settings(parameters, home), "PYTHONWARNINGS": "ignore"}
    ids = prepare(parameters, home, environment, options.users)
    with server(ours(), environment, "/ready") as mine, server(textbook(home), environment, "/health") as theirs:
        rounds = [
            {(name, clients): load(port, clients, options.seconds, ids)}
            for _ in range(options.rounds)
            for clients in CLIENTS
            for name, port in (("driftgate", mine), ("textbook", theirs))
        ]
    results: dict[str, Any] = {"cores": os.cpu_count(), "users": options.users, "loads": middle(rounds)}
    results["bare"] = json.loads(run([sys.executable, "-m", "benchmarks.api_bare", str(ids)], environment))
    report(results)
    (ROOT / "benchmarks" / "api_results.json").write_text(json.dumps(results, indent=2) + "\n")


def settings(parameters: ConnectionParameters, home: Path) -> dict[str, str]:
    """The environment of both."""
    return {
        **feast_environment(parameters),
        "DATABASE_URL": parameters.url_text(),
        "FEAST_REPO": str(ROOT / "feature_repo"),
        "DRIFTGATE_MONITORS": str(ROOT / "flows" / "monitors.toml"),
        "DRIFTGATE_HOME": str(home / "home"),
        "MLFLOW_ARTIFACTS": str(home / "mlartifacts"),
    }


def prepare(parameters: ConnectionParameters, home: Path, environment: dict[str, str], users: int) -> Path:
    """Load and serve one month, train both models; returns the file of user ids."""
    say(f"preparing {users:,} users")
    engine = connect(parameters)
    prepare_database(engine)
    [month] = write_sample_months(home / "months", months=1, users=users)
    ingest_month(engine, SOURCE_TABLES, month.folder, month.as_of)
    ensure_applied(engine, parameters, ROOT / "feature_repo")
    monitor = read_monitor(ROOT / "flows" / "monitors.toml", "churn")
    with FeatureWorker(parameters) as worker:
        served = materialize_month(worker, engine, monitor, ROOT / "feature_repo")
    say(f"  the month is in the online store after {served.seconds:.1f} s")
    engine.dispose()
    run([sys.executable, "-m", "flows.cli", "train"], {**environment, "PREFECT_HOME": str(home / "prefect")})
    run([sys.executable, str(ROOT / "benchmarks" / "textbook_api.py"), "train", str(home / "forest")], environment)
    lines = (month.folder / "subscriptions.csv").read_text().splitlines()[1:]
    ids = home / "ids.txt"
    ids.write_text("\n".join(line.split(",", 1)[0] for line in lines))
    return ids


def ours() -> list[str]:
    """`driftgate serve`, as anyone would start it."""
    return [sys.executable, "-m", "flows.cli", "serve", "--port"]


def textbook(home: Path) -> list[str]:
    """The other one."""
    return [sys.executable, str(ROOT / "benchmarks" / "textbook_api.py"), "serve", str(home / "forest")]


@contextmanager
def server(command: list[str], environment: dict[str, str], ready: str) -> Iterator[int]:
    """A server on a free port, once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen([*command, str(port)], env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=10).close()
                break
            if time.monotonic() > deadline or process.poll() is not None:
                log.seek(0)
                raise RuntimeError(log.read().decode()[-3000:])
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait()
        log.close()


def load(port: int, clients: int, seconds: float, ids: Path) -> dict[str, float]:
    """One load, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(clients), str(seconds), str(ids)]
    return dict(json.loads(run(command, dict(os.environ))))


def run(command: list[str], environment: dict[str, str]) -> str:
    """Run to the end and return what it printed.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return done.stdout


def middle(rounds: list[dict[tuple[str, int], dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Medians over the rounds, by name and number of clients."""
    found: dict[str, dict[str, float]] = {}
    for name in ("driftgate", "textbook"):
        for clients in CLIENTS:
            loads = [item[name, clients] for item in rounds if (name, clients) in item]
            found[f"{name}_{clients}"] = {key: statistics.median(item[key] for item in loads) for key in loads[0]}
    return found


def report(results: dict[str, Any]) -> None:
    """The table, and the two aims."""
    loads, bare = results["loads"], results["bare"]
    say(f"\n{'':12}{'clients':>8}{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}")
    for name, item in loads.items():
        say(
            f"{name.rsplit('_', 1)[0]:12}{item['clients']:8.0f}{item['per_second']:12.1f}{item['p50_ms']:9.2f}"
            f"{item['p99_ms']:9.2f}{item['failed']:8.0f}"
        )
    for clients in CLIENTS:
        ratio = loads[f"driftgate_{clients}"]["per_second"] / loads[f"textbook_{clients}"]["per_second"]
        say(f"throughput at {clients} clients: {ratio:.1f} times the textbook's")
    p99, p50 = loads["driftgate_16"]["p99_ms"], loads["textbook_16"]["p50_ms"]
    say(f"p99 at 16 clients {p99:.1f} ms, the textbook's p50 {p50:.1f} ms")
    both = bare["read_ms"] + bare["predict_ms"]
    one = loads["driftgate_1"]["p50_ms"]
    say(
        f"bare: store read {bare['read_ms']:.2f} ms + model {bare['predict_ms']:.2f} ms = {both:.2f} ms; "
        f"one request {one:.2f} ms, {one / both:.1f} times that"
    )


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
