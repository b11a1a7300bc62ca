"""Dates of months: folders and samples count them alike."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.errors import UsageError
from driftgate.snapshots.dates import EARLIEST, FIRST_AS_OF, MOST_DAYS_AHEAD, month_end, require_possible
from driftgate.snapshots.folders import as_of_of


@pytest.mark.parametrize("number", [0, 1, 11, 12, 13, 999])
def test_a_numbered_folder_is_of_the_month_with_that_number(number: int) -> None:
    assert as_of_of(f"month_{number:03d}") == month_end(number)


def test_each_number_is_one_month_later() -> None:
    days = [month_end(number) for number in range(50)]
    assert days[0] == FIRST_AS_OF and days[25] == date(2026, 2, 28) and days[49] == date(2028, 2, 29)
    assert all((day + timedelta(days=1)).day == 1 for day in days)
    assert all(27 < (later - earlier).days < 32 for earlier, later in pairwise(days))


@given(st.dates(EARLIEST, date(9000, 1, 1)))
def test_a_month_is_of_a_day_from_1970_to_a_month_from_today(today: date) -> None:
    last = today + timedelta(days=MOST_DAYS_AHEAD)
    for day in (EARLIEST, today, last):
        require_possible(day, today)
    for day in (date.min, EARLIEST - timedelta(days=1), last + timedelta(days=1), date.max):
        with pytest.raises(UsageError, match=f"cannot be of {day}") as caught:
            require_possible(day, today)
        assert f"from {EARLIEST} to {last}" in caught.value.allowed


@pytest.mark.parametrize("day", [date.min, date(2204, 1, 31), date.max])
def test_without_a_today_it_is_that_of_the_clock(day: date) -> None:
    require_possible(datetime.now(UTC).date())
    with pytest.raises(UsageError):
        require_possible(day)
