"""The short version of `benchmarks/seasons.py`: a season triggers once, and a change within seasons is found."""

from dataclasses import replace

import pyarrow as pa

from benchmarks.seasons import AS_GOOD, DECLARED, MONITOR, SEASONS, judged, month_of, triggers
from driftgate.decision import HeldBack
from driftgate.drift.seasons import PastMonth, against_year_ago
from driftgate.performance.result import Change

ROWS = 1000


def test_of_two_years_without_change_one_month_triggers() -> None:
    decisions = judged([month_of(SEASONS["December"], at, ROWS, 1) for at in range(24)])
    assert triggers(decisions) == [12]
    held = {at: decision.held_back_code for at, decision in enumerate(decisions, 2) if decision.held_back}
    # January is like the first January; the second December like the first.
    assert held == {13: HeldBack.SEASONAL, 24: HeldBack.SEASONAL}


def test_a_change_in_the_eighteenth_month_is_found_in_that_month() -> None:
    first = 6
    sides = [month_of(SEASONS["December"], at, ROWS, 1, 0.6 * (at >= 17)) for at in range(first - 1, 19)]
    assert [at + first - 1 for at in triggers(judged(sides))] == [12, 13, 18], "the first January is not known"


def test_a_model_that_is_surely_worse_is_never_held_back() -> None:
    sides = [month_of(SEASONS["December"], at, ROWS, 1) for at in (11, 22, 23)]
    assert triggers(judged(sides)) == [2]
    worse = replace(AS_GOOD, measures={"auc": Change(0.8, 0.77, -0.04, -0.02, 0.0001)})
    assert triggers(judged(sides, worse)) == [2, 3], "also where the drop is below its threshold"


def test_a_feature_that_was_not_there_a_year_before_is_no_season() -> None:
    then, ref, cur = (month_of(SEASONS["calm"], at, ROWS, 1) for at in (0, 11, 12))
    gone = replace(then.profile, columns={DECLARED[0].name: then.profile.columns[DECLARED[0].name]})
    found = [
        against_year_ago(ref, cur, MONITOR, [then.size.as_of], lambda months, kept=kept: dict.fromkeys(months, kept))
        for kept in (PastMonth(then.profile, pa.table), PastMonth(gone, pa.table))
    ]
    assert [item.share_cur if item else None for item in found] == [0.0, 5 / 6]
    assert found[0] is not None and (found[0].month, found[0].share_ref) == (then.size.as_of, None)
    assert against_year_ago(ref, cur, MONITOR, [ref.size.as_of], lambda _months: {}) is None
