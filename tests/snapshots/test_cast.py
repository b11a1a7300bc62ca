"""Text becomes a value only where it says it plainly; whole columns and single values are read alike."""

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.snapshots.cast import ARROW_TYPES, CastColumn, cast_column
from driftgate.snapshots.schema import Kind


def cast(kind: Kind, *texts: str | None) -> CastColumn:
    return cast_column(kind, pa.chunked_array([pa.array(texts, pa.string())]))


VALUES: dict[Kind, Any] = {
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "date": st.dates(),
}


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=25)
@given(data=st.data())
def test_what_is_written_plainly_is_read_back_with_its_blanks(kind: Kind, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=8))
    found = cast(kind, *(None if value is None else str(value) for value in values))
    assert found.faults == [] and found.values.type == ARROW_TYPES[kind]
    assert found.values.to_pylist() == values


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=25)
@given(data=st.data())
def test_one_faulty_value_changes_no_other(kind: Kind, data: st.DataObject) -> None:
    values = data.draw(st.lists(VALUES[kind], min_size=1, max_size=5))
    texts = [str(value) for value in values]
    found = cast(kind, *texts, "no\0thing", *texts)
    assert found.values.to_pylist() == [*values, None, *values]
    assert [(fault.rows, fault.example) for fault in found.faults] == [([len(values)], "no\0thing")]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("integer", "3.0", 3), ("integer", "-7", -7), ("boolean", "1", True), ("boolean", "false", False)],
)
def test_what_other_tools_write_is_read(kind: Kind, text: str, value: object) -> None:
    assert cast(kind, text).values.to_pylist() == [value]


@pytest.mark.parametrize(
    ("kind", "text", "what"),
    [
        ("integer", "0x1F", "are not an integer"),
        ("integer", "3.5", "are not an integer"),
        ("integer", "2147483648", "are outside -2147483648 to 2147483647"),
        ("number", "nan", "are not a number"),
        ("number", "1e999", "are not a number"),
        ("number", "1,5", "are not a number"),
        ("boolean", "yes", "are not a boolean"),
        ("boolean", "TRUE", "are not a boolean"),
        ("date", "2024-02-30", r"are not a date (YYYY-MM-DD)"),
        ("date", "01/31/2024", r"are not a date (YYYY-MM-DD)"),
        ("date", "0000-01-01", r"are not a date (YYYY-MM-DD)"),
    ],
)
def test_what_could_be_guessed_is_a_fault(kind: Kind, text: str, what: str) -> None:
    found = cast(kind, None, text)
    assert found.values.to_pylist() == [None, None]
    assert [(fault.what, fault.rows) for fault in found.faults] == [(what, [1])]


def test_dates_are_those_of_the_calendar() -> None:
    assert cast("date", "2024-02-29", "0001-01-01").values.to_pylist() == [date(2024, 2, 29), date.min]
