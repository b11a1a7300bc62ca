"""Requests that are wrong before any database is asked."""

import math
from datetime import date

import pytest

from driftgate.errors import UsageError
from driftgate.planning import Request, check_request

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)


@pytest.mark.parametrize(
    "request_",
    [
        Request(),
        Request(JANUARY, FEBRUARY),
        Request(as_of_ref=JANUARY),
        Request(as_of_cur=JANUARY),
        *(Request(threshold=value) for value in (0, 0.0, 0.3, 1, 1.0)),
    ],
)
def test_a_request_that_can_be_met_passes(request_: Request) -> None:
    check_request(request_)


def test_one_month_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="are both 2024-01-31"):
        check_request(Request(JANUARY, JANUARY))


def test_a_reversed_pair_is_refused_with_the_pair_that_is_right() -> None:
    with pytest.raises(UsageError) as caught:
        check_request(Request(FEBRUARY, JANUARY))
    assert caught.value.remedy == "swap them: as_of_ref=2024-01-31 as_of_cur=2024-02-29"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("threshold", [-0.001, 1.001, 30.0, math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="is not a share") as caught:
        check_request(Request(JANUARY, FEBRUARY, threshold))
    assert caught.value.allowed == "a number from 0 to 1"
