"""Served predictions that are on this machine's disk before the answer leaves, and in the table soon after."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from driftgate.database import create_tables
from driftgate.errors import DatabaseError, OutputError
from driftgate.predictions.log import Prediction, save_predictions
from driftgate.predictions.spool import Segment, Spool
from services.api.metrics import Metrics

_log = logging.getLogger(__name__)
_BATCH_ROWS = 1000
_MAX_PAUSE_SECONDS = 5.0
_LAST_PAUSE_SECONDS = 0.25

_Waiting = tuple[Sequence[Prediction], "asyncio.Future[None]", asyncio.AbstractEventLoop]


class DurableLog:
    """Two threads: one appends to the spool, for all requests that wait at once; the other empties it into the table.

    What the table does not take yet stays in the spool, whatever becomes of this process; the next start, in either
    mode, takes it up.
    """

    def __init__(self, spool: Spool, engine: Engine, metrics: Metrics, flush_seconds: float) -> None:
        """Prepare it; `start` begins, `stop` flushes.

        Args:
            flush_seconds: longest time that a prediction waits in the spool while the database answers.
        """
        self._spool = spool
        self._engine = engine
        self._metrics = metrics
        self._flush_seconds = flush_seconds
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._appending = threading.Lock()
        self._stopping = threading.Event()
        self._abandoned = False
        self._tables_there = False
        self._segments: list[Segment] = []
        self._threads = [
            threading.Thread(target=self._append, name="prediction-spool", daemon=True),
            threading.Thread(target=self._empty, name="prediction-log", daemon=True),
        ]

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        for thread in self._threads:
            thread.start()

    async def keep(self, rows: Sequence[Prediction]) -> None:
        """Return once the rows are on the disk.

        Raises:
            OutputError: they are not, and the request must not be answered.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.put((rows, future, loop))
        await future

    def stop(self, seconds: float) -> None:
        """Empty the spool into the table, for at most so many seconds; what is left then waits for the next start."""
        self._waiting.put(None)
        self._threads[0].join(seconds)
        self._stopping.set()
        self._threads[1].join(seconds)
        self._abandoned = True

    def _append(self) -> None:
        """Append until `stop`: while one write is under way the next requests gather, and then share one fdatasync."""
        ended = False
        while not ended:
            jobs, ended = self._gather()
            rows = [row for job in jobs for row in job[0]]
            if not rows:
                continue
            failure: OutputError | None = None
            try:
                with self._appending:
                    self._spool.append(rows)
            except OutputError as error:
                _log.error("requests are refused: %s", error, extra={"rows": len(rows)})
                failure = error
            else:
                self._metrics.log_queued.inc(len(rows))
            jobs[0][2].call_soon_threadsafe(_deliver, jobs, failure)

    def _gather(self) -> tuple[list[_Waiting], bool]:
        jobs: list[_Waiting] = []
        item = self._waiting.get()
        while item is not None:
            jobs.append(item)
            if len(jobs) >= _BATCH_ROWS:
                return jobs, False
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _empty(self) -> None:
        """Write to the table until `stop`, and then what is left."""
        pause = 0.0
        while not self._abandoned:
            ending = self._stopping.is_set()
            self._take_up()
            pause = self._write_all(pause)
            if ending and not pause:
                return
            if ending:
                time.sleep(min(pause, _LAST_PAUSE_SECONDS))
            else:
                self._stopping.wait(pause or self._flush_seconds)

    def _take_up(self) -> None:
        with self._appending:
            own = self._spool.cut()
        if own is not None:
            self._segments.append(own)
        for segment in self._spool.abandoned():
            _log.warning("predictions that an earlier process left are taken up", extra={"file": segment.path.name})
            rows, _ = segment.read()
            self._metrics.log_queued.inc(len(rows))
            self._segments.append(segment)

    def _write_all(self, pause: float) -> float:
        """Write the segments in turn; returns the pause before the next try, 0 after a success."""
        while self._segments and not self._abandoned:
            segment = self._segments[0]
            try:
                rows, unreadable = segment.read()
            except OSError:
                # One bad file must not end the log. Where it is still there, the next look finds it.
                _log.exception("predictions in the spool cannot be read", extra={"file": segment.path.name})
                self._segments.pop(0).release()
                continue
            try:
                self._save(rows)
            except DatabaseError as error:
                if not pause:
                    _log.warning("predictions wait in the spool for now: %s", error, extra={"rows": len(rows)})
                self._tables_there = False
                return min(2 * pause or 0.25, _MAX_PAUSE_SECONDS)
            except Exception:
                # One bad segment must not end the log.
                _log.exception("predictions cannot be logged")
                unreadable = len(rows)
            self._done(self._segments.pop(0), len(rows), unreadable)
        return 0.0

    def _save(self, rows: Sequence[Prediction]) -> None:
        if not self._tables_there:
            create_tables(self._engine)
            self._tables_there = True
        for start in range(0, len(rows), _BATCH_ROWS):
            save_predictions(self._engine, rows[start : start + _BATCH_ROWS])

    def _done(self, segment: Segment, rows: int, unreadable: int) -> None:
        self._metrics.log_queued.dec(rows)
        if not unreadable:
            segment.remove()
            return
        self._metrics.log_dropped.inc(unreadable)
        aside = segment.put_aside()
        _log.error("predictions could not be logged and are kept", extra={"file": str(aside), "rows": unreadable})


def _deliver(jobs: Sequence[_Waiting], failure: OutputError | None) -> None:
    answer: Callable[[asyncio.Future[None]], None] = (
        (lambda future: future.set_result(None)) if failure is None else (lambda future: future.set_exception(failure))
    )
    for _, future, _ in jobs:
        if not future.done():
            answer(future)
