"""Validation: everything that is wrong with a month, named at once."""

from pathlib import Path
from typing import Any

import pytest

from driftgate.errors import InvalidMonthError
from driftgate.snapshots.read import read_month
from driftgate.snapshots.validate import validate_month
from streamflow.source_tables import SOURCE_TABLES
from tests.snapshots.months import csv, write_month_folder


def validate(folder: Path) -> dict[str, Any]:
    return validate_month(SOURCE_TABLES, folder, read_month(SOURCE_TABLES, folder))


def failures(folder: Path) -> list[str]:
    with pytest.raises(InvalidMonthError) as caught:
        validate(folder)
    return caught.value.failures


def test_a_valid_month_passes_as_it_is(tmp_path: Path) -> None:
    tables = validate(write_month_folder(tmp_path))
    assert list(tables) == [source.name for source in SOURCE_TABLES.tables]
    assert tables["subscriptions"].column("plan_stream_tv").to_pylist() == [True, None, True]


def test_all_failures_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "users": csv("users", "u1,2023-01-01,x,True,True,True", "u2,nodate,x,True,True,True", "u1,,,,,"),
        "subscriptions": csv(
            "subscriptions", "u1,-1,,,x,,-2.5,0,x", "u2,1,,,x,,abc,-0.0,x", ",1,,,x,,1,1,x", "u9,-3,,,x,,1,1,x"
        ),
        "usage_agg_30d": "",
        "payments_agg_90d": b"user_id,failed_payments_90d\nu1,\xff\n",
        "support_agg_90d": None,
        "labels": csv("labels", "u1,", "u2,perhaps", "u3,True"),
    }
    assert failures(write_month_folder(tmp_path, files=files)) == [
        "users.csv: column signup_date: 1 value(s) are not a date (YYYY-MM-DD), first at line 3: 'nodate'",
        "users.csv: column user_id: 1 value(s) repeat an earlier row, first at line 4: 'u1'",
        "subscriptions.csv: column monthly_fee: 1 value(s) are not a number, first at line 3: 'abc'",
        "subscriptions.csv: column user_id: 1 value(s) are blank, first at line 4",
        "subscriptions.csv: column user_id: 1 value(s) are not in users.csv, first at line 5: 'u9'",
        "subscriptions.csv: column months_active: 2 value(s) are negative, first at line 2: -1",
        "subscriptions.csv: column monthly_fee: 1 value(s) are negative, first at line 2: -2.5",
        "usage_agg_30d.csv: is empty: there is no header",
        "payments_agg_90d.csv: is not UTF-8: byte 0xff at offset 31, line 2",
        "support_agg_90d.csv: is missing",
        "labels.csv: column churn_label: 1 value(s) are not a boolean, first at line 3: 'perhaps'",
        "labels.csv: column user_id: 1 value(s) are not in users.csv, first at line 4: 'u3'",
        "labels.csv: column churn_label: 1 value(s) are blank, first at line 2",
    ]


def test_without_users_the_other_files_are_still_validated(tmp_path: Path) -> None:
    folder = write_month_folder(tmp_path, files={"users": None, "payments_agg_90d": csv("payments_agg_90d", "u1,-1")})
    assert failures(folder) == [
        "users.csv: is missing",
        "payments_agg_90d.csv: column failed_payments_90d: 1 value(s) are negative, first at line 2: -1",
    ]


def test_blank_and_repeated_keys_in_every_file(tmp_path: Path) -> None:
    folder = write_month_folder(tmp_path, users=("u1", "u2", "u1", "", ""))
    found = failures(folder)
    for source in SOURCE_TABLES.tables:
        name = source.file_name
        assert f"{name}: column user_id: 2 value(s) are blank, first at line 5" in found
        assert any(line.startswith(f"{name}: column user_id: ") and "repeat an earlier row" in line for line in found)
    assert not any("not in users.csv" in line for line in found)


def test_users_without_rows_in_a_child_table_are_fine(tmp_path: Path) -> None:
    folder = write_month_folder(tmp_path, files={"labels": csv("labels", "u3,True", "u1,False")})
    assert validate(folder)["labels"].num_rows == 2


def test_every_nullable_column_may_be_blank(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        source.name: csv(source.name, "u1" + "," * (len([c for c in source.columns if not c.optional]) - 1))
        for source in SOURCE_TABLES.tables
        if source.name != "labels"
    }
    tables = validate(write_month_folder(tmp_path, users=("u1",), files=files))
    for name, table in tables.items():
        if name != "labels":
            assert all(table.column(column).null_count == 1 for column in table.column_names[1:])


def test_the_message_is_bounded_and_the_failures_are_not(tmp_path: Path) -> None:
    row = "u1," + ",".join(["-1"] * 8)
    folder = write_month_folder(
        tmp_path, files={name: "\n".join(["a" * 300, row]) for name in ("subscriptions", "usage_agg_30d")}
    )
    with pytest.raises(InvalidMonthError) as caught:
        validate(folder)
    assert len(str(caught.value)) < 4_100
    assert str(tmp_path) in str(caught.value)
    assert len(caught.value.failures) > 10
