"""Checks of served features on a real PostgreSQL: all are kept, and the last one of a month is read."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, func, insert, select, text

from driftgate.database import create_tables
from driftgate.errors import DatabaseError, DataError
from driftgate.features.online import online_views
from driftgate.features.skew import Mismatch, Served, SkewCheck, SourceSkew
from driftgate.snapshots.unfinished import unfinished_loads
from driftgate.store.skew_checks import last_check, save_check, skew_checks
from tests.reports.runs import CHECKED_AT, FEBRUARY, MARCH, PERMUTED, checked

DAY = timedelta(days=1)
LATER = CHECKED_AT + timedelta(hours=1)
LOGGED = SourceSkew(
    Served.LOG, 12, 5, 3, ("a", "größe"), (Mismatch("f", 5, ("a", "b")), Mismatch("x'); DROP TABLE x", 1, ("c",)))
)


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(skew_checks)).scalar_one())


def of_monitor(name: str, check: SkewCheck) -> SkewCheck:
    return replace(check, skew=replace(check.skew, monitor=name))


def test_a_month_that_was_not_checked_has_none(database: Engine) -> None:
    create_tables(database)
    save_check(database, checked(as_of=FEBRUARY))
    save_check(database, of_monitor("other", checked(as_of=MARCH)))
    assert last_check(database, "churn", MARCH) is None


def test_tables_that_are_not_there_are_not_a_month_without_a_check(database: Engine) -> None:
    with pytest.raises(DatabaseError, match="skew_checks"):
        last_check(database, "churn", FEBRUARY)


def test_what_is_read_is_what_was_found(database: Engine) -> None:
    check = checked(PERMUTED, LOGGED, threshold=0.25)
    save_check(database, check)
    assert last_check(database, "churn", FEBRUARY) == check
    with database.connect() as connection:
        assert connection.execute(select(skew_checks.c.verdict)).scalar_one() == "SKEW"


def test_the_last_check_is_read_whichever_was_written_last(database: Engine) -> None:
    calm = checked(checked_at=LATER.astimezone(timezone(timedelta(hours=-7))))
    for check in (calm, checked(PERMUTED)):
        save_check(database, check)
    assert last_check(database, "churn", FEBRUARY) == calm
    assert count(database) == 2


def test_a_check_that_is_written_twice_is_one_row(database: Engine) -> None:
    for _ in range(2):
        save_check(database, checked(PERMUTED))
    assert count(database) == 1


@pytest.mark.parametrize("sources", ["{}", '[{"source": "online"}]', '[{"source": "elsewhere", "compared": 1}]'])
def test_a_check_that_cannot_be_read_is_an_error_and_no_month_without_one(database: Engine, sources: str) -> None:
    save_check(database, checked())
    with database.begin() as connection:
        connection.execute(text("UPDATE skew_checks SET sources = CAST(:sources AS jsonb)"), {"sources": sources})
    with pytest.raises(DataError, match="the check of 2024-02-29 in the table skew_checks") as caught:
        last_check(database, "churn", FEBRUARY)
    assert "driftgate skew --monitor churn" in str(caught.value)


def test_when_the_month_was_last_written_is_known_of_the_online_store_and_of_tables_it_has_not_followed(
    database: Engine,
) -> None:
    create_tables(database)
    save_check(database, checked(as_of=FEBRUARY))

    def changed_at() -> datetime | None:
        found = last_check(database, "churn", FEBRUARY)
        assert found is not None
        return found.changed_at

    assert changed_at() is None
    view = {"project": "p", "view": "v", "users": 1}
    with database.begin() as connection:
        connection.execute(insert(online_views).values(view | {"as_of": MARCH, "written_at": LATER + DAY}))
    assert changed_at() is None, "of another month"
    with database.begin() as connection:
        other = view | {"view": "w", "as_of": FEBRUARY, "written_at": LATER}
        connection.execute(insert(online_views).values(other))
    assert changed_at() == LATER
    with database.begin() as connection:
        connection.execute(insert(unfinished_loads).values({"as_of": FEBRUARY, "loaded_at": LATER + DAY}))
    assert changed_at() == LATER + DAY
