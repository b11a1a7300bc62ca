"""What one prediction costs without an API: one read of the online store and one call of the model, in one process.

    python -m benchmarks.api_bare IDS_FILE

Prints medians in milliseconds as JSON, and Feast's own `get_online_features` for comparison.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from driftgate.database.configured import connection_parameters
from driftgate.features.feast_adapter import open_store
from driftgate.features.online_adapter import open_reader
from driftgate.monitors import read_monitor
from driftgate.settings import Settings
from driftgate.training.registry.models import ModelRegistry

READS = 1000


def main() -> None:
    """Read and score one user at a time."""
    settings = Settings.load()
    monitor = read_monitor(settings.driftgate_monitors, "churn")
    parameters = connection_parameters(settings)
    registry = ModelRegistry(parameters, settings.mlflow_artifacts, str(monitor.model))
    model = registry.load(str(registry.champion()))
    reader = open_reader(settings.feast_repo, monitor.feature_service, monitor.entity.feast_key)
    store = open_store(settings.feast_repo)
    service = store.get_feature_service(monitor.feature_service)
    threadpool_limits(1, user_api="openmp")
    ids = Path(sys.argv[1]).read_text().split()
    rows = [reader.read([item]).columns for item in ids[:READS]]
    key = monitor.entity.feast_key
    print(
        json.dumps(
            {
                "read_ms": median(lambda item: reader.read([item]), ids[:READS]),
                "predict_ms": median(model.probabilities, rows),
                "feast_read_ms": median(lambda item: store.get_online_features(service, [{key: item}]), ids[:READS]),
            }
        )
    )


def median(call: Callable[[Any], object], arguments: list[Any]) -> float:
    """Milliseconds of a call."""
    taken = []
    for argument in arguments:
        started = time.perf_counter()
        call(argument)
        taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken)


if __name__ == "__main__":
    main()
