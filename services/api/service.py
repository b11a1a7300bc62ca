"""The parts of one API process, and the questions that the routes ask of them."""

import asyncio
import hmac
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine

from driftgate.errors import DriftgateError, OutputError
from driftgate.features.online import KeyState
from driftgate.predictions.log import Prediction, predicted
from driftgate.predictions.spool import Spool
from driftgate.training.model import TrainedModel
from services.api.champion import ChampionWatcher, Registry
from services.api.durable_log import DurableLog
from services.api.json_log import new_id, request_id
from services.api.metrics import Metrics
from services.api.prediction_log import PredictionLog
from services.api.problems import Problem, unavailable
from services.api.rows import Reader, Row, StoreState
from services.api.scoring import NoModelError, OpeningError, QueueFullError, Scorer
from services.api.settings import ApiSettings

_log = logging.getLogger(__name__)


class Service:
    """Scoring, the champion and the log, started and stopped together."""

    def __init__(
        self,
        settings: ApiSettings,
        registry: Registry,
        open_reader: Callable[[], Reader],
        engine: Engine,
        join_key: str,
        metrics: Metrics | None = None,
        spool: Spool | None = None,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            open_reader: called in the scoring thread, again after the repository has changed.
            engine: of the database with the table `predictions`.
            join_key: of the monitor; callers know the key of an entity by this name.
            spool: of this machine; needed where the log is durable, and emptied into the table in any case. A fast log
                leaves there at the end what the table does not take.
        """
        self.settings = settings
        self.join_key = join_key
        self.metrics = metrics or Metrics()
        self.scorer = Scorer(open_reader, self.metrics, settings.max_waiting_keys)
        self.champion = ChampionWatcher(registry, self.scorer, self.metrics, settings.poll_seconds)
        durable = DurableLog(spool, engine, self.metrics, settings.log_flush_seconds) if spool is not None else None
        # A spool of its own: the durable log hands over what is in the other one.
        rest = Spool(spool.folder) if spool is not None else None
        fast = PredictionLog(engine, self.metrics, settings.log_queue_rows, settings.log_flush_seconds, rest)
        if settings.log_mode == "durable":
            assert durable is not None, "a durable log needs a spool"
        self.log: DurableLog | PredictionLog = durable if durable and settings.log_mode == "durable" else fast
        # A fast log writes past the spool; what a durable one left there is taken up all the same.
        self._logs = [log for log in (durable, self.log) if log is not None]
        self.metrics.log_mode.labels(settings.log_mode).set(1)

    def start(self) -> None:
        """Begin; whatever is not there yet is waited for beside the requests."""
        for log in dict.fromkeys(self._logs):
            log.start()
        self.scorer.start()
        self.champion.start()

    def stop(self) -> None:
        """Serve what waits, flush the log."""
        self.champion.stop()
        self.scorer.stop(self.settings.request_timeout_seconds)
        for log in dict.fromkeys(self._logs):
            log.stop(self.settings.shutdown_seconds)

    def require_key(self, given: str | None) -> None:
        """Check the caller's key, in a time that tells nothing about it.

        Raises:
            Problem: 401.
        """
        if self.settings.key is None:
            return
        expected = self.settings.key.get_secret_value().encode()
        if not hmac.compare_digest(expected, (given or "").encode("latin-1", "replace")):
            raise Problem(401, "send the API key in the header X-API-Key", {"WWW-Authenticate": "X-API-Key"})

    async def predict(self, keys: Sequence[str]) -> list[Row]:
        """Score users and queue the predictions for the log.

        Raises:
            Problem: 404 or 503.
        """
        rows = await self._rows(keys, score=True)
        now, identity = datetime.now(UTC), request_id.get()
        await self._keep(
            [
                Prediction(
                    prediction_id=new_id(),
                    time=now,
                    source="api",
                    entity_key=row.key,
                    model_version=row.version,
                    as_of=row.as_of,
                    request_id=identity,
                    features=row.features,
                    **predicted(row.kind, row.prediction, row.probability),
                )
                for row in rows
            ]
        )
        self.metrics.served(rows)
        return rows

    async def _keep(self, predictions: Sequence[Prediction]) -> None:
        try:
            await self.log.keep(predictions)
        except OutputError as error:
            raise unavailable("the prediction cannot be kept for the log; try again", 5) from error

    async def features(self, key: str) -> Row:
        """One user's features.

        Raises:
            Problem: 404 or 503.
        """
        return (await self._rows([key], score=False))[0]

    async def ready(self) -> tuple[TrainedModel, StoreState]:
        """The model that scores, and what the store says.

        Raises:
            Problem: 503, with every reason, and with `starting` where waiting is all that is to be done.
        """
        reasons: list[str] = []
        starting = False
        state, model = None, self.scorer.model
        if model is None:
            reasons.append(self.champion.trouble or "the model is being loaded")
            starting = not self.champion.asked
        try:
            state = await self._state()
        except TimeoutError:
            reasons.append("the feature store takes too long to answer")
        except OpeningError:
            reasons.append("the feature store is being opened")
            starting = True
        except DriftgateError as error:
            reasons.append(f"the feature store does not answer ({type(error).__name__}); the log says why")
            _log.warning("the feature store does not answer: %s", error)
        else:
            if state.month is None:
                reasons.append("no month is in the online store; `driftgate materialize` puts one there")
        if reasons or model is None or state is None:
            raise unavailable(
                "not ready: " + "; ".join(reasons), self.settings.poll_seconds, reasons=reasons, starting=starting
            )
        return model, state

    async def _rows(self, keys: Sequence[str], *, score: bool) -> list[Row]:
        try:
            async with asyncio.timeout(self.settings.request_timeout_seconds):
                rows = await self.scorer.ask(keys, score=score)
        except TimeoutError as error:
            raise unavailable("the answer took too long; try again") from error
        except QueueFullError as error:
            raise unavailable("too many requests wait; try again") from error
        except NoModelError as error:
            raise unavailable("no model is loaded yet; /ready says why", self.settings.poll_seconds) from error
        except OpeningError as error:
            raise unavailable("the feature store is being opened; try again", self.settings.poll_seconds) from error
        except DriftgateError as error:
            _log.warning("the feature store does not answer: %s", error)
            raise unavailable("the feature store does not answer; try again") from error
        unknown = [row.key for row in rows if row.state is KeyState.UNKNOWN]
        if unknown:
            await self._refuse(unknown)
        if any(row.state is KeyState.INCOMPLETE for row in rows):
            raise unavailable(
                "the online store holds features of several months or lacks some; `driftgate materialize` mends that",
                60,
            )
        return rows

    async def _state(self) -> StoreState:
        if self.scorer.opening:
            raise OpeningError("the online store is being opened")
        async with asyncio.timeout(self.settings.request_timeout_seconds):
            state: StoreState = await asyncio.wrap_future(self.scorer.run_there(self.scorer.state))
        return state

    async def _refuse(self, unknown: list[str]) -> None:
        """404, unless nobody is known because the store holds no month."""
        try:
            state = await self._state()
        except (TimeoutError, DriftgateError) as error:
            raise unavailable("the feature store does not answer; try again") from error
        if state.month is None:
            raise unavailable("no month is in the online store; /ready says more", self.settings.poll_seconds)
        member = f"unknown_{self.join_key}s"
        raise Problem(404, f"not among the users of {state.month}; see {member}", **{member: unknown})
