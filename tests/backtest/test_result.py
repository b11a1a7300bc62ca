"""What a retraining costs, and which policy is best without hindsight."""

from datetime import date

import numpy as np

from driftgate.backtest.policies import PolicyName
from driftgate.backtest.replay import Scores
from driftgate.backtest.result import MULTIPLES, backtest, prices_of
from driftgate.measures import MEASURES
from tests.reports.runs import column, finished

MONTHS = tuple(date(2024, month, 28) for month in (1, 2, 3, 4))
# The model of the first month is as good as any later one.
SCORES = Scores(MONTHS, (100, 100, 200, 100), MEASURES["auc"], np.triu(np.full((4, 4), 0.8), 1))
MONITOR = finished().monitor


def test_without_costs_a_retraining_is_worth_the_drop_that_asks_for_one() -> None:
    prices = prices_of(MONITOR, SCORES.entities)
    assert (prices.retraining, prices.units.tolist(), prices.money) == (MONITOR.performance_drop, [1.0] * 4, False)


def test_with_costs_each_month_counts_by_its_entities() -> None:
    prices = prices_of(MONITOR.model_copy(update={"retrain_cost": 30.0, "error_cost": 2.0}), SCORES.entities)
    assert (prices.retraining, prices.units.tolist(), prices.money) == (30.0, [200.0, 200.0, 400.0, 200.0], True)


def test_where_nothing_is_lost_the_monitor_that_never_trains_is_best_at_every_price() -> None:
    found = backtest(MONITOR, SCORES, lambda *_: finished(column("a", 0.01)).decision, {MONTHS[0]: "too few"})
    assert found.best.policy == PolicyName.DRIFTGATE and found.best.regret == 0
    assert set(found.regrets) == set(MULTIPLES)
    assert {regret[PolicyName.DRIFTGATE] for regret in found.regrets.values()} == {0.0}
    assert found.outcome(PolicyName.HINDSIGHT).regret == 0
    assert found.left_out == {MONTHS[0]: "too few"}
