"""One thread reads features and scores them, for all requests that wait at once.

While one read is under way the next requests gather, and then share one query and one call of the model: the more
there are at once, the less each costs. The reader and the model are used by this thread alone.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from driftgate.errors import ConfigurationError, DatabaseUnavailableError, DriftgateError, bounded
from driftgate.training.model import TrainedModel
from services.api.metrics import Metrics
from services.api.rows import Reader, Row, StoreState, rows_of
from services.api.settings import MAX_BATCH

_log = logging.getLogger(__name__)
# After a failed connection, requests are refused at once for so long, instead of each waiting for the time limit.
_PAUSE_SECONDS = 0.5


class QueueFullError(DriftgateError):
    """More requests wait than may."""


class OpeningError(DriftgateError):
    """The online store is being opened, which takes seconds."""


class NoModelError(DriftgateError):
    """There is no model to score with yet."""


@dataclass
class _Job:
    keys: Sequence[str]
    score: bool
    future: asyncio.Future[list[Row]]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)


_Errand = tuple[Callable[[], Any], "Future[Any]"]


class Scorer(threading.Thread):
    """The scoring thread. `ask` and `run` may be called from any other."""

    def __init__(self, open_reader: Callable[[], Reader], metrics: Metrics, max_waiting_keys: int) -> None:
        """Prepare it; `start` begins, `stop` ends."""
        super().__init__(name="scoring", daemon=True)
        self.model: TrainedModel | None = None
        self.opening = True
        self._open_reader = open_reader
        self._metrics = metrics
        self._max_waiting_keys = max_waiting_keys
        self._queue: queue.SimpleQueue[_Job | _Errand | None] = queue.SimpleQueue()
        self._reader: Reader | None = None
        self._pause_until = 0.0
        # One counter for each side, so that neither needs a lock.
        self._keys_in = 0
        self._keys_out = 0

    async def ask(self, keys: Sequence[str], *, score: bool) -> list[Row]:
        """The rows of the keys, in their order.

        Raises:
            QueueFullError: too many keys wait.
            NoModelError: a score was asked for and there is no model.
            OpeningError: the store is being opened.
            DriftgateError: the store refuses or cannot be reached.
        """
        if score and self.model is None:
            raise NoModelError("no model is loaded")
        if self.opening:
            raise OpeningError("the online store is being opened")
        if self._keys_in - self._keys_out + len(keys) > self._max_waiting_keys:
            raise QueueFullError(f"more than {self._max_waiting_keys} user ids wait")
        loop = asyncio.get_running_loop()
        job = _Job(keys, score, loop.create_future(), loop)
        self._keys_in += len(keys)
        self._queue.put(job)
        return await job.future

    def run_there(self, errand: Callable[[], Any]) -> "Future[Any]":
        """Run a function in the scoring thread."""
        future: Future[Any] = Future()
        self._queue.put((errand, future))
        return future

    def state(self) -> StoreState:
        """Ask the store for its month. Only in the scoring thread, by `run_there`."""
        reader = self._opened()
        return StoreState(self._reading(reader.month), reader.features)

    def adopt(self, model: TrainedModel) -> None:
        """Score with this model from now on, once it has scored a row. Not in the scoring thread.

        Raises:
            ConfigurationError: the feature service lacks features of the model.
            DriftgateError: the store cannot be reached.
        """
        known = self.run_there(lambda: self._opened().features).result()
        reader = None if set(model.features) <= set(known) else self._reader_for(model)
        self.run_there(lambda: self._change_over(model, reader)).result()

    def _reader_for(self, model: TrainedModel) -> Reader:
        """A reader of the repository as it is now, which may have been applied anew since the other was opened."""
        reader = self._open_reader()
        missing = set(model.features) - set(reader.features)
        if missing:
            raise ConfigurationError(
                f"{model.name} version {model.version} reads what the service lacks: {bounded(sorted(missing))}",
                remedy="apply the repository that the model was trained on, or promote another version",
            )
        if reader.month() is None:
            reader.close()
            raise ConfigurationError(
                f"the online store lacks features that {model.name} version {model.version} reads",
                remedy="put the month there anew with `driftgate materialize`",
            )
        return reader

    def _change_over(self, model: TrainedModel, reader: Reader | None) -> None:
        from threadpoolctl import threadpool_limits

        # For this thread: a few rows are scored faster than OpenMP's threads meet, and on a busy machine far faster.
        threadpool_limits(1, user_api="openmp")
        if reader is not None:
            self.forget_reader()
            self._reader = reader
        reader = self._opened()
        self._reading(lambda: reader.read([""]))
        model.scores({name: [None] for name in model.features})
        self.model = model

    def forget_reader(self) -> None:
        """Open the reader anew at the next use. Only in the scoring thread."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def run(self) -> None:
        """Serve until `stop`."""
        # Importing feast takes seconds; whoever asks meanwhile is told so.
        self._do(self._opened, Future())
        held: _Job | _Errand | None = None
        while True:
            first = held if held is not None else self._queue.get()
            held = None
            if first is None:
                break
            if isinstance(first, tuple):
                self._do(*first)
                continue
            jobs, held, ended = self._gather(first)
            self._serve(jobs)
            if ended:
                break
        self.forget_reader()

    def stop(self, seconds: float) -> None:
        """End once all that waits is served; give up waiting after some seconds."""
        self._queue.put(None)
        self.join(seconds)

    def _gather(self, first: _Job) -> tuple[list[_Job], "_Job | _Errand | None", bool]:
        """Take what waits, up to MAX_BATCH keys: the jobs, the one that no longer fits, and whether to end."""
        jobs, keys = [first], len(first.keys)
        while keys < MAX_BATCH:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return jobs, None, True
            if isinstance(item, tuple) or keys + len(item.keys) > MAX_BATCH:
                return jobs, item, False
            jobs.append(item)
            keys += len(item.keys)
        return jobs, None, False

    def _do(self, errand: Callable[[], Any], future: "Future[Any]") -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = errand()
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _serve(self, jobs: list[_Job]) -> None:
        self._keys_out += sum(len(job.keys) for job in jobs)
        # Whoever gave up waiting needs no answer.
        jobs = [job for job in jobs if not job.future.cancelled()]
        if not jobs:
            return
        answers: list[list[Row]] | Exception
        try:
            answers = self._answers(jobs)
        except DriftgateError as error:
            answers = error
        except Exception as error:  # one request's fault must not end the thread that serves all
            _log.exception("scoring failed")
            answers = error
        jobs[0].loop.call_soon_threadsafe(_deliver, jobs, answers)

    def _answers(self, jobs: list[_Job]) -> list[list[Row]]:
        keys = [key for job in jobs for key in job.keys]
        reader = self._opened()
        found = self._reading(lambda: reader.read(keys))
        rows = rows_of(keys, found, self.model if any(job.score for job in jobs) else None)
        answers = []
        for job in jobs:
            answers.append(rows[: len(job.keys)])
            del rows[: len(job.keys)]
        return answers

    def _opened(self) -> Reader:
        if self._reader is None:
            self._wait_no_longer()
            self.opening = True
            try:
                self._reader = self._noting_failure(self._open_reader)
            finally:
                self.opening = False
        return self._reader

    def _reading(self, read: Callable[[], Any]) -> Any:
        self._wait_no_longer()
        started = time.perf_counter()
        try:
            return self._noting_failure(read)
        finally:
            self._metrics.feature_read.observe(time.perf_counter() - started)

    def _wait_no_longer(self) -> None:
        if time.monotonic() < self._pause_until:
            raise DatabaseUnavailableError("PostgreSQL could not be reached a moment ago", remedy="try again")

    def _noting_failure(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except DatabaseUnavailableError:
            self._pause_until = time.monotonic() + _PAUSE_SECONDS
            raise
        except ConfigurationError:
            # The repository's tables are not as they were: look it up anew at the next use.
            self.forget_reader()
            raise


def _deliver(jobs: list[_Job], answers: list[list[Row]] | Exception) -> None:
    for place, job in enumerate(jobs):
        if job.future.done():
            continue
        if isinstance(answers, Exception):
            job.future.set_exception(answers)
        else:
            job.future.set_result(answers[place])
