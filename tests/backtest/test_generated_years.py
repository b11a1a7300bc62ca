"""The short version of `benchmarks/policies.py`: on generated years no policy without hindsight has less regret."""

import pytest

from benchmarks.policies import LATER, THEN, Year, replayed
from driftgate.backtest.policies import PolicyName


@pytest.mark.parametrize(
    ("year", "retrained"),
    [
        # The features move, and mean the same; a model of another season is no better.
        (lambda month: (THEN, 0.8 * (month % 2)), ()),
        # What they mean changes in the fourth month, for good.
        (lambda month: (THEN if month < 3 else LATER, 0.0), (3,)),
    ],
    ids=["seasonal", "sudden"],
)
def test_no_policy_without_hindsight_has_less_regret(year: Year, retrained: tuple[int, ...]) -> None:
    found = replayed(year, months=6, rows=1000, seed=0)
    assert found.outcome(PolicyName.DRIFTGATE).retrained == retrained
    assert found.best.policy == PolicyName.DRIFTGATE
    assert found.outcome(PolicyName.EVERY_MONTH).regret > found.best.regret + 0.1
