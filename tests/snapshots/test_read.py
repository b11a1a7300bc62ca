"""Reading: which texts are which values, and how a file can be unreadable."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.snapshots.lines import first_undecodable
from driftgate.snapshots.read import SourceFile, read_file, read_month
from driftgate.snapshots.schema import SourceTable
from streamflow.source_tables import PAYMENTS, SOURCE_TABLES, SUBSCRIPTIONS, SUPPORT, USERS
from tests.snapshots.months import csv, write_month_folder


def read(tmp_path: Path, source: SourceTable, content: str | bytes) -> SourceFile:
    path = tmp_path / source.file_name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(source, path)


def column(file: SourceFile, name: str) -> list[Any]:
    return list(file.data.column(name).to_pylist())


def test_a_valid_month_reads_without_a_failure(tmp_path: Path) -> None:
    files = read_month(SOURCE_TABLES, write_month_folder(tmp_path))
    assert [failure for file in files.values() for failure in file.failures] == []
    assert column(files["users"], "signup_date")[0] == date(2023, 1, 15)
    assert column(files["subscriptions"], "plan_stream_tv") == [True, None, True]
    assert column(files["subscriptions"], "monthly_fee") == [1.5, 1.5, 1.5]
    assert column(files["support_agg_90d"], "ticket_avg_resolution_hrs_90d") == [4.5, None, None]


def test_an_optional_column_that_is_absent_is_null(tmp_path: Path) -> None:
    files = read_month(SOURCE_TABLES, write_month_folder(tmp_path))
    assert files["subscriptions"].data.column_names == list(SUBSCRIPTIONS.column_names)
    assert column(files["subscriptions"], "add_on_backup") == [None, None, None]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_and_line_ends_do_not_matter(tmp_path: Path, newline: str, mark: bytes) -> None:
    text = newline.join(["user_id,failed_payments_90d", "u1,1", '"u2",""', "u3,"])
    file = read(tmp_path, PAYMENTS, mark + text.encode())
    assert file.failures == []
    assert column(file, "user_id") == ["u1", "u2", "u3"]
    assert column(file, "failed_payments_90d") == [1, None, None]


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("3.0", 3), ("3.", 3), ("-0", 0), ("+7", 7), ("007", 7), ("2147483647.0", 2**31 - 1), ("", None)],
)
def test_integers(tmp_path: Path, text: str, value: int | None) -> None:
    file = read(tmp_path, PAYMENTS, csv("payments_agg_90d", f"u1,{text}"))
    assert file.failures == []
    assert column(file, "failed_payments_90d") == [value]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        *[(text, "are not an integer") for text in ("3.5", "1e3", "0x1F", "nan", " 3", "three", "1_000", "True", "٣")],
        *[(text, "are outside -2147483648 to 2147483647") for text in ("2147483648", "-2147483649.0", "9" * 5000)],
    ],
)
def test_what_is_no_integer(tmp_path: Path, text: str, what: str) -> None:
    file = read(tmp_path, PAYMENTS, csv("payments_agg_90d", "u1,4", "u2,4.0", f"u3,{text}", "u4,"))
    assert len(file.failures) == 1
    assert file.failures[0].startswith(
        f"payments_agg_90d.csv: column failed_payments_90d: 1 value(s) {what}, first at line 4: '{text[:30]}"
    )
    assert len(file.failures[0]) < 200
    assert column(file, "failed_payments_90d") == [4, 4, None, None]


@pytest.mark.parametrize("text", ["abc", "nan", "NaN", "inf", "-Infinity", "1e999", "0x1p3", "1 000", " 1", "--1"])
def test_what_is_no_number(tmp_path: Path, text: str) -> None:
    file = read(tmp_path, SUPPORT, csv("support_agg_90d", "u1,1,2.5", f"u2,1,{text}", f"u3,1,{text}"))
    assert file.failures == [
        "support_agg_90d.csv: column ticket_avg_resolution_hrs_90d: 2 value(s) are not a number, "
        f"first at line 3: '{text}'"
    ]


@pytest.mark.parametrize("text", ["1.5", "-0.25", "1e3", "1E-3", ".5", "5.", "+2"])
def test_numbers(tmp_path: Path, text: str) -> None:
    file = read(tmp_path, SUPPORT, csv("support_agg_90d", f"u1,1,{text}"))
    assert file.failures == []
    assert column(file, "ticket_avg_resolution_hrs_90d") == [float(text)]


def test_booleans(tmp_path: Path) -> None:
    texts = ["True", "true", "1", "False", "false", "0", "", "yes", "TRUE", "1.0"]
    rows = [f"u{n},2024-01-01,x,{text},True,True" for n, text in enumerate(texts)]
    file = read(tmp_path, USERS, csv("users", *rows))
    assert file.failures == ["users.csv: column user_is_senior: 3 value(s) are not a boolean, first at line 9: 'yes'"]
    assert column(file, "user_is_senior") == [True] * 3 + [False] * 3 + [None] * 4


@pytest.mark.parametrize("text", ["2024-02-30", "20240131", "31.01.2024", "2024-1-5", "0000-01-01", "2024-W01-1"])
def test_what_is_no_date(tmp_path: Path, text: str) -> None:
    file = read(tmp_path, USERS, csv("users", "u1,2024-02-29,x,True,True,True", f"u2,{text},x,True,True,True"))
    assert file.failures == [
        f"users.csv: column signup_date: 1 value(s) are not a date (YYYY-MM-DD), first at line 3: '{text}'"
    ]
    assert column(file, "signup_date") == [date(2024, 2, 29), None]


def test_a_nul_character_is_a_failure(tmp_path: Path) -> None:
    file = read(tmp_path, USERS, csv("users", "u1,2024-01-01,a\0b,True,True,True"))
    assert file.failures == [
        "users.csv: column user_gender: 1 value(s) are not text (a NUL character), first at line 2: 'a\\x00b'"
    ]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_reads_back_exactly(tmp_path_factory: pytest.TempPathFactory, number: float) -> None:
    file = read(tmp_path_factory.mktemp("n"), SUPPORT, csv("support_agg_90d", f"u1,1,{number!r}"))
    assert column(file, "ticket_avg_resolution_hrs_90d") == [number]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty: there is no header"),
        (b"\xef\xbb\xbf\n\n", "is empty: there is no header"),
        (b"user_id,failed_payments_90d", "has a header and no rows"),
        (b"user_id,failed_payments_90d\n\n", "has a header and no rows"),
        (b"user_id,failed_payments_90d\nu1,1\nu\xff2,1\n", "is not UTF-8: byte 0xff at offset 34, line 3"),
        ("user_id,failed_payments_90d\nu1,1\n".encode("utf-16"), "is not UTF-8: byte 0xff at offset 0, line 1"),
        (b'user_id,failed_payments_90d\n"u1,1\nu2,2\n', "has a double quote that is never closed"),
    ],
)
def test_an_unreadable_file_is_one_failure(tmp_path: Path, content: bytes, what: str) -> None:
    file = read(tmp_path, PAYMENTS, content)
    assert file.failures == [f"payments_agg_90d.csv: {what}"]
    assert file.data is None


def test_bytes_that_are_not_utf8_are_found_far_into_a_file(tmp_path: Path) -> None:
    rows = "".join(f"ü{n},1\n" for n in range(300_000)).encode()
    file = read(tmp_path, PAYMENTS, b"user_id,failed_payments_90d\n" + rows + b"\xe4,1\n")
    offset = 28 + len(rows)
    assert file.failures == [f"payments_agg_90d.csv: is not UTF-8: byte 0xe4 at offset {offset}, line 300002"]


@given(st.binary(max_size=60))
def test_the_first_undecodable_byte_is_the_one_python_names(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("b") / "file"
    path.write_bytes(data)
    try:
        data.decode()
        expected = None
    except UnicodeDecodeError as error:
        expected = (error.start, data[error.start], 1 + data.count(b"\n", 0, error.start))
    assert first_undecodable(path) == expected


def test_a_missing_file_and_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").mkdir()
    files = read_month(SOURCE_TABLES, write_month_folder(tmp_path, files={"users": None, "labels": None}))
    assert files["users"].failures == ["users.csv: is missing"]
    assert files["labels"].failures == ["labels.csv: cannot be read: Is a directory"]
    assert files["subscriptions"].failures == []


def test_the_header_is_held_against_the_schema(tmp_path: Path) -> None:
    file = read(tmp_path, SUPPORT, "user_id,user_id,support_tickets_90d,Other\nu1,x,3,y\n")
    assert file.failures == [
        "support_agg_90d.csv: column user_id: 2 times in the header",
        "support_agg_90d.csv: column ticket_avg_resolution_hrs_90d: missing",
        "support_agg_90d.csv: unknown column(s) 'Other'; known are user_id, support_tickets_90d, "
        "ticket_avg_resolution_hrs_90d",
    ]
    assert column(file, "support_tickets_90d") == [3]


def test_ragged_rows_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    file = read(tmp_path, PAYMENTS, csv("payments_agg_90d", "u1,1", "", "u2", "u3,3,3", "u4,x"))
    assert file.failures == [
        "payments_agg_90d.csv: 2 row(s) do not have the 2 fields of the header, first at line 4 with 1",
        "payments_agg_90d.csv: column failed_payments_90d: 1 value(s) are not an integer, first at line 6: 'x'",
    ]


def test_line_numbers_count_the_lines_inside_quotes(tmp_path: Path) -> None:
    rows = ('"u\n1",2024-01-01,x,True,True,True', "", "u2,2024-01-01,x,maybe,True,True")
    file = read(tmp_path, USERS, csv("users", *rows))
    assert column(file, "user_id") == ["u\n1", "u2"]
    assert file.failures == ["users.csv: column user_is_senior: 1 value(s) are not a boolean, first at line 5: 'maybe'"]


def test_a_failure_line_is_bounded(tmp_path: Path) -> None:
    header = ",".join(["user_id", "failed_payments_90d", *(f"{'c' * 90}{n}" for n in range(500))])
    file = read(tmp_path, PAYMENTS, f"{header}\n{','.join(['u', 'z' * 10_000] + ['1'] * 500)}\n")
    assert len(file.failures) == 2
    assert max(map(len, file.failures)) < 1_000


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "users.csv")
    failures = read_file(USERS, tmp_path / "users.csv").failures
    assert failures == ["users.csv: cannot be read: it is no regular file"]
