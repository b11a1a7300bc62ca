"""Which months are compared with which."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.errors import UnknownMonthError, UsageError
from driftgate.pairs import Reference, chosen_month, chosen_pair, due_pairs, pairs_of, parse_reference, require_order

histories = st.lists(st.dates(date(2020, 1, 1), date(2030, 1, 1)), unique=True, max_size=30).map(sorted)
JAN, FEB, MAR, APR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)


@pytest.mark.parametrize(
    ("months", "ref", "cur", "expected"),
    [
        ([JAN, FEB], None, None, (JAN, FEB)),
        ([JAN, FEB, MAR], None, None, (FEB, MAR)),
        ([JAN, FEB, MAR], JAN, None, (JAN, MAR)),
        ([JAN, FEB, MAR], None, FEB, (JAN, FEB)),
        ([JAN, FEB, MAR], JAN, MAR, (JAN, MAR)),
        ([JAN, FEB, MAR], JAN, FEB, (JAN, FEB)),
    ],
)
def test_the_pair_that_is_meant(
    months: list[date], ref: date | None, cur: date | None, expected: tuple[date, date]
) -> None:
    assert chosen_pair(months, ref, cur) == expected


@pytest.mark.parametrize(
    ("months", "ref", "cur", "named"),
    [
        ([], None, None, "0 is loaded"),
        ([JAN], None, None, "1 is loaded"),
        ([], JAN, None, "2024-01-31"),
        ([], None, JAN, "2024-01-31"),
        ([], JAN, FEB, "no month is loaded"),
        ([JAN, FEB], APR, None, "2024-04-30"),
        ([JAN, FEB], None, APR, "2024-04-30"),
        ([FEB, MAR], None, JAN, "2024-01-31"),
        ([JAN, FEB], JAN, APR, "2024-04-30"),
        ([JAN, FEB], MAR, APR, "no month is loaded"),
        ([FEB, MAR], None, FEB, "older month"),
    ],
)
def test_a_month_that_is_not_there(months: list[date], ref: date | None, cur: date | None, named: str) -> None:
    with pytest.raises(UnknownMonthError) as caught:
        chosen_pair(months, ref, cur)
    assert named in caught.value.received
    assert all(str(month) in str(caught.value) for month in months)


@pytest.mark.parametrize("ref", [FEB, MAR])
def test_the_reference_is_the_older_one(ref: date) -> None:
    with pytest.raises(UsageError, match=f"{ref}"):
        require_order(ref, FEB)
    with pytest.raises(UsageError, match=f"{ref}"):
        chosen_pair([JAN, FEB, MAR], ref, FEB)


def test_the_newest_month_as_reference_is_no_pair() -> None:
    with pytest.raises(UsageError, match="both 2024-02-29"):
        chosen_pair([JAN, FEB], FEB, None)


def test_one_month_that_is_meant() -> None:
    assert chosen_month([JAN, FEB, MAR]) == MAR
    assert chosen_month([JAN, FEB, MAR], JAN) == JAN
    with pytest.raises(UnknownMonthError, match="for as_of 2024-04-30") as caught:
        chosen_month([JAN, FEB], APR)
    assert caught.value.allowed == "2024-02-29, 2024-01-31"
    assert caught.value.remedy.startswith("choose one of these dates; a month is there once its rows are in the source")
    with pytest.raises(UnknownMonthError, match="no month is loaded") as caught:
        chosen_month([])
    assert caught.value.remedy.startswith("a month is there once its rows are in the source of")


@given(histories, st.integers(1, 5), st.dates() | st.none(), st.dates() | st.none())
def test_pairs_are_ascending_within_bounds_and_refer_back(
    months: list[date], back: int, start: date | None, end: date | None
) -> None:
    if start and end and start > end:
        with pytest.raises(UsageError, match="later than"):
            pairs_of(months, Reference(back=back), start, end)
        return
    found = pairs_of(months, Reference(back=back), start, end)
    currents = [current for _, current in found]
    assert currents == sorted(set(currents))
    expected = [month for month in months[back:] if (not start or month >= start) and (not end or month <= end)]
    assert currents == expected
    assert all(months.index(current) - months.index(reference) == back for reference, current in found)


@given(histories.filter(bool), st.data())
def test_a_fixed_reference_is_compared_with_everything_after_it(months: list[date], data: st.DataObject) -> None:
    day = data.draw(st.sampled_from(months))
    assert pairs_of(months, Reference(day=day)) == [(day, month) for month in months if month > day]


def test_a_fixed_reference_must_be_loaded() -> None:
    with pytest.raises(UnknownMonthError, match="2023-12-31"):
        pairs_of([JAN, FEB], Reference(day=date(2023, 12, 31)))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("previous", Reference()),
        ("rolling:1", Reference()),
        ("rolling:12", Reference(back=12)),
        ("fixed:2024-01-31", Reference(day=JAN)),
    ],
)
def test_references_are_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize("text", ["", "newest", "rolling:0", "rolling:-1", "rolling:x", "fixed:", "fixed:2024-02-30"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not understood"):
        parse_reference(text)


def test_a_schedule_judges_what_came_since_the_last_verdict_each_once() -> None:
    months = [JAN, FEB, MAR, APR]
    assert due_pairs(months, [], []) == [(MAR, APR)]
    assert due_pairs(months, [(JAN, FEB)], []) == [(FEB, MAR), (MAR, APR)]
    assert due_pairs(months, [(MAR, APR)], []) == []
    assert due_pairs(months[:1], [], []) == []


def test_a_schedule_comes_back_to_what_waited_for_labels() -> None:
    assert due_pairs([JAN, FEB, MAR], [(JAN, FEB), (FEB, MAR)], [(JAN, FEB)]) == [(JAN, FEB)]
    assert due_pairs([FEB, MAR], [(JAN, FEB)], [(JAN, FEB)]) == [(FEB, MAR)], "its reference is gone"


@given(histories)
def test_what_is_judged_in_turn_is_due_no_more(months: list[date]) -> None:
    judged = [pair for pair in pairs_of(months, Reference()) if pair[1] < (months[-1] if months else date.max)]
    later = due_pairs(months, judged, [])
    assert due_pairs(months, judged + later, []) == []
    assert len(later) == (1 if len(months) > 1 else 0)
    assert due_pairs([month - timedelta(0) for month in months], judged + later, later) == later


def test_a_month_that_was_passed_over_is_due() -> None:
    months = [JAN, FEB, MAR, APR]
    assert due_pairs(months, [(JAN, FEB), (MAR, APR)], []) == [(FEB, MAR)]
    assert due_pairs(months, [(JAN, FEB), (JAN, APR)], []) == [(FEB, MAR)], "a pair of one's own choice skips nothing"
    assert due_pairs(months, [(JAN, FEB), (JAN, MAR), (MAR, APR)], []) == [], "whatever it was compared with"
