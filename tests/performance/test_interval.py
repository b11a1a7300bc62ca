"""A figure with its interval, in hundredths and in money."""

import math

from driftgate.performance.interval import NO_INTERVAL, Interval


def test_intervals_in_hundredths_and_in_money() -> None:
    assert Interval(0.16, -0.001, 0.2).text == "0.16 [-0.001, 0.20]"
    assert Interval(1234.5, 800, 1500.2).money_text == "1,234 (between 800 and 1,500)"


def test_there_is_no_figure_where_none_was_found() -> None:
    assert all(map(math.isnan, (NO_INTERVAL.value, NO_INTERVAL.low, NO_INTERVAL.high)))
