"""The whole load: its report, its refusals, and the real months where they are at hand."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from driftgate.errors import InvalidMonthError, UsageError
from driftgate.pairs import parse_as_of
from driftgate.snapshots import ingest_month
from streamflow.source_tables import SOURCE_TABLES
from tests.snapshots.months import contents, csv, write_month_folder

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
SEEDS = Path(__file__).parents[3] / "shared" / "data" / "seeds"


def test_the_report_says_what_was_loaded(tmp_path: Path, database: Engine) -> None:
    messages: list[str] = []
    folder = write_month_folder(tmp_path)
    newest = ingest_month(database, SOURCE_TABLES, folder, FEBRUARY, messages.append)
    older = ingest_month(database, SOURCE_TABLES, folder, JANUARY)
    assert newest.newest
    assert not older.newest
    assert (older.folder, older.as_of) == (folder, JANUARY)
    assert older.rows == {source.name: 3 for source in SOURCE_TABLES.tables}
    assert older.nulls["subscriptions"]["plan_stream_tv"] == 1
    assert older.nulls["subscriptions"]["add_on_backup"] == 3
    assert "monthly_fee" not in older.nulls["subscriptions"]
    assert "labels" not in older.nulls
    assert older.seconds > 0
    assert messages[0] == f"reading {folder}"
    assert messages[-1] == "analysing and committing"


def test_an_invalid_month_leaves_the_tables_as_they_were(tmp_path: Path, database: Engine) -> None:
    ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path / "a"), JANUARY)
    before = contents(database)
    bad = write_month_folder(tmp_path / "b", level=4, files={"labels": csv("labels", "u1,")})
    with pytest.raises(InvalidMonthError) as caught:
        ingest_month(database, SOURCE_TABLES, bad, JANUARY)
    assert caught.value.failures == ["labels.csv: column churn_label: 1 value(s) are blank, first at line 2"]
    assert contents(database) == before


def test_no_folder_and_a_file_in_its_place(tmp_path: Path, database: Engine) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for path, what in ((tmp_path / "absent", "there is no such folder"), (file, "is not a folder")):
        with pytest.raises(InvalidMonthError) as caught:
            ingest_month(database, SOURCE_TABLES, path, JANUARY)
        assert caught.value.failures == [what]
    assert inspect(database).get_table_names() == []


@pytest.mark.parametrize("text", ["", "2024-1-31", "20240131", "2024-02-30", "31.01.2024", "2024-01-31 ", "x" * 500])
def test_a_malformed_date_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_as_of(text)
    assert text[:60] in caught.value.received
    assert "2024-01-31" in caught.value.allowed
    assert len(str(caught.value)) < 400


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, driftgate.snapshots; "
        "print([name for name in ('pandas', 'pandera', 'pyarrow', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the real months are not beside the project (../shared/data/seeds)")
def test_the_real_months(database: Engine) -> None:
    ingest_month(database, SOURCE_TABLES, SEEDS / "month_001", FEBRUARY)
    report = ingest_month(database, SOURCE_TABLES, SEEDS / "month_000", JANUARY)
    assert report.nulls["subscriptions"]["plan_stream_tv"] == 1526
    assert report.rows == {source.name: 7043 for source in SOURCE_TABLES.tables}
    with database.connect() as connection:
        nulls = connection.execute(
            text(
                "SELECT as_of, count(*) FILTER (WHERE plan_stream_tv IS NULL), count(*) "
                "FROM subscriptions_profile_snapshots GROUP BY as_of ORDER BY as_of"
            )
        )
        assert [tuple(row) for row in nulls] == [(JANUARY, 1526, 7043), (FEBRUARY, 1526, 7043)]
        rates = connection.execute(
            text("SELECT round(avg(churn_label::int), 5) FROM labels GROUP BY period_start ORDER BY period_start")
        )
        assert [str(rate) for rate in rates.scalars()] == ["0.26537", "0.24152"]
