"""Numbers and months in words: no minus zero, and no month that is another."""

from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from driftgate.measures import MEASURES
from driftgate.reports.words import (
    amount,
    amounts,
    drop_text,
    drop_texts,
    labelled,
    month_name,
    once_in,
    percent,
    percents,
    rarely,
    short_month,
    value_texts,
)
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
    assert percent(value) == "0%" and drop_text(MEASURES["auc"], value) == "0.00"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (once_in(0.00099), "less than once in 1,000 times"),
        (once_in(0.05), "about once in 20 times"),
        (once_in(0.5), "about 50 times in 100"),
        (amount(0.2654, rate=True), "26.5%"),
        (amount(0.0239, rate=True, change=True), "2.4 points"),
        (amount(12345.678, rate=False), "12,346"),
        (rarely(0.01), "once in 100 months"),
        (rarely(0.5), "50% of the time"),
    ],
)
def test_sizes_for_people(text: str, words: str) -> None:
    assert text == words


PARTS = st.floats(0, 1)
PAIRS_OF_TEXTS = {
    "shares": percents,
    "falls of the AUC": lambda first, second: drop_texts(MEASURES["auc"], first, second),
    "rises of an error": lambda first, second: drop_texts(MEASURES["rmse"], first, second),
    "AUCs": lambda first, second: value_texts(MEASURES["auc"], first, second),
    "errors": lambda first, second: value_texts(MEASURES["rmse"], first, second),
    "rates": lambda first, second: amounts(first, second, rate=True),
    "changes of a rate": lambda first, second: amounts(first, second, rate=True, change=True),
    "errors of a large unit": lambda first, second: value_texts(MEASURES["rmse"], first * 1e4, second * 1e4),
    "means": lambda first, second: amounts(first, second, rate=False),
}


@pytest.mark.parametrize("kind", PAIRS_OF_TEXTS)
@example(first=0.1, second=0.0999999, near=1.0)
@given(first=PARTS, second=PARTS, near=st.sampled_from([1.0, 1e-3, 1e-6, 1e-12]))
def test_numbers_that_are_compared_read_as_they_compare(kind: str, first: float, second: float, near: float) -> None:
    """No "the fall is 0.05, and retraining is due above 0.05" where one of them is greater."""
    second = first + (second - first) * near
    texts = PAIRS_OF_TEXTS[kind](first, second)
    read = [float(text.removesuffix(" points").removesuffix("%").replace(",", "")) for text in texts]
    assert (read[0] > read[1]) == (first > second) and (read[0] == read[1]) == (first == second)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_what_is_not_all_labelled_is_never_said_to_be(there: int, more: int) -> None:
    assert int(labelled(there / (there + more)).removesuffix("%")) < 100
    assert labelled(1.0) == "100%"
