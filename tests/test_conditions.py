"""The conditions of monitors.toml: what is read, and that nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.conditions import LEARNT, Condition, parse_condition

names = st.from_regex(r"[a-z_]\w{0,9}", fullmatch=True)
spaces = st.sampled_from(["", " ", "  "])
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
numbers = st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False))


@given(names, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), numbers, spaces)
def test_a_column_is_compared_with_a_number(name: str, operator: str, number: float, space: str) -> None:
    assert parse_condition(f"{name}{space}{operator}{space}{number!r}") == Condition(name, operator, number)


@given(names, st.sampled_from(["==", "!="]), texts, spaces)
def test_a_text_comes_back_whatever_is_in_it(name: str, operator: str, value: str, space: str) -> None:
    quoted = value.replace("'", "''")
    assert parse_condition(f"{space}{name} {operator}{space}'{quoted}'") == Condition(name, operator, value)


@given(names)
def test_what_is_there_and_what_is_not(name: str) -> None:
    assert parse_condition(f"{name} is null") == Condition(name, "is null")
    assert parse_condition(f"{name} IS NOT  NULL ") == Condition(name, "is not null")
    assert parse_condition(f"{name} == true") == Condition(name, "==", True)


@pytest.mark.parametrize("text", ["flown", "was flown", "Ankunft (Ist)", LEARNT])
def test_the_name_of_a_column_alone_is_a_condition(text: str) -> None:
    assert parse_condition(text) == Condition(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "status = 'x'",
        "status == x",
        'status == "x"',
        "status == 'x",
        "status == 'a' or true == true",
        "a == 1 and b == 2",
        "1 == 1",
        "a == 1; drop table b",
        "a == 'x'--",
        "a == b'",
        "n == nan",
        "n == 1e",
        "a is 'x'",
        "'a' is null",
        "status == 'line\nbreak'",
        "flown > true",
        "name < 'm'",
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: a boolean column, or COLUMN and one of"):
        parse_condition(text)
