"""The policies that are replayed. What they see is what the monitor sees: its own `decide` says what is a signal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from driftgate.backtest.replay import Policy, Track, replay, untracked
from driftgate.decision import NO_NEWS, PERFORMANCE_KEY, Decision, Earlier, History

Decide = Callable[[int, int, History | None], Decision]
"""The monitor's decision on a month: the month of the serving model, the present month, and what was decided before;
None where only the signals are asked for, and not whether one of them triggers."""


class PolicyName(StrEnum):
    """Names of the policies, in the order in which they are shown."""

    NEVER = "never"
    EVERY_MONTH = "every month"
    DRIFT_SHARE = "drift share alone"
    PERFORMANCE = "performance alone"
    DRIFTGATE = "driftgate"
    HINDSIGHT = "best in hindsight"


@dataclass
class Monitored:
    """The monitor's own policy, which remembers what it decided before.

    Attributes:
        decide: the monitor's decision.
        months: all that are replayed.
        earlier: its decisions so far, newest first.
    """

    decide: Decide
    months: Sequence[date]
    earlier: list[Earlier] = field(default_factory=list)

    def __call__(self, trained: int, month: int) -> bool:
        """Decide as the monitor does, and remember it."""
        history = History(tuple(self.earlier), self.months[trained])
        found = self.decide(trained, month, history)
        news = found.signalled and found.held_back_code not in NO_NEWS
        self.earlier.insert(0, Earlier(self.months[month], news, found.triggered))
        return found.triggered


def by_signal(decide: Decide, key: str) -> Policy:
    """Return the policy that trains again whenever one signal is reached, and heeds nothing else.

    Args:
        decide: the monitor's decision.
        key: of the signal's threshold.
    """

    def policy(trained: int, month: int) -> bool:
        signals = decide(trained, month, None).signals
        return any(signal.reached for signal in signals if signal.key == key)

    return policy


def retrainings(months: Sequence[date], decide: Decide, track: Track = untracked) -> dict[str, tuple[int, ...]]:
    """Return for each policy but the best in hindsight the months that it trains on again."""
    policies: dict[str, Policy] = {
        PolicyName.DRIFT_SHARE: by_signal(decide, "threshold"),
        PolicyName.PERFORMANCE: by_signal(decide, PERFORMANCE_KEY),
        PolicyName.DRIFTGATE: Monitored(decide, months),
    }
    found = {name: replay(policy, months, track, name) for name, policy in policies.items()}
    return {PolicyName.NEVER: (), PolicyName.EVERY_MONTH: tuple(range(1, len(months) - 1)), **found}
