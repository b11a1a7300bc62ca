"""Which version serves: asked of the registry every few seconds, loaded beside the requests, and swapped whole."""

import logging
import threading
from typing import Protocol

from driftgate.errors import DriftgateError
from driftgate.training.model import TrainedModel
from services.api.metrics import Metrics
from services.api.scoring import Scorer

_log = logging.getLogger(__name__)


class Registry(Protocol):
    """Versions of one model; see `driftgate.training.registry.models.ModelRegistry`."""

    def champion(self) -> str | None: ...  # noqa: D102
    def load(self, version: str) -> TrainedModel: ...  # noqa: D102


class ChampionWatcher(threading.Thread):
    """Keeps the scorer on the champion. A version that cannot be loaded leaves the one before in service.

    Attributes:
        trouble: why there is no model, or a newer one is not served; empty where all is well.
        asked: whether the first question has come to something.
    """

    def __init__(self, registry: Registry, scorer: Scorer, metrics: Metrics, poll_seconds: float) -> None:
        """Prepare it; `start` begins, `stop` ends."""
        super().__init__(name="champion", daemon=True)
        self.trouble = "the model is being loaded"
        self.asked = False
        self._registry = registry
        self._scorer = scorer
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()

    def run(self) -> None:
        """Ask until `stop`."""
        while True:
            self.check()
            # Whoever waits for the first model should not wait for long.
            seconds = self._poll_seconds if self._scorer.model else min(1.0, self._poll_seconds)
            if self._stopped.wait(seconds):
                return

    def stop(self) -> None:
        """End after the question that is under way."""
        self._stopped.set()

    def check(self) -> None:
        """Ask once, and change over where the champion is another version."""
        try:
            self._follow()
        except Exception as error:
            kind = type(error).__name__
            trouble = f"the champion cannot be loaded ({kind}); the log says why"
            if trouble != self.trouble:
                _log.warning(
                    "the champion cannot be loaded: %s",
                    error,
                    exc_info=None if isinstance(error, DriftgateError) else error,
                )
            self.trouble = trouble
        finally:
            self.asked = True

    def _follow(self) -> None:
        version = self._registry.champion()
        if version is None:
            self.trouble = "no version is the champion yet; train one with `driftgate train`"
            return
        before = self._scorer.model
        if before is None or before.version != version:
            model = self._registry.load(version)
            self._scorer.adopt(model)
            self._metrics.serves(model, before.version if before else None)
            _log.info("serving another version", extra={"model": model.name, "version": version})
        self.trouble = ""
