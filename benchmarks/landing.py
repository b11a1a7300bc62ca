"""What measuring a month costs where its rows are, against bare scans of the same point-in-time join.

    python -m benchmarks.landing --engine duckdb --users 1000000

A bare scan is Feast's join with the values of every column counted by the engine itself: no less can be done with the
rows. Landing is the sample of 100,000 entities, the grid of the first month, and the counts of every row. Both are
whole processes; the seconds that they print leave out imports and the start of Spark.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from benchmarks.measure import Cost, measure, temporary_folder
from benchmarks.parquet_months import write_repository
from benchmarks.run import load, ours, say
from driftgate.database import ConnectionParameters, connect
from driftgate.database.embedded import embedded_parameters
from driftgate.features.applying import ensure_applied
from driftgate.features.entities import measure_month
from driftgate.features.types import feast_environment
from driftgate.monitors import read_monitor
from driftgate.settings import Settings
from flows.runtime.environment import Runtime

ROOT = Path(__file__).resolve().parents[1]
MONITOR = read_monitor(ROOT / "flows" / "monitors.toml", "churn")
MONTHS = [date(2024, 1, 31), date(2024, 2, 29)]
SPARK = """  spark_conf:
    spark.master: "{master}"
    spark.driver.memory: "2g"
    spark.sql.shuffle.partitions: "8"
"""


def main() -> None:
    """Load the months, then scan, land and judge, each in a process of its own."""
    parser = argparse.ArgumentParser(description="What measuring a month costs, against bare scans of the join")
    parser.add_argument("--engine", choices=["postgres", "duckdb", "spark"], default="duckdb")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--master", default="local[2]", help="of Spark")
    parser.add_argument("--child", choices=["scan", "land"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps({"seconds": {"scan": scan, "land": land}[options.child]()}))
        return
    folder = temporary_folder()
    say(f"{options.users:,} users a month, {options.engine}")
    environment = prepared(folder, options.engine, options.users, options.master)
    for child in ("scan", "land"):
        cost, seconds = run_child(child, folder, environment)
        say(f"  {child}: {', '.join(f'{item:.1f} s' for item in seconds)}; the whole process {in_words(cost)}")
    say(f"  verdict on both, cold: {in_words(ours(folder, environment, 'verdict'))}")


def in_words(cost: Cost) -> str:
    """Wall and CPU seconds and memory."""
    return f"{cost.wall_seconds:.1f} s wall, {cost.cpu_seconds:.1f} s CPU, {cost.memory_mib:.0f} MiB"


def prepared(folder: Path, kind: str, users: int, master: str) -> dict[str, str]:
    """Load the months, and return the environment of whoever reads them."""
    server = embedded_parameters(folder / "home")
    if kind == "postgres":
        parameters = ConnectionParameters(**{**server.__dict__, "dbname": f"bench_{users}"})
        load(folder, server, parameters, users)
        repo = ROOT / "feature_repo"
    else:
        parameters = server
        repo, _ = write_repository(folder, users, kind, SPARK.format(master=master) if kind == "spark" else "")
        ensure_applied(connect(parameters), parameters, repo)
    return {
        **feast_environment(parameters),
        "FEAST_REPO": str(repo),
        "DRIFTGATE_HOME": str(folder / "home"),
        "PYTHONWARNINGS": "ignore",
    }


def run_child(child: str, folder: Path, environment: Mapping[str, str]) -> tuple[Cost, list[float]]:
    """Run this module as a child; return its cost and the seconds that it printed."""
    log = folder / f"{child}.log"
    cost = measure([sys.executable, "-m", "benchmarks.landing", "--child", child], environment, log)
    return cost, json.loads(log.read_text().strip().splitlines()[-1])["seconds"]


def scan() -> list[float]:
    """Count the values of every column of the join of the first month, twice; the second has warm caches."""
    from driftgate.features.engines import open_engine
    from driftgate.features.entities import entity_slices
    from driftgate.features.feast_adapter import _job, describe, open_store

    repo, seconds = Settings.load().feast_repo, []
    store = open_store(repo)
    described = describe(store, store.get_feature_service(MONITOR.feature_service))
    with open_engine(repo) as engine:
        size = measure_month(engine, MONITOR, MONTHS[0])
        for _ in range(2):
            started = time.perf_counter()
            for entities in entity_slices(engine, MONITOR, size, engine.entities_at_once):
                joined = engine.joined(_job(store, engine, described, described.declared, entities))
                counted = engine.arrow(joined.aggregate(**{name: joined[name].count() for name in joined.columns}))
                assert counted.column(MONITOR.entity.feast_key)[0].as_py() > 0
            seconds.append(time.perf_counter() - started)
    return seconds


def land() -> list[float]:
    """Measure and keep the first month, on a grid of its own, then the second on that grid."""
    runtime, seconds = Runtime.from_environment(), []
    landing = runtime.landing(MONITOR, lambda _: None)
    # The worker imports and connects before the clock starts.
    runtime.months(MONITOR)
    landing.worker.month_states(landing.repo, MONITOR, MONTHS[:1])
    for month in MONTHS:
        started = time.perf_counter()
        landing.land([month])
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
