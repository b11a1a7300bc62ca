"""The mark of a load that has not ended: it comes with the month, and goes once what follows is written."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from driftgate.errors import InvalidMonthError
from driftgate.snapshots import ingest_month
from driftgate.snapshots.unfinished import find_unfinished, remove_marks
from streamflow.source_tables import SOURCE_TABLES
from tests.snapshots.months import contents, write_month_folder

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)


def load(engine: Engine, folder: Path, day: date, **changed: object) -> None:
    ingest_month(engine, SOURCE_TABLES, write_month_folder(folder, **changed), day)  # type: ignore[arg-type]


def test_a_database_without_tables_has_no_unfinished_load(database: Engine) -> None:
    assert find_unfinished(database) == []


def test_the_mark_comes_with_the_month_and_is_removed_once(database: Engine, tmp_path: Path) -> None:
    load(database, tmp_path / "a", FEBRUARY)
    load(database, tmp_path / "b", JANUARY)
    first, second = found = find_unfinished(database)
    assert (first.as_of, second.as_of) == (JANUARY, FEBRUARY) and first.loaded_at > second.loaded_at
    assert "2024-01-31" in first.text and "`driftgate load` finishes it" in first.text
    remove_marks(database, found)
    remove_marks(database, found)
    assert find_unfinished(database) == []


def test_a_month_that_was_loaded_again_since_is_still_unfinished(database: Engine, tmp_path: Path) -> None:
    load(database, tmp_path / "a", JANUARY)
    earlier = find_unfinished(database)
    load(database, tmp_path / "b", JANUARY, level=2)
    remove_marks(database, earlier)
    (later,) = find_unfinished(database)
    assert later.as_of == JANUARY and later.loaded_at > earlier[0].loaded_at


def test_a_month_that_was_not_written_leaves_no_mark(database: Engine, tmp_path: Path) -> None:
    load(database, tmp_path / "a", JANUARY)
    before = contents(database)
    remove_marks(database, find_unfinished(database))
    with pytest.raises(InvalidMonthError):
        load(database, tmp_path / "b", FEBRUARY, files={"labels": None})
    assert find_unfinished(database) == [] and contents(database) == before
