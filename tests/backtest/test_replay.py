"""The replay: timing, the best in hindsight against trying everything, and what every policy has in common."""

from datetime import date, timedelta
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.backtest.policies import PolicyName
from driftgate.backtest.replay import Prices, Scores, best_in_hindsight, outcomes, replay
from driftgate.measures import MEASURES

DAY = date(2024, 1, 31)


def scores_of(values: np.ndarray, measure: str = "auc") -> Scores:
    """A matrix as `Scores`; what is on the diagonal and below is not looked at."""
    months = len(values)
    upper = np.where(np.triu(np.ones((months, months)), 1) > 0, values, np.nan)
    days = tuple(DAY + timedelta(days=30 * at) for at in range(months))
    return Scores(days, (1000,) * months, MEASURES[measure], upper)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Scores, Prices]:
    """Up to seven months, with prices."""
    months = draw(st.integers(3, 7))
    measure = draw(st.sampled_from(["auc", "rmse"]))
    least = 0.1 if measure == "rmse" else 0.0
    values = draw(st.lists(st.floats(least, 1.0), min_size=months**2, max_size=months**2))
    units = draw(st.lists(st.floats(0.0, 100.0), min_size=months, max_size=months))
    scores = scores_of(np.reshape(values, (months, months)), measure)
    return scores, Prices(draw(st.floats(0.0, 2.0)), np.array(units))


def schedules(months: int) -> list[tuple[int, ...]]:
    """Every set of months that can be trained on again."""
    decided = range(1, months - 1)
    return [chosen for size in range(months) for chosen in combinations(decided, size)]


@given(cases())
def test_no_schedule_costs_less_than_the_best_in_hindsight(case: tuple[Scores, Prices]) -> None:
    scores, prices = case
    tried = {str(item): item for item in schedules(len(scores.months))}
    found = outcomes(scores, prices, {**tried, PolicyName.HINDSIGHT: best_in_hindsight(scores, prices)})
    least = min(item.cost for item in found)
    assert found[-1].cost == pytest.approx(least) and found[-1].regret == 0.0
    for item in found:
        assert item.regret >= 0.0 and item.regret == pytest.approx(item.cost - least, abs=1e-9)
        assert min(item.lost) >= 0.0


@given(cases())
def test_free_retraining_never_hurts_the_best_and_a_dear_one_is_never_made(case: tuple[Scores, Prices]) -> None:
    scores, prices = case
    free, dear = Prices(0.0, prices.units), Prices(1e9, prices.units)
    costs = [outcomes(scores, price, {"": best_in_hindsight(scores, price)})[0].cost for price in (free, prices)]
    assert costs[0] <= costs[1] + 1e-9
    assert best_in_hindsight(scores, dear) == ()


@given(cases())
def test_what_a_schedule_costs_is_what_it_loses_and_its_retrainings(case: tuple[Scores, Prices]) -> None:
    scores, prices = case
    months = len(scores.months)
    always = tuple(range(1, months - 1))
    never, every = outcomes(scores, prices, {"never": (), "always": always})
    assert never.trained == (0,) * (months - 1) and every.trained == tuple(range(months - 1))
    assert never.cost == pytest.approx(float(np.dot(never.lost, prices.units[1:])))
    assert every.cost == pytest.approx(float(np.dot(every.lost, prices.units[1:])) + prices.retraining * len(always))
    assert every.performance == pytest.approx(float(np.diag(scores.values, 1).mean()))


def test_a_policy_sees_each_month_once_in_order_and_never_the_newest() -> None:
    seen: list[tuple[int, int]] = []

    def policy(trained: int, month: int) -> bool:
        seen.append((trained, month))
        return month == 2

    assert replay(policy, [date(2024, month, 28) for month in range(1, 7)]) == (2,)
    assert seen == [(0, 1), (0, 2), (2, 3), (2, 4)]
    assert all(trained < month for trained, month in seen), "a model is never measured on its own month"


def test_the_best_in_hindsight_trains_once_after_a_change_for_good() -> None:
    values = np.full((8, 8), 0.6)
    values[:3, :3] = values[3:, 3:] = 0.9
    assert best_in_hindsight(scores_of(values), Prices(0.05, np.ones(8))) == (3,)
    # The change costs .3 in each of four months that follow the first of them.
    assert best_in_hindsight(scores_of(values), Prices(1.3, np.ones(8))) == ()
    assert best_in_hindsight(scores_of(values), Prices(1.1, np.ones(8))) == (3,)


def test_what_an_error_loses_is_counted_in_parts_of_the_least() -> None:
    values = np.array([[0, 2.0, 4.0], [0, 0, 2.0], [0, 0, 0]])
    lost = scores_of(values, "rmse").lost()
    assert lost[0, 1] == 0.0 and lost[0, 2] == 1.0 and lost[1, 2] == 0.0
    assert np.isnan(lost[1, 1]) and np.isnan(lost[2, 1])
