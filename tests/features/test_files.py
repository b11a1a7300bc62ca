"""Arrow files between the steps: read as they were written."""

from pathlib import Path

import pyarrow as pa
import pytest

from driftgate.features.files import read_file, write_file


@pytest.mark.parametrize(
    "table", [pa.table({"a": [1, None], "b": ["x", ""]}), pa.table({"a": pa.array([], pa.int8())})]
)
def test_a_table_is_read_as_it_was_written(tmp_path: Path, table: pa.Table) -> None:
    write_file(tmp_path / "t.arrow", table)
    assert read_file(tmp_path / "t.arrow").equals(table)
