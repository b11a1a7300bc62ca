"""Months of other source tables than StreamFlow's: the description is all that loading knows."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

from driftgate.errors import InvalidMonthError
from driftgate.snapshots import Column, SourceTable, SourceTables, create_source_tables, ingest_month, month_tables
from driftgate.snapshots.loaded import loaded_days, new_months

KEY = Column("shop", "text", nullable=False)
SHOPS = SourceTables(
    (
        SourceTable("shops", (KEY, Column("city", "text"))),
        SourceTable(
            "sales", (KEY, Column("total", "number", non_negative=True)), snapshot="sales_by_month", timestamp="day"
        ),
    )
)
MAY, JUNE = date(2025, 5, 31), date(2025, 6, 30)


def write_month(folder: Path, total: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "shops.csv").write_text("shop,city\ns1,Graz\ns2,Linz\n")
    (folder / "sales.csv").write_text(f"shop,total\ns1,{total}\ns2,2.5\n")
    return folder


def test_tables_are_made_as_described_and_no_others(database: Engine) -> None:
    create_source_tables(database, SHOPS)
    create_source_tables(database, SHOPS)
    found = inspect(database)
    assert sorted(found.get_table_names()) == ["sales", "sales_by_month", "shops"]
    assert found.get_pk_constraint("sales_by_month")["constrained_columns"] == ["shop", "day"]
    assert month_tables(SHOPS) is month_tables(SHOPS)


def test_a_table_whose_description_has_grown_gets_its_columns_and_keeps_its_rows(database: Engine) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE shops (shop text PRIMARY KEY); INSERT INTO shops VALUES ('s1')")
        connection.exec_driver_sql("CREATE TABLE sales (shop text PRIMARY KEY, total float NOT NULL)")
    for _ in range(2):
        create_source_tables(database, SHOPS)
    with database.connect() as connection:
        assert connection.execute(month_tables(SHOPS).base["shops"].select()).all() == [("s1", None)]
    assert [column["nullable"] for column in inspect(database).get_columns("sales")] == [False, True]


def test_a_month_of_shops_is_loaded_and_known(tmp_path: Path, database: Engine) -> None:
    assert loaded_days(database, SHOPS) == set()
    ingest_month(database, SHOPS, write_month(tmp_path / str(JUNE), "4"), JUNE)
    report = ingest_month(database, SHOPS, write_month(tmp_path / str(MAY), "3"), MAY)
    assert (report.rows, report.newest) == ({"shops": 2, "sales": 2}, False)
    with database.connect() as connection:
        stored = connection.execute(month_tables(SHOPS).snapshots["sales"].select().order_by("day", "shop")).all()
        newest = connection.execute(month_tables(SHOPS).base["sales"].select().order_by("shop")).all()
    assert stored == [("s1", MAY, 3.0), ("s2", MAY, 2.5), ("s1", JUNE, 4.0), ("s2", JUNE, 2.5)]
    assert newest == [("s1", 4.0), ("s2", 2.5)]
    assert loaded_days(database, SHOPS) == {MAY, JUNE}
    july = write_month(tmp_path / "2025-07-31", "5")
    assert new_months(database, SHOPS, tmp_path) == [(july, date(2025, 7, 31))]


def test_what_is_wrong_is_said_in_the_words_of_the_description(tmp_path: Path, database: Engine) -> None:
    folder = write_month(tmp_path / str(MAY), "-1")
    (folder / "shops.csv").write_text("shop,city\ns1,Graz\n")
    with pytest.raises(InvalidMonthError) as caught:
        ingest_month(database, SHOPS, folder, MAY)
    assert caught.value.failures == [
        "sales.csv: column shop: 1 value(s) are not in shops.csv, first at line 3: 's2'",
        "sales.csv: column total: 1 value(s) are negative, first at line 2: -1.0",
    ]
