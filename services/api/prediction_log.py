"""Served predictions on their way into the table `predictions`, off the path of the requests.

At the end of the process, what the table does not take goes into the spool of the durable log, and the next start
writes it to the table. What goes nowhere is counted, and changes the exit status of the process.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from sqlalchemy import Engine

from driftgate.database import create_tables
from driftgate.errors import DatabaseError, OutputError
from driftgate.predictions.log import Prediction, save_predictions
from driftgate.predictions.spool import Spool
from services.api.metrics import Metrics

_log = logging.getLogger(__name__)
_BATCH_ROWS = 1000
_MAX_PAUSE_SECONDS = 5.0
_LAST_PAUSE_SECONDS = 0.25


class _Lost:
    rows = 0


def lost_rows() -> int:
    """How many answered predictions this process could not write at its end, neither to the table nor to the spool."""
    return _Lost.rows


class PredictionLog(threading.Thread):
    """A bounded queue and the thread that empties it. What does not fit is dropped and counted, never waited for."""

    def __init__(
        self, engine: Engine, metrics: Metrics, max_rows: int, flush_seconds: float, spool: Spool | None = None
    ) -> None:
        """Prepare it; `start` begins, `stop` flushes.

        Args:
            max_rows: predictions that may wait, those of a write under way included.
            flush_seconds: longest time that a prediction waits while the database answers.
            spool: takes at the end what the table does not; no other log appends to it.
        """
        super().__init__(name="prediction-log", daemon=True)
        self._engine = engine
        self._metrics = metrics
        self._max_rows = max_rows
        self._flush_seconds = flush_seconds
        self._spool = spool
        self._waiting: deque[Prediction] = deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._tables_there = False
        self._abandoned = False

    async def keep(self, rows: Sequence[Prediction]) -> None:
        """Queue rows; waits for nothing."""
        self.add(rows)

    def add(self, rows: Sequence[Prediction]) -> None:
        """Queue rows; returns at once. Only from one thread."""
        room = max(0, self._max_rows - len(self._waiting))
        self._waiting.extend(rows[:room])
        if room < len(rows):
            self._metrics.log_dropped.inc(len(rows) - room)
        self._metrics.log_queued.set(len(self._waiting))
        if len(self._waiting) >= _BATCH_ROWS:
            self._wake.set()

    def run(self) -> None:
        """Write until `stop`, and then what is left."""
        pause = 0.0
        while not (self._stopping.is_set() and not self._waiting) and not self._abandoned:
            if self._stopping.is_set():
                time.sleep(min(pause, _LAST_PAUSE_SECONDS))
            elif pause:
                self._stopping.wait(pause)
            elif len(self._waiting) < _BATCH_ROWS:
                self._wake.wait(self._flush_seconds)
                self._wake.clear()
            pause = self._write(pause)

    def stop(self, seconds: float) -> None:
        """Flush, for at most so many seconds; what is left then is spooled, or else it is lost and counted.

        With a spool half of the time is for the table: whoever ends the process may not wait longer than that.
        """
        self._stopping.set()
        self._wake.set()
        self.join(seconds / 2 if self._spool is not None else seconds)
        self._abandoned = True
        # In one step. The thread may still write some of them: a row that is written twice is stored once.
        left = tuple(self._waiting)
        if left and not self._spooled(left):
            _Lost.rows += len(left)
            self._metrics.log_dropped.inc(len(left))
            _log.error("predictions were dropped at the exit", extra={"rows": len(left)})

    def _spooled(self, left: Sequence[Prediction]) -> bool:
        if self._spool is None:
            return False
        try:
            self._spool.append(left)
        except OutputError as error:
            _log.error("the spool does not take predictions: %s", error, extra={"rows": len(left)})
            return False
        folder = str(self._spool.folder)
        _log.warning("predictions wait in the spool for the next start", extra={"rows": len(left), "file": folder})
        return True

    def _write(self, pause: float) -> float:
        """Write one batch; returns the pause before the next try, 0 after a success."""
        batch = [self._waiting[place] for place in range(min(len(self._waiting), _BATCH_ROWS))]
        if not batch:
            return 0.0
        try:
            if not self._tables_there:
                create_tables(self._engine)
                self._tables_there = True
            save_predictions(self._engine, batch)
        except DatabaseError as error:
            # What the database refuses today it may take tomorrow, and until then the queue is bounded.
            if not pause:
                _log.warning("predictions cannot be logged for now: %s", error, extra={"rows": len(self._waiting)})
            self._tables_there = False
            return min(2 * pause or 0.25, _MAX_PAUSE_SECONDS)
        except Exception:
            # One bad batch must not end the log.
            _log.exception("predictions cannot be logged and are dropped", extra={"rows": len(batch)})
            self._metrics.log_dropped.inc(len(batch))
        for _ in batch:
            self._waiting.popleft()
        self._metrics.log_queued.set(len(self._waiting))
        return 0.0
