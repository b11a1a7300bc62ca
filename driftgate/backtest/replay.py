"""The replay: which model serves in which month under a policy, what that costs, and the best in hindsight. Pure.

Months are numbered from 0, the month of the first training. A model that is trained on month i serves from month i + 1
on. In month j a policy sees that month with its labels, and says whether to train on it. The newest month is scored and
no longer decided upon: the model that it would give serves no month that is known.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from driftgate.measures import Floats, Measure

Policy = Callable[[int, int], bool]
"""Takes the month that the serving model was trained on and the present one; returns whether to train on the latter."""


Track = Callable[[Sequence[Any], str], Iterator[Any]]
"""Yields the items of a long job, and shows how far it is; the text says what is done with them."""


def untracked(items: Sequence[Any], what: str) -> Iterator[Any]:  # noqa: ARG001
    """Yield the items, and show nothing."""
    yield from items


@dataclass(frozen=True)
class Scores:
    """How good the model of each month is in each later one.

    Attributes:
        months: T of them, ascending.
        entities: of each month.
        measure: the one that decides.
        values: shape (T, T); row i is the model trained on month i, column j the month that it is measured on. NaN on
            the diagonal and below.
    """

    months: tuple[date, ...]
    entities: tuple[int, ...]
    measure: Measure
    values: Floats

    def lost(self) -> Floats:
        """How much worse each model is than the best that could have served in that month, see `Measure.drop_of`.

        Returns:
            Shape (T, T), nowhere below 0; NaN where `values` is.
        """
        lost = np.full_like(self.values, np.nan)
        for month in range(1, len(self.months)):
            column = self.values[:month, month]
            best = column.min() if self.measure.lower_is_better else column.max()
            lost[:month, month] = self.measure.drop_of(np.full(month, best), column)
        return lost


@dataclass(frozen=True)
class Prices:
    """What counts in the comparison of policies.

    Attributes:
        retraining: cost of one.
        units: for each month the cost of one unit of the measure lost in it; shape (T,).
        money: whether the costs are the monitor's own, and not units of the measure.
    """

    retraining: float
    units: Floats
    money: bool = False


@dataclass(frozen=True)
class PolicyOutcome:
    """What a policy would have done, and its cost.

    Attributes:
        policy: its name.
        trained: for each month from the second on the month that the serving model was trained on.
        retrained: the months that it trained on again.
        performance: mean of the measure over the months served.
        lost: what the serving model lost in each of these months, in units of the measure.
        cost: of retrainings and of what was lost.
        regret: cost beyond that of the best in hindsight.
    """

    policy: str
    trained: tuple[int, ...]
    retrained: tuple[int, ...]
    performance: float
    lost: tuple[float, ...]
    cost: float
    regret: float


def replay(policy: Policy, months: Sequence[date], track: Track = untracked, name: str = "") -> tuple[int, ...]:
    """Return the months that a policy trains on again.

    Args:
        policy: is asked in each month but the first and the newest.
        months: all of them, ascending.
        track: shows how far it is, under the policy's name.
    """
    trained, found = 0, []
    for month, _ in enumerate(track(months[1:-1], f"replaying {name}"), 1):
        if policy(trained, month):
            trained = month
            found.append(month)
    return tuple(found)


def best_in_hindsight(scores: Scores, prices: Prices) -> tuple[int, ...]:
    """Return the months to train on again that cost least over all months, known only once all are over.

    By dynamic programming from the newest month back: the cost from month j on with the model of month i is what it
    loses in j, and the lesser of keeping it and of training on j. Of two equal costs the one without a retraining.
    """
    lost, last = scores.lost() * prices.units, len(scores.months) - 1
    ahead = lost[:last, last].copy()
    again: dict[int, list[bool]] = {}
    for month in range(last - 1, 0, -1):
        instead = prices.retraining + ahead[month]
        again[month] = [bool(instead < keep) for keep in ahead[:month]]
        ahead = lost[:month, month] + np.minimum(ahead[:month], instead)
    return replay(lambda trained, month: again[month][trained], scores.months)


def outcomes(scores: Scores, prices: Prices, retrained: dict[str, tuple[int, ...]]) -> list[PolicyOutcome]:
    """Return what each policy costs, and its regret.

    Args:
        scores: of every model in every later month.
        prices: of a retraining and of what is lost.
        retrained: for each policy the months that it trains on again.
    """
    least = _cost(scores, prices, best_in_hindsight(scores, prices))
    return [_outcome(scores, prices, name, months, least) for name, months in retrained.items()]


def _outcome(scores: Scores, prices: Prices, name: str, retrained: tuple[int, ...], least: float) -> PolicyOutcome:
    trained = _serving(retrained, len(scores.months))
    served = list(range(1, len(scores.months)))
    cost = _cost(scores, prices, retrained)
    return PolicyOutcome(
        policy=name,
        trained=tuple(trained),
        retrained=retrained,
        performance=float(scores.values[trained, served].mean()),
        lost=tuple(scores.lost()[trained, served].tolist()),
        cost=cost,
        # Two sums of the same numbers in another order differ by rounding.
        regret=max(0.0, cost - least),
    )


def _cost(scores: Scores, prices: Prices, retrained: Sequence[int]) -> float:
    served = list(range(1, len(scores.months)))
    lost = scores.lost()[_serving(retrained, len(scores.months)), served]
    return float((lost * prices.units[1:]).sum()) + prices.retraining * len(retrained)


def _serving(retrained: Sequence[int], months: int) -> list[int]:
    """The month that the serving model was trained on, for each month from the second on."""
    return [max((month for month in retrained if month < served), default=0) for served in range(1, months)]
