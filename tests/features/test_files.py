"""Arrow files between the steps are read as they were written; decimals become the nearest double."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.features.files import doubles_of, read_file, with_doubles, write_file


@pytest.mark.parametrize(
    "table", [pa.table({"a": [1, None], "b": ["x", ""]}), pa.table({"a": pa.array([], pa.int8())})]
)
def test_a_table_is_read_as_it_was_written(tmp_path: Path, table: pa.Table) -> None:
    write_file(tmp_path / "t.arrow", table)
    assert read_file(tmp_path / "t.arrow").equals(table)


NUMBERS = st.one_of(st.none(), st.decimals(min_value=-(10**12), max_value=10**12, places=6))


@given(st.lists(NUMBERS, max_size=20), st.lists(NUMBERS, max_size=20))
def test_each_is_the_double_that_python_finds(first: list[Decimal | None], second: list[Decimal | None]) -> None:
    kind = pa.decimal128(24, 6)
    column = pa.chunked_array([pa.array(first, kind), pa.array(second, kind)])
    expected = [None if value is None else float(value) for value in first + second]
    assert doubles_of(column).to_pylist() == expected
    table = with_doubles(pa.table({"key": pa.array(range(len(expected)), pa.int64()), "amount": column}))
    assert table.column("amount").to_pylist() == expected
    assert table.column("key").type == pa.int64()


def test_where_the_cast_of_arrow_is_beside_it() -> None:
    """Otherwise the module would not be needed."""
    values = [Decimal(n) / 1000 for n in range(1, 4000, 7)]
    column = pa.chunked_array([pa.array(values, pa.decimal128(38, 20))])
    nearest = [float(value) for value in values]
    assert doubles_of(column).to_pylist() == nearest
    assert column.cast(pa.float64()).to_pylist() != nearest
