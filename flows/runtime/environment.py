"""What a flow runs on: settings, database, and the processes that start early because they start slowly."""

import atexit
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self, TypeVar, cast

from sqlalchemy import Engine

from driftgate.database import ConnectionParameters, connect
from driftgate.database.configured import connection_parameters
from driftgate.drift.worker import DriftWorker
from driftgate.errors import DatabaseError, DriftgateError
from driftgate.features.state import MonthState
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import Monitor, monitor_name
from driftgate.profiles.landing import Landing
from driftgate.profiles.store import has_profiles
from driftgate.scratch import scratch_folder
from driftgate.settings import Settings
from driftgate.warm.client import lender_socket
from driftgate.worker import Worker

W = TypeVar("W", bound=Worker)

_workers: dict[ConnectionParameters | None, Worker] = {}
_workers_lock = threading.Lock()


@dataclass(frozen=True)
class Runtime:
    """Settings and database of this process."""

    settings: Settings
    parameters: ConnectionParameters
    engine: Engine

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; start or join the embedded PostgreSQL where no server is configured.

        Raises:
            ConfigurationError: a variable is wrong.
            DatabaseError: the embedded server does not start.
        """
        settings = Settings.load()
        parameters = connection_parameters(settings)
        # Before workers start, which keep their temporary files there.
        scratch_folder(settings.driftgate_home)
        return cls(settings, parameters, connect(parameters))

    def monitor_name(self, name: str | None) -> str:
        """The name of a flow's parameter, or that of the only monitor in monitors.toml.

        Raises:
            UsageError: no name is given, and there are several monitors.
            ConfigurationError: no name is given, and monitors.toml is not usable.
        """
        return monitor_name(self.settings.driftgate_monitors, name)

    def repository(self, monitor: Monitor) -> Path:
        """The Feast repository of a monitor."""
        return monitor.feast_repo or self.settings.feast_repo

    def months(self, monitor: Monitor) -> list[date]:
        """The months that are loaded for a monitor, oldest first.

        Raises:
            ConfigurationError: the source of its entities cannot be read.
            DatabaseError: the offline store fails.
        """
        return feature_worker(self.parameters).loaded_months(self.repository(monitor), monitor)

    def landing(
        self, monitor: Monitor, say: Callable[[str], None], known: Mapping[date, MonthState] | None = None
    ) -> Landing:
        """Where the months of a monitor are measured and kept.

        Args:
            monitor: whose months.
            say: is told of each.
            known: what the sources of some months hold, where that was asked before.
        """
        folder = scratch_folder(self.settings.driftgate_home)
        worker, repo = feature_worker(self.parameters), self.repository(monitor)
        return Landing(self.engine, worker, monitor, repo, folder, say, known or {})

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for what steps hand to each other; gone afterwards."""
        parent = scratch_folder(self.settings.driftgate_home)
        with TemporaryDirectory(dir=parent, prefix="run-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def monitor_of_run() -> str:
    """The monitor that the present flow run is about, as its name shows it."""
    from prefect import runtime

    given: str | None = runtime.flow_run.parameters.get("monitor")
    try:
        return given or monitor_name(Settings.load().driftgate_monitors, None)
    except DriftgateError:
        # The run itself ends in this error, with all that it says.
        return "no monitor"


def start_workers(runtime: Runtime, draw: bool = True) -> None:
    """Start the processes that a verdict needs and that take long to start; returns at once.

    Args:
        runtime: where they work.
        draw: whether a report is surely drawn.
    """
    if draw:
        drift_worker()
    # Where months are kept, a join is the exception.
    kept = False
    with suppress(DatabaseError):
        kept = has_profiles(runtime.engine)
    feature_worker(runtime.parameters, joins=not kept)


def feature_worker(parameters: ConnectionParameters, joins: bool = True) -> FeatureWorker:
    """The feature process for a database, started at the first call and kept until this process ends.

    Args:
        joins: whether it begins with the import of feast, as joins need it; otherwise the first join does.
    """
    return _kept(parameters, lambda: FeatureWorker(parameters, joins, _lender()))


def drift_worker() -> DriftWorker:
    """The process that draws reports, started at the first call and kept until this process ends."""
    return _kept(None, lambda: DriftWorker(_lender()))


def _lender() -> Path:
    return lender_socket(Settings.load().driftgate_home)


def _kept(key: ConnectionParameters | None, start: Callable[[], W]) -> W:
    with _workers_lock:
        worker = _workers.get(key)
        if worker is not None and not worker.alive:
            worker.close()
            worker = None
        if worker is None:
            worker = _workers[key] = start()
        return cast(W, worker)


@atexit.register
def close_workers() -> None:
    """End every process that was started."""
    with _workers_lock:
        while _workers:
            _workers.popitem()[1].close()
