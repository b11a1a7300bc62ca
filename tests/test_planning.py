"""Requests that are wrong before any database is asked, and the plan that a right one ends in."""

import math
from datetime import date
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from driftgate.errors import UsageError
from driftgate.features.entities import MonthSize
from driftgate.planning import Plan, Request, make_plan
from tests.reports.runs import APRIL, FEBRUARY, JANUARY, MARCH, monitor

MONTHS = [JANUARY, FEBRUARY, MARCH, APRIL]


def plan(ref: date, cur: date) -> Plan:
    sizes = (MonthSize(ref, 100, 100), MonthSize(cur, 120, 100))
    return make_plan(monitor(threshold=0.25), Path("/repo"), MONTHS, *sizes, Path("/reports"))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (JANUARY, FEBRUARY),
        (JANUARY, None),
        (None, JANUARY),
        *((None, None, value) for value in (0, 0.0, 0.3, 1, 1.0)),
    ],
)
def test_a_request_that_can_be_met_passes(arguments: tuple[date | None, date | None, float | None]) -> None:
    assert Request(*arguments) == Request(*arguments)


def test_one_month_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="are both 2024-01-31"):
        Request(JANUARY, JANUARY)


def test_a_reversed_pair_is_refused_with_the_pair_that_is_right() -> None:
    with pytest.raises(UsageError) as caught:
        Request(FEBRUARY, JANUARY)
    assert caught.value.remedy == "swap them: as_of_ref=2024-01-31 as_of_cur=2024-02-29"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("threshold", [-0.001, 1.001, 30.0, math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="is not a share") as caught:
        Request(JANUARY, FEBRUARY, threshold)
    assert caught.value.allowed == "a number from 0 to 1"


def test_a_plan_knows_the_month_before_whatever_the_reference_is() -> None:
    older = plan(JANUARY, MARCH)
    assert (older.ref.as_of, older.before_cur, older.newest) == (JANUARY, FEBRUARY, False)
    newest = plan(MARCH, APRIL)
    assert (newest.before_cur, newest.newest) == (MARCH, True)
    assert newest.paths.html == Path("/reports/drift_2024-03-31_vs_2024-04-30.html")


def test_json_holds_a_plan() -> None:
    """It is a parameter of a flow, which Prefect keeps as JSON."""
    adapter, planned = TypeAdapter(Plan), plan(MARCH, APRIL)
    assert adapter.validate_json(adapter.dump_json(planned)) == planned
