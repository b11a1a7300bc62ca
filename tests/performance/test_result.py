"""Figures of a performance as text and as numbers; what is not known is never a figure."""

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.measures import MEASURES
from driftgate.performance.result import Change, PassedOver, PerformanceState, drop_interval, is_finite, not_measured

ENDS = st.floats(-1, 1)


@given(ENDS, ENDS, ENDS, ENDS)
def test_the_interval_of_a_drop_is_that_of_the_change_turned_round(
    ref: float, cur: float, one: float, other: float
) -> None:
    change = Change(ref, cur, min(one, other), max(one, other), 0.5, 0.1, 0.2)
    low, high = drop_interval(MEASURES["auc"], change)
    assert low <= high and (low, high) == (-change.high, -change.low)
    assert not f"{low:.2f}{high:.2f}".count("-0.00") or change.high or change.low
    relative = next(rule for rule in MEASURES.values() if rule.lower_is_better)
    assert drop_interval(relative, change) == (0.1, 0.2)


@pytest.mark.parametrize("field", ["ref", "cur", "low", "high"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_end_that_is_no_number_makes_no_figure(field: str, value: float) -> None:
    change = Change(0.8, 0.7, -0.2, -0.05, 0.01)
    assert is_finite(change) and not is_finite(replace(change, **{field: value}))


def test_what_is_not_measured_has_its_state_and_no_measure() -> None:
    found = not_measured(PerformanceState.PENDING, "43% labelled")
    assert (found.measured, found.reason, dict(found.measures)) == (False, "43% labelled", {})
    assert found.model == "none (probe)" and replace(found, version="4").model == "v4"


def test_a_champion_of_a_later_month_is_named_with_it() -> None:
    feb, mar = date(2024, 2, 29), date(2024, 3, 31)
    assert PassedOver("3", feb, feb).text.endswith("trained on this month")
    assert PassedOver("3", mar, feb).text.endswith("trained on 2024-03-31, which is later")
