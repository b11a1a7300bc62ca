"""What the monitor's own past explains: a month like that of a year before, and moves that were as far before."""

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.drift.past import (
    LEAST_PAIRS,
    Known,
    PastPair,
    YearAgo,
    explained_by_past,
    moves,
    same_step,
    years_before,
)
from driftgate.drift.result import ColumnResult, DriftResult, Level, TargetDrift
from tests.reports.runs import CLASS_TARGET, column, lost

MONTHS = [date(2024, 12, 31) - timedelta(days=30 * back) for back in range(13)]
JUNE, JULY = date(2024, 6, 30), date(2024, 7, 31)
CALM = TargetDrift(0.3, 0.3, 1.0, 1.0, p_value=0.9)
YEAR_AGO = YearAgo(date(2023, 7, 31), 0.1, 0.1)
scores = st.floats(0.1, 10)


def drift(*columns: ColumnResult) -> DriftResult:
    return DriftResult(JUNE, JULY, 100, 100, 100, 100, columns)


def pairs(*found: float | None, target: float = math.nan, question: str = "wasserstein") -> list[PastPair]:
    """Earlier pairs in which `f` drifted so far; None where it did not."""
    return [
        PastPair(ref, cur, {} if far is None else {("f", question): far}, target)
        for far, ref, cur in zip(found, MONTHS[1:], MONTHS, strict=False)
    ]


def known(drift: DriftResult, past: list[PastPair], year_ago: YearAgo | None = None) -> dict[str, Known]:
    return {item.signal: item.known for item in explained_by_past(drift, CALM, (0.3, None), past, year_ago)}


@given(scores, st.lists(st.none() | scores, min_size=LEAST_PAIRS, max_size=12), st.floats(0, 0.3))
def test_a_move_is_usual_only_where_two_and_a_quarter_were_as_far_up_to_chance(
    far: float, before: list[float | None], chance: float
) -> None:
    found = known(drift(column("f", far, chance=chance)), pairs(*before))
    as_far = sum(other is not None and other >= far - chance for other in before)
    assert bool(found) == (as_far >= 2 and (1 + as_far) / (1 + len(before)) >= 0.25)


@given(st.lists(scores, min_size=LEAST_PAIRS, max_size=12), st.floats(0, 0.3), st.floats(1e-6, 5))
def test_a_move_beyond_all_earlier_ones_by_more_than_chance_is_news(
    before: list[float], chance: float, more: float
) -> None:
    assert known(drift(column("f", max(before) + chance + more, chance=chance)), pairs(*before)) == {}


def test_too_few_pairs_or_pairs_of_another_step_explain_nothing() -> None:
    moved = drift(column("f", 0.2))
    assert known(moved, pairs(*[0.3] * LEAST_PAIRS)) == {"drift_share": Known.USUAL}
    assert known(moved, pairs(*[0.3] * (LEAST_PAIRS - 1))) == {}
    far = [replace(pair, as_of_ref=pair.as_of_ref - timedelta(days=30)) for pair in pairs(*[0.3] * 9)]
    assert known(moved, far) == {}


@pytest.mark.parametrize(
    "news",
    [
        lost("f"),
        column("f", 0.001, method="ks", threshold=0.05, drifted=True, drifted_by="values"),
        column("f", 0.2, method="hellinger"),
        column("f", 0.2, missing_cur=0.5, drifted_by="values and missing share"),
        column("g", 0.2),
    ],
    ids=["not comparable", "a p-value", "another method", "another question", "another feature"],
)
def test_what_has_no_size_or_never_moved_is_news(news: ColumnResult) -> None:
    assert known(drift(news), pairs(*[0.3] * 8)) == {}
    same = [replace(pair, moved=moves([lost("f")])) for pair in pairs(*[0.3] * 8)]
    assert known(drift(news), same) == {}


def test_a_missing_share_that_often_moves_is_usual() -> None:
    moved = column("f", 0.01, missing_cur=0.25, drifted=True, drifted_by="missing share")
    assert known(drift(moved), pairs(*[0.3] * 8, question="missing share")) == {"drift_share": Known.USUAL}


