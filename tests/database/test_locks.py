"""Advisory locks: each purpose has a number of its own, and a lock ends with its block."""

import re
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from driftgate.database.locks import Lock, lock_transaction, session_lock
from driftgate.errors import DatabaseError
from driftgate.snapshots import ingest_month
from driftgate.snapshots.folders import month_folders
from streamflow.source_tables import SOURCE_TABLES
from tests.conftest import ROOT


@pytest.fixture
def impatient(database: Engine) -> Engine:
    """An engine whose sessions give up the wait for a lock."""
    with database.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET lock_timeout = '1s'")
    database.dispose()
    return database


def free(engine: Engine, lock: Lock) -> bool:
    with engine.begin() as connection:
        return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": int(lock)}).scalar())


def first_month(sample: Path) -> tuple[Path, date]:
    return month_folders(sample)[0]


def test_every_purpose_has_its_own_number() -> None:
    # Of two names for one number, the second would be an alias of the first.
    assert len(Lock) == len(Lock.__members__) == len({int(lock) for lock in Lock}) > 1


def test_numbers_are_written_in_one_place() -> None:
    number = re.compile(r"\b7_?340_?\d{3}\b")
    holders = [
        path.relative_to(ROOT).as_posix()
        for top in ("driftgate", "flows", "services")
        for path in sorted((ROOT / top).rglob("*.py"))
        if number.search(path.read_text())
    ]
    assert holders == ["driftgate/database/locks.py"]


@pytest.mark.parametrize("lock", [lock for lock in Lock if lock not in (Lock.MONTH, Lock.SCHEMA)])
def test_a_load_waits_for_no_other_purpose(impatient: Engine, sample: Path, lock: Lock) -> None:
    with session_lock(impatient, lock):
        report = ingest_month(impatient, SOURCE_TABLES, *first_month(sample))
    assert report.newest


def test_a_load_waits_for_another_load(impatient: Engine, sample: Path) -> None:
    with session_lock(impatient, Lock.MONTH), pytest.raises(DatabaseError, match="lock timeout"):
        ingest_month(impatient, SOURCE_TABLES, *first_month(sample))
    assert ingest_month(impatient, SOURCE_TABLES, *first_month(sample)).newest


def test_a_session_lock_outlives_transactions_and_ends_with_its_block(database: Engine) -> None:
    with session_lock(database, Lock.FEAST_APPLY) as connection:
        connection.execute(text("SELECT 1"))
        connection.commit()
        assert not free(database, Lock.FEAST_APPLY)
        assert free(database, Lock.MONTH)
    with database.begin() as connection:
        # The session ends a moment after its connection is closed; whoever waits for the lock gets it then.
        lock_transaction(connection, Lock.FEAST_APPLY)
        assert not free(database, Lock.FEAST_APPLY)
    assert free(database, Lock.FEAST_APPLY)


def test_a_session_lock_ends_with_a_block_that_fails_in_a_broken_transaction(impatient: Engine) -> None:
    with pytest.raises(ZeroDivisionError), session_lock(impatient, Lock.FEAST_APPLY) as connection:
        with pytest.raises(Exception, match="division by zero"):
            connection.execute(text("SELECT 1 / 0"))
        raise ZeroDivisionError
    with impatient.begin() as connection:
        lock_transaction(connection, Lock.FEAST_APPLY)


def test_named_locks_exclude_the_same_name_alone(impatient: Engine) -> None:
    with session_lock(impatient, "one pair"):
        with session_lock(impatient, "another pair"):
            pass
        with pytest.raises(Exception, match="lock timeout"), session_lock(impatient, "one pair"):
            pass
