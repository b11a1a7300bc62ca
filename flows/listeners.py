"""What follows a decision: each listener is told of it in turn.

To add one, write a function that takes an `Outcome` and give it an entry in `LISTENERS`. What is longer than a few
lines is a module of its own, which takes the run and the settings, as `flows/notification.py`: it cannot import this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prefect import task
from prefect.logging import get_run_logger

from driftgate.pushgateway import push_monitor_run
from driftgate.run import Run
from driftgate.settings import Settings
from flows.notification import tell_of_decision
from flows.retrain_action import announce, retrain
from flows.runtime.steps import STEP


@dataclass(frozen=True)
class Outcome:
    """What a listener is told.

    Attributes:
        run: the decision with all it rests on; its reports and rows are written.
        newest: whether the current month is the newest that is loaded.
        seconds: since the run began.
    """

    run: Run
    settings: Settings
    newest: bool
    seconds: float


@dataclass(frozen=True)
class Listener:
    """Somebody who is told of every decision.

    Attributes:
        name: of its task in Prefect.
        tell: called once for each run, also for one that confirms an earlier decision; see
            `driftgate.store.decisions.is_news`.
        required: whether its failure is one of the run. Any other's failure is logged, and the verdict stands.
    """

    name: str
    tell: Callable[[Outcome], None]
    required: bool = False


def push_metrics(outcome: Outcome) -> None:
    """Push what the run found; of an old month nothing, because it must not look like today's state."""
    if outcome.newest:
        push_monitor_run(outcome.settings.pushgateway_url, outcome.run, outcome.seconds)


def notify(outcome: Outcome) -> None:
    """Send a message where the decision asks for a person."""
    tell_of_decision(outcome.run, outcome.settings)


# In this order. The metrics come last: they say that the run succeeded, which it did not where a required one fails.
LISTENERS = (
    Listener("event", lambda outcome: announce(outcome.run)),
    Listener("retraining", lambda outcome: retrain(outcome.run), required=True),
    Listener("notification", notify),
    Listener("metrics", push_metrics),
)


@task(name="listener", task_run_name="{listener.name}", **STEP)
def tell_step(listener: Listener, outcome: Outcome) -> None:
    """Tell one listener."""
    listener.tell(outcome)


def tell_listeners(outcome: Outcome, listeners: Sequence[Listener] = LISTENERS) -> None:
    """Tell each listener in turn; from within a flow.

    Raises:
        Exception: as a required listener raised it; those after it are not told.
    """
    for listener in listeners:
        if listener.required:
            tell_step(listener, outcome)
            continue
        state = tell_step(listener, outcome, return_state=True)
        if not state.is_completed():
            get_run_logger().warning("the listener %r failed; the verdict stands: %s", listener.name, state.message)
