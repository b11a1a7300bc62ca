"""The result of a backtest: what each policy would have done and cost, at the usual price and at others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from driftgate.backtest.policies import Decide, PolicyName, retrainings
from driftgate.backtest.replay import PolicyOutcome, Prices, Scores, Track, best_in_hindsight, outcomes, untracked
from driftgate.monitors import Monitor

MULTIPLES = (0.5, 1.0, 2.0, 4.0)
"""The cost of a retraining in times its own, at which the regrets are computed."""


@dataclass(frozen=True)
class Backtest:
    """Every policy over the same months.

    Attributes:
        monitor: its name.
        outcomes: by policy, in the order of `PolicyName`.
        regrets: for each multiple of the cost of a retraining the regret of each policy.
        left_out: loaded months that are not replayed, with the reason.
    """

    monitor: str
    scores: Scores
    prices: Prices
    outcomes: tuple[PolicyOutcome, ...]
    regrets: Mapping[float, Mapping[str, float]]
    left_out: Mapping[date, str]

    @property
    def best(self) -> PolicyOutcome:
        """The policy of least cost that needs no hindsight; of equal ones Driftgate's."""
        candidates = [item for item in self.outcomes if item.policy != PolicyName.HINDSIGHT]
        return min(candidates, key=lambda item: (round(item.regret, 9), item.policy != PolicyName.DRIFTGATE))

    def outcome(self, policy: str) -> PolicyOutcome:
        """That of one policy."""
        return next(item for item in self.outcomes if item.policy == policy)


def prices_of(monitor: Monitor, entities: Sequence[int]) -> Prices:
    """Return what counts for a monitor: money where it has costs, else units of the measure.

    Without costs a retraining costs as much as a month with a drop of `performance_drop`, from which the monitor wants
    one.

    Args:
        monitor: with its costs.
        entities: of each month.
    """
    if monitor.retrain_cost is not None and monitor.error_cost is not None:
        return Prices(monitor.retrain_cost, monitor.error_cost * np.array(entities, dtype=np.float64), money=True)
    return Prices(monitor.performance_drop, np.ones(len(entities)))


def backtest(
    monitor: Monitor,
    scores: Scores,
    decide: Decide,
    left_out: Mapping[date, str] | None = None,
    track: Track = untracked,
) -> Backtest:
    """Replay every policy.

    Args:
        monitor: whose costs count.
        scores: of every model in every later month.
        decide: the monitor's decision.
        left_out: months that are not replayed, with the reason.
        track: shows how far it is.
    """
    prices = prices_of(monitor, scores.entities)
    retrained = retrainings(scores.months, decide, track)
    found = {
        multiple: _at(scores, replace(prices, retraining=multiple * prices.retraining), retrained)
        for multiple in MULTIPLES
    }
    regrets = {multiple: {item.policy: item.regret for item in items} for multiple, items in found.items()}
    return Backtest(monitor.name, scores, prices, found[1.0], regrets, left_out or {})


def _at(scores: Scores, prices: Prices, retrained: Mapping[str, tuple[int, ...]]) -> tuple[PolicyOutcome, ...]:
    with_best = {**retrained, PolicyName.HINDSIGHT: best_in_hindsight(scores, prices)}
    return tuple(outcomes(scores, prices, with_best))
