"""Profiles on a real PostgreSQL: a month is there as a whole, old or new, whatever happens."""

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters, create_tables
from driftgate.errors import DatabaseError, DataError
from driftgate.profiles.build import make_grid
from driftgate.profiles.encoding import profile_to_bytes
from driftgate.profiles.store import (
    MonthProfile,
    measured_months,
    newest_grid,
    profile_lock,
    read_month,
    save_months,
)
from tests.conftest import ROOT
from tests.profiles.months import FEBRUARY, FROM, JANUARY, NOW, measured, on_grid


@pytest.fixture
def profiles(database: Engine) -> Engine:
    """A database that holds the profile tables, and they are empty."""
    create_tables(database)
    return database


def stored(engine: Engine, as_of: date = JANUARY, monitor: str = "churn") -> MonthProfile:
    found = read_month(engine, monitor, as_of, with_sample=True)
    assert found is not None
    return found


def test_a_month_is_read_as_it_was_saved(profiles: Engine) -> None:
    saved = measured()
    save_months(profiles, [saved])
    found = stored(profiles)
    assert profile_to_bytes(found.profile) == profile_to_bytes(saved.profile)
    assert found.sample is not None and found.sample.equals(saved.sample)
    assert (found.measured_from, found.measured_at, found.grid_version) == (FROM, NOW, None)
    without = read_month(profiles, "churn", JANUARY)
    assert without is not None and without.sample is None
    assert profile_to_bytes(without.profile) == profile_to_bytes(saved.profile)


def test_a_month_on_a_grid_is_read_with_its_own_grid(profiles: Engine) -> None:
    exact = measured()
    grids = [make_grid(exact.profile, version) for version in (1, 2)]
    assert newest_grid(profiles, "churn") is None
    save_months(profiles, [on_grid(exact, grids[0])], grids[0])
    save_months(profiles, [on_grid(measured(2, FEBRUARY), grids[1])], grids[1])
    assert profile_to_bytes(stored(profiles).profile) == profile_to_bytes(exact.profile.on(grids[0]))
    assert stored(profiles, FEBRUARY).grid_version == 2
    newest = newest_grid(profiles, "churn")
    assert newest is not None and newest.digest == grids[1].digest
    assert newest_grid(profiles, "another") is None


def test_measuring_again_replaces_the_month_and_no_other(profiles: Engine) -> None:
    others = [measured(1, FEBRUARY), measured(2, JANUARY, "another")]
    save_months(profiles, [measured(1), *others])
    save_months(profiles, [replace(measured(3), measured_from=replace(FROM, entities=301))])
    assert profile_to_bytes(stored(profiles).profile) == profile_to_bytes(measured(3).profile)
    assert stored(profiles).measured_from.entities == 301
    assert profile_to_bytes(stored(profiles, FEBRUARY).profile) == profile_to_bytes(others[0].profile)
    assert profile_to_bytes(stored(profiles, JANUARY, "another").profile) == profile_to_bytes(others[1].profile)
    assert list(measured_months(profiles, "churn")) == [JANUARY, FEBRUARY]
    assert measured_months(profiles, "churn")[FEBRUARY] == (FROM, None)


def test_a_month_that_was_not_measured_is_none(profiles: Engine) -> None:
    assert read_month(profiles, "churn", JANUARY) is None
    assert measured_months(profiles, "churn") == {}


def test_another_grid_of_the_same_version_is_refused_and_nothing_is_written(profiles: Engine) -> None:
    first, second = measured(1), measured(2)
    grid, other = make_grid(first.profile, 1), make_grid(second.profile, 1)
    save_months(profiles, [on_grid(first, grid)], grid)
    save_months(profiles, [on_grid(first, grid)], grid)
    with pytest.raises(DataError, match="another grid of version 1"):
        save_months(profiles, [on_grid(second, other)], other)
    assert profile_to_bytes(stored(profiles).profile) == profile_to_bytes(first.profile.on(grid))


@pytest.mark.parametrize("column", ["profile", "sample", "profile_digest", "sample_digest"])
def test_what_was_damaged_is_an_error(profiles: Engine, column: str) -> None:
    save_months(profiles, [measured()])
    change = f"overlay({column} placing '0' from 5)" if "digest" in column else f"set_byte({column}, 40, 77)"
    if "digest" in column:
        change = f"reverse({column})"
    with profiles.begin() as connection:
        connection.execute(text(f"UPDATE month_profiles SET {column} = {change}"))
    with pytest.raises(DataError, match="the profile of churn at 2024-01-31 is not as it was written"):
        stored(profiles)


def test_a_damaged_grid_is_an_error(profiles: Engine) -> None:
    exact = measured()
    grid = make_grid(exact.profile, 1)
    save_months(profiles, [on_grid(exact, grid)], grid)
    with profiles.begin() as connection:
        connection.execute(text("UPDATE profile_grids SET grid = replace(grid, '日本', 'other')"))
    with pytest.raises(DataError, match="not as it was written"):
        newest_grid(profiles, "churn")
    with pytest.raises(DataError, match="not as it was written"):
        stored(profiles)


KILLED = """
import os, sys
from sqlalchemy import event
from driftgate.database import ConnectionParameters, connect
from driftgate.profiles.build import make_grid
from driftgate.profiles.store import save_months
from tests.profiles.months import FEBRUARY, measured, on_grid

engine = connect(ConnectionParameters(*sys.argv[2:4:1], user=sys.argv[4], password=sys.argv[5], dbname=sys.argv[6]))
left = int(sys.argv[1])

@event.listens_for(engine, "after_cursor_execute")
def die(*arguments):
    global left
    if arguments[2].startswith(("INSERT", "SELECT profile_grids")):
        left -= 1
        if left == 0:
            os._exit(9)

new = [measured(3), measured(4, FEBRUARY)]
grid = make_grid(new[0].profile, 1)
save_months(engine, [on_grid(item, grid) for item in new], grid)
"""


@pytest.mark.parametrize("statements", [1, 4, 5])
def test_a_kill_between_two_statements_leaves_the_old_months(
    profiles: Engine, parameters: ConnectionParameters, statements: int
) -> None:
    old = [measured(1), measured(2, FEBRUARY)]
    save_months(profiles, old)
    where = [parameters.host, str(parameters.port), parameters.user, parameters.password, parameters.dbname]
    code = textwrap.dedent(KILLED).replace("*sys.argv[2:4:1]", "sys.argv[2], int(sys.argv[3])")
    run = subprocess.run(
        [sys.executable, "-c", code, str(statements), *where],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    killed = statements <= 4
    assert run.returncode == (9 if killed else 0)
    expected = old if killed else [measured(3), measured(4, FEBRUARY)]
    rows = [stored(profiles, item.as_of).profile.rows for item in expected]
    assert rows == [300, 300]
    assert (newest_grid(profiles, "churn") is None) == killed
    for item in expected:
        found = stored(profiles, item.as_of)
        assert found.sample is not None and found.sample.equals(item.sample)


def test_without_the_tables_there_is_a_clear_error(database: Engine) -> None:
    with pytest.raises(DatabaseError, match="saving profiles"):
        save_months(database, [measured()])


def test_only_one_measures_a_monitor_at_a_time(profiles: Engine) -> None:
    with profiles.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET lock_timeout = '1s'")
    profiles.dispose()
    with profile_lock(profiles, "churn"):
        with profile_lock(profiles, "another"):
            pass
        with pytest.raises(DatabaseError, match="another measurement"), profile_lock(profiles, "churn"):
            pass
