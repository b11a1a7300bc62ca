"""The metrics of the API. Labels are bounded: route templates, methods, statuses, versions; never a user."""

import os
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from driftgate.measures import LabelKind
from driftgate.training.model import TrainedModel
from services.api.rows import Row

UNMATCHED = "unmatched"
# In place of numbers, which would each be a series of its own.
_NUMBER = "number"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_READ = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_PROBABILITY = tuple(step / 20 for step in range(1, 21))
_LABELS = ("route", "method", "status")


class Metrics:
    """The metrics of one process; with PROMETHEUS_MULTIPROC_DIR set, `text` adds up those of all workers."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        # Not by the variable alone: Feast sets it when it is imported, which is too late to mean anything.
        self._folder = None if values.ValueClass is values.MutexValue else os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self._registry = registry = CollectorRegistry()
        if not self._folder:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            GCCollector(registry=registry)
        self.requests = Counter("api_requests_total", "Requests answered", _LABELS, registry=registry)
        self.latency = Histogram(
            "api_request_latency_seconds", "Time from request to answer", _LABELS, buckets=_LATENCY, registry=registry
        )
        self.in_flight = Gauge(
            "api_requests_in_flight", "Requests being answered", multiprocess_mode="livesum", registry=registry
        )
        self.predictions = Counter(
            "api_predictions_total", "Predictions served", ("model_version", "prediction"), registry=registry
        )
        self.probability = Histogram(
            "api_predicted_probability",
            "Probability of the positive class",
            buckets=_PROBABILITY,
            registry=registry,
        )
        self.feature_read = Histogram(
            "api_feature_read_seconds", "Time of one read of the online store", buckets=_READ, registry=registry
        )
        self._model = _ModelInfo(registry) if not self._folder else None
        self._model_of_worker = Gauge(
            _ModelInfo.NAME, _ModelInfo.HELP, _ModelInfo.LABELS, multiprocess_mode="livemax", registry=None
        )
        self.log_dropped = Counter(
            "api_prediction_log_dropped_total", "Predictions served that never reached the log", registry=registry
        )
        self.log_queued = Gauge(
            "api_prediction_log_queued", "Predictions that wait for the log", multiprocess_mode="livesum",
            registry=registry,
        )  # fmt: skip

        self.log_mode = Gauge(
            "api_prediction_log_mode",
            "1 for the mode that holds: fast (answered before it is logged) or durable (answered once it is on disk)",
            ("mode",),
            multiprocess_mode="livemax",
            registry=registry,
        )

    def expect(self, answers: Iterable[tuple[str, str, int]]) -> None:
        """Begin the series of these routes, methods and statuses at 0.

        A series that begins with its first answer begins at 1, and nobody sees that it grew.
        """
        for route, method, status in answers:
            labels = (route, method, str(status))
            self.requests.labels(*labels)
            self.latency.labels(*labels)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count and time one answer."""
        labels = (route, method if method in _METHODS else "OTHER", str(status))
        self.requests.labels(*labels).inc()
        self.latency.labels(*labels).observe(seconds)

    def served(self, rows: Sequence[Row]) -> None:
        """Count the predictions of one version, and where their probabilities lie."""
        numeric = rows[0].kind is LabelKind.NUMERIC
        for prediction, count in Counts(_NUMBER if numeric else str(row.prediction) for row in rows).items():
            self.predictions.labels(rows[0].version, prediction).inc(count)
        for row in rows:
            if row.probability is not None:
                self.probability.observe(row.probability)

    def serves(self, served: TrainedModel, before: str | None) -> None:
        """Tell which version is served from now on, and begin the series of its predictions."""
        model, version = served.name, served.version
        numeric = served.kind is LabelKind.NUMERIC
        for prediction in served.classes or ((_NUMBER,) if numeric else ("0", "1")):
            self.predictions.labels(version, prediction)
        if self._model is not None:
            self._model.now = (model, version)
            return
        if before is not None and before != version:
            # Files of several processes keep a series for ever, so there the one before stays, at 0.
            self._model_of_worker.labels(model, before).set(0)
        self._model_of_worker.labels(model, version).set(1)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        if not self._folder:
            return generate_latest(self._registry)
        _forget_dead_workers(Path(self._folder))
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=self._folder)  # type: ignore[no-untyped-call]
        registry.register(_WorkerProcesses())
        return generate_latest(registry)


def _forget_dead_workers(folder: Path) -> None:
    """A worker that was killed leaves its gauges behind."""
    for pid in {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}:
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            multiprocess.mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]


class _ModelInfo(Collector):
    """One series, of the version that is served; a gauge would keep those of earlier versions."""

    NAME = "api_model_info"
    HELP = "1 for the version that is served"
    LABELS = ("model", "version")

    def __init__(self, registry: CollectorRegistry) -> None:
        self.now: tuple[str, str] | None = None
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The series, once there is a model."""
        family = GaugeMetricFamily(self.NAME, self.HELP, labels=self.LABELS)
        if self.now is not None:
            family.add_metric(self.now, 1)
        yield family


class _WorkerProcesses(Collector):
    """Process metrics of all workers together: those of the answering one alone would jump from scrape to scrape."""

    def collect(self) -> Iterator[Metric]:
        """CPU seconds, resident memory and open files, summed over the workers that live."""
        cpu = memory = files = 0.0
        for process in psutil.Process(os.getppid()).children():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    resident, opened = process.memory_info().rss, process.num_fds()
            except psutil.Error:
                continue
            cpu, memory, files = cpu + times.user + times.system, memory + resident, files + opened
        yield CounterMetricFamily("process_cpu_seconds_total", "CPU time of all workers", value=cpu)
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory of all workers", value=memory)
        yield GaugeMetricFamily("process_open_fds", "Open files of all workers", value=files)
