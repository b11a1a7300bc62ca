"""A real cluster of Spark, a master and two workers, counts a month; one of the workers is killed in the middle."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from benchmarks.parquet_months import write_repository
from benchmarks.spark_cluster import MONITOR, MONTH, STORE, cluster
from driftgate.database import ConnectionParameters, connect
from driftgate.features.applying import ensure_applied
from driftgate.features.files import read_file
from driftgate.features.types import FeatureRequest
from driftgate.features.worker import FeatureWorker, read_features
from driftgate.profiles.build import make_grid, measure_features
from driftgate.profiles.counting import sum_profiles
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from tests.conftest import new_database
from tests.features.engines.java import require_java
from tests.features.engines.slow import slow_count

PARTITIONS = 4


@pytest.fixture
def parameters(server: ConnectionParameters) -> Iterator[ConnectionParameters]:
    with new_database(server) as made:
        yield made


def test_a_killed_worker_changes_no_count(parameters: ConnectionParameters, tmp_path: Path) -> None:
    require_java()
    marks = tmp_path / "marks"
    marks.mkdir()
    # As many tasks as partitions, however few rows.
    more = '    spark.sql.adaptive.enabled: "false"\n'
    with cluster(tmp_path) as running, FeatureWorker(parameters) as worker:
        spark = STORE.format(master=running.url, partitions=PARTITIONS) + more
        repo, _ = write_repository(tmp_path / "spark", 2000, "spark", spark, months=1)
        ensure_applied(connect(parameters), parameters, repo)
        whole = MONITOR.model_copy(update={"max_report_rows": 10_000})
        size = worker.measure_month(repo, whole, MONTH)
        out = tmp_path / "month.arrow"
        read = read_features(worker, whole, repo, size, None, out)
        exact = measure_features(read_file(out), read.declared, MONTH)
        grid = make_grid(exact, 1)
        fold = partial(slow_count, declared=read.declared, as_of=MONTH, grid=grid, marks=marks)
        killing = threading.Thread(target=_kill_when, args=(marks, running.kill_worker))
        killing.start()
        parts = worker.fold_month(FeatureRequest(repo, whole, size, None, out), fold)
        killing.join()
        assert running.processes[-1].wait(10) != 0
    # A partition of the killed worker was begun twice.
    assert len(parts) == PARTITIONS < len(list(marks.iterdir()))
    counted = sum_profiles(profile_from_bytes(part, grid) for part in parts)
    assert profile_to_bytes(counted) == profile_to_bytes(exact.on(grid))


def _kill_when(marks: Path, kill: Callable[[], None]) -> None:
    """Kill once both workers have a partition under way."""
    deadline = time.monotonic() + 120
    while len(list(marks.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    kill()
