"""A month is counted by a real cluster of Spark, and comes out the same where a worker is killed in the middle.

    python -m benchmarks.spark_cluster --users 2000000

One master and two workers on loopback, from the pyspark wheel. The counts must be those of DuckDB on the same files.
"""

import argparse
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import IO

import pyspark

from benchmarks.measure import temporary_folder
from benchmarks.parquet_months import write_repository
from benchmarks.run import say
from driftgate.database import ConnectionParameters, connect
from driftgate.database.embedded import embedded_parameters
from driftgate.features.applying import ensure_applied
from driftgate.features.files import read_file
from driftgate.features.types import FeatureRequest
from driftgate.features.worker import FeatureWorker, read_features
from driftgate.monitors import read_monitor
from driftgate.profiles.build import make_grid, measure_features
from driftgate.profiles.counting import count_tables, sum_profiles
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from driftgate.profiles.grid import Grid

ROOT = Path(__file__).resolve().parents[1]
MONITOR = read_monitor(ROOT / "flows" / "monitors.toml", "churn").model_copy(update={"max_report_rows": 1000})
MONTH = date(2024, 1, 31)
STORE = """  spark_conf:
    spark.master: "{master}"
    spark.driver.host: "127.0.0.1"
    spark.driver.bindAddress: "127.0.0.1"
    spark.driver.memory: "1g"
    spark.executor.memory: "1g"
    spark.executor.cores: "1"
    spark.sql.shuffle.partitions: "{partitions}"
"""


class Cluster:
    """A master and its workers, each a process on loopback.

    Attributes:
        url: of the master.
    """

    def __init__(self, folder: Path, workers: int = 2) -> None:
        """Start them and wait until the master knows the workers."""
        self._log: IO[str] = (folder / "cluster.log").open("w")
        port = _free_port()
        self.url = f"spark://127.0.0.1:{port}"
        self.processes = [self._start("master.Master", folder, "--port", str(port), "--webui-port", "0")]
        for _ in range(workers):
            self.processes.append(
                self._start("worker.Worker", folder, "--webui-port", "0", "-c", "1", "-m", "1g", self.url)
            )
        log = folder / "cluster.log"
        while log.read_text().count("Registering worker") < workers:
            if any(process.poll() is not None for process in self.processes):
                raise RuntimeError(f"the cluster does not start; see {log}")
            time.sleep(0.2)

    def _start(self, name: str, folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
        environment = {
            **os.environ,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": str(folder / "work"),
            "SPARK_DAEMON_MEMORY": "256m",
            "PYTHONPATH": str(ROOT),
        }
        program = Path(pyspark.__file__).parent / "bin" / "spark-class"
        command = [str(program), f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1", *arguments]
        return subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log, start_new_session=True)

    def kill_worker(self) -> None:
        """Kill the last worker, with its executors."""
        os.killpg(self.processes[-1].pid, signal.SIGKILL)

    def close(self) -> None:
        """End all."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._log.close()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster for the time of the block."""
    started = Cluster(folder)
    try:
        yield started
    finally:
        started.close()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def counted(parameters: ConnectionParameters, repo: Path, grid: Grid | None, folder: Path) -> tuple[Grid, bytes]:
    """The month's profile as bytes, counted by the engine of the repository, and its grid."""
    with FeatureWorker(parameters) as worker:
        size = worker.measure_month(repo, MONITOR, MONTH)
        out = folder / "sample.arrow"
        read = read_features(worker, MONITOR, repo, size, None, out)
        grid = grid or make_grid(measure_features(read_file(out), read.declared, MONTH), 1, sampled=True)
        request = FeatureRequest(repo, MONITOR, size, None, out)
        started = time.perf_counter()
        parts = worker.fold_month(request, partial(count_tables, declared=read.declared, as_of=MONTH, grid=grid))
        profile = sum_profiles(profile_from_bytes(part, grid) for part in parts)
        say(f"  {profile.rows:,} rows in {len(parts)} parts, {time.perf_counter() - started:.1f} s")
        assert profile.rows == size.entities
        return grid, profile_to_bytes(profile)


def main() -> None:
    """Count by DuckDB, by the cluster, and by the cluster whose worker is killed; the three must be the same bytes."""
    parser = argparse.ArgumentParser(description="Counts of a real cluster, also where a worker is killed")
    parser.add_argument("--users", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--kill-after", type=float, default=20, help="seconds after the start of the third count")
    options = parser.parse_args()
    folder = temporary_folder()
    parameters = embedded_parameters(folder / "home")
    found: list[bytes] = []
    with cluster(folder) as running:
        spark = STORE.format(master=running.url, partitions=options.partitions)
        say(f"{options.users:,} users: DuckDB")
        files, _ = write_repository(folder / "duckdb", options.users, "duckdb", months=1)
        ensure_applied(connect(parameters), parameters, files)
        grid, profile = counted(parameters, files, None, folder)
        found.append(profile)
        repo, _ = write_repository(folder / "spark", options.users, "spark", spark, months=1)
        ensure_applied(connect(parameters), parameters, repo)
        for kill in (False, True):
            say("the cluster, one of its workers killed" if kill else "the cluster")
            timer = threading.Timer(options.kill_after, running.kill_worker)
            if kill:
                timer.start()
            found.append(counted(parameters, repo, grid, folder)[1])
            timer.cancel()
            assert not kill or running.processes[-1].poll() is not None, "the count ended before the kill"
    digests = [hashlib.sha256(item).hexdigest()[:16] for item in found]
    say(f"digests: {', '.join(digests)}")
    if len(set(digests)) > 1:
        sys.exit("they differ")


if __name__ == "__main__":
    main()
