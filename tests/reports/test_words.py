"""Numbers and months in words: no minus zero, and no month that is another."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.reports.words import amount, month_name, once_in, percent, points, rarely, short_month
from driftgate.snapshots.dates import month_end


@given(st.dates(), st.dates())
def test_two_days_have_one_name_only_where_they_are_one(first: date, second: date) -> None:
    assert (month_name(first) == month_name(second)) == (first == second)
    assert (short_month(first) == short_month(second)) == (first == second)


@given(st.integers(0, 600))
def test_a_month_end_is_named_by_its_month_alone(number: int) -> None:
    day = month_end(number)
    assert month_name(day).split() == [day.strftime("%B"), str(day.year)]


@given(st.floats(-0.0049, 0.0049))
def test_what_rounds_to_zero_has_no_sign(value: float) -> None:
    assert percent(value) == "0%" and points(value) == "0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (once_in(0.00099), "less than once in 1,000 times"),
        (once_in(0.05), "about once in 20 times"),
        (once_in(0.5), "about 50 times in 100"),
        (amount(0.2654, rate=True), "26.5%"),
        (amount(0.0239, rate=True, change=True), "2.4 points"),
        (amount(12345.678, rate=False), "1.235e+04"),
        (rarely(0.01), "once in 100 months"),
        (rarely(0.5), "50% of the time"),
    ],
)
def test_sizes_for_people(text: str, words: str) -> None:
    assert text == words
