"""From a row back to its line, whatever stands between."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.snapshots import lines
from driftgate.snapshots.lines import FileLines, first_undecodable


def written(folder: Path, content: bytes) -> Path:
    path = folder / "month.csv"
    path.write_bytes(content)
    return path


def test_a_record_may_span_lines_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    found = FileLines(written(tmp_path, b'a,b\n1,x\n\n2,"two\nlines"\n3,y\n4\n5,z,z\n6,w\n'), 2)
    assert [found.of_row(row) for row in range(4)] == [2, 4, 6, 9]
    assert found.ragged == [(7, 1), (8, 3)]


def test_a_blank_line_before_the_header_and_a_byte_order_mark_are_no_rows(tmp_path: Path) -> None:
    assert FileLines(written(tmp_path, b"\xef\xbb\xbf\na,b\n1,x\n"), 2).of_row(0) == 3


def test_a_row_that_python_does_not_see_is_where_it_would_be_by_count(tmp_path: Path) -> None:
    assert FileLines(written(tmp_path, b"a\n1\n"), 1).of_row(5) == 7


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.integers(1, 5))
def test_text_has_no_such_byte_however_it_is_cut(tmp_path: Path, text: str, chunk: int) -> None:
    path = tmp_path / "t"
    text = text.encode(errors="replace").decode()
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_CHUNK_BYTES", chunk)
        assert first_undecodable(path) is None
        path.write_bytes(text.encode() + b"\n\xff rest")
        size = len(text.encode()) + 1
        assert first_undecodable(path) == (size, 0xFF, 2 + text.count("\n"))


def test_a_character_that_the_end_cuts_is_named(tmp_path: Path) -> None:
    assert first_undecodable(written(tmp_path, "a\nü".encode()[:-1])) == (2, 0xC3, 2)
