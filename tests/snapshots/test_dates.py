"""Dates of months: folders and samples count them alike."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from driftgate.snapshots.dates import FIRST_AS_OF, month_end
from driftgate.snapshots.folders import as_of_of


@pytest.mark.parametrize("number", [0, 1, 11, 12, 13, 999])
def test_a_numbered_folder_is_of_the_month_with_that_number(number: int) -> None:
    assert as_of_of(f"month_{number:03d}") == month_end(number)


def test_each_number_is_one_month_later() -> None:
    days = [month_end(number) for number in range(50)]
    assert days[0] == FIRST_AS_OF and days[25] == date(2026, 2, 28) and days[49] == date(2028, 2, 29)
    assert all((day + timedelta(days=1)).day == 1 for day in days)
    assert all(27 < (later - earlier).days < 32 for earlier, later in pairwise(days))