def test_only_the_news_count_against_the_drift_share() -> None:
    columns = [column("f", 0.2), *(column(f"g{at}") for at in range(5))]
    assert known(drift(*columns, column("h", 0.2)), pairs(*[0.3] * 8)) == {}, "below the threshold, no signal"
    assert known(drift(*columns[:3], column("h", 0.2)), pairs(*[0.3] * 8)) == {"drift_share": Known.USUAL}
    assert known(drift(*columns[:2], column("h", 0.2)), pairs(*[0.3] * 8)) == {}


@given(st.floats(0, 1), st.none() | st.floats(0, 1))
def test_a_season_is_a_month_like_that_of_a_year_before(share_cur: float, share_ref: float | None) -> None:
    seasonal = share_cur < 0.3 and (share_ref is None or share_ref < 0.3)
    found = known(
        drift(column("f", 0.2)), pairs(*[0.3] * 8), replace(YEAR_AGO, share_cur=share_cur, share_ref=share_ref)
    )
    assert found == ({"drift_share": Known.SEASONAL} if seasonal else {}), "and the size of a move no longer counts"


@pytest.mark.parametrize(
    ("label_then", "ref_then", "explained"), [(0.44, 0.31, True), (0.3, 0.3, False), (0.45, 0.45, False)]
)
def test_a_label_is_seasonal_where_it_was_as_it_is(label_then: float, ref_then: float, explained: bool) -> None:
    target = TargetDrift(0.3, 0.45, 1.0, 1.0, p_value=0.0)
    before = PastPair(date(2023, 6, 30), date(2023, 7, 31), label_ref=ref_then, label_cur=label_then)
    found = explained_by_past(drift(column("f")), target, (0.3, 0.05), [before], YEAR_AGO)
    assert bool(found) == explained
    unknown = replace(before, label_cur=math.nan)
    assert explained_by_past(drift(column("f")), target, (0.3, 0.05), [unknown], YEAR_AGO) == ()


def test_a_label_moves_as_usual_where_it_often_moved_as_far() -> None:
    target = TargetDrift(0.3, 0.45, 1.0, 1.0, p_value=0.0)
    for far, count in ((0.2, 1), (0.1, 0)):
        assert (
            len(explained_by_past(drift(column("f")), target, (0.3, 0.05), pairs(*[None] * 8, target=far), None))
            == count
        )


def test_the_months_of_a_year_before() -> None:
    kept = [date(2023, 1, 31), date(2023, 2, 28), date(2024, 2, 29)]
    assert years_before(date(2024, 1, 31), date(2024, 2, 29), kept) == (kept[1], kept[0])
    assert years_before(date(2024, 12, 31), date(2025, 2, 28), kept) == (kept[2], None)
    assert years_before(date(2024, 2, 29), date(2024, 3, 31), kept) is None
    # What changed a year ago and stayed is no season of an older reference.
    assert years_before(date(2023, 1, 31), date(2024, 2, 29), kept) is None
    assert years_before(date(2023, 2, 28), date(2024, 2, 29), kept) is None


@pytest.mark.parametrize(("days", "same"), [(28, True), (31, True), (59, False), (7, False), (27, False)])
def test_a_month_is_a_step_whatever_its_length(days: int, same: bool) -> None:
    assert same_step(drift(column("f")), PastPair(JUNE - timedelta(days=days), JUNE)) == same


@pytest.mark.parametrize(
    ("then", "seasonal"),
    [
        ({"late": 0.35, "early": 0.1, "on time": 0.55}, True),
        ({"late": 0.2, "early": 0.2, "on time": 0.6}, False),
        # Of another kind, or a class that was not there.
        (0.36, False),
        ({"lost": 1.0}, False),
    ],
)
def test_the_classes_of_a_label_are_held_against_those_of_a_year_before(then: Level, seasonal: bool) -> None:
    before = PastPair(date(2023, 6, 30), date(2023, 7, 31), label_ref=CLASS_TARGET.level_ref, label_cur=then)
    thresholds = (0.3, 0.1)
    found = explained_by_past(drift(column("f", 0.01)), CLASS_TARGET, thresholds, [before], YEAR_AGO)
    assert [item.known for item in found if item.signal == "target_drift"] == [Known.SEASONAL] * seasonal
