"""`driftgate profile`: which months are measured, what is said, and that a cut in the middle does no harm."""

import os
import signal
import subprocess
import sys
import time
from datetime import date

import pytest
from sqlalchemy import Engine, inspect, text

from driftgate.errors import UnknownMonthError, UsageError
from driftgate.profiles.store import measured_months
from flows import cli
from tests.conftest import ROOT

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["profile", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out.splitlines(), err


@pytest.mark.usefixtures("environment")
def test_months_are_measured_where_it_is_needed(loaded_engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    fresh, kept, asked = (
        "measured (nothing was kept of it)",
        "kept (its sources are as they were)",
        "measured (it was asked for)",
    )
    for arguments, expected in (
        ([], {MAR: fresh}),
        (["2024-01-31"], {JAN: fresh}),
        (["--all"], {JAN: kept, FEB: fresh, MAR: kept}),
        (["2024-02-29", "--again", "--monitor", "churn"], {FEB: asked}),
    ):
        status, lines, _ = run(capsys, *arguments)
        assert status == 0
        assert lines == [f"[Profile] churn {day} entities=2,000 {how}" for day, how in expected.items()]
    assert list(measured_months(loaded_engine, "churn")) == [JAN, FEB, MAR]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["2024-01-31", "--all"], UsageError, "both a month and --all"),
        (["2020-01-31"], UnknownMonthError, "no month is loaded for as_of 2020-01-31"),
        (["--monitor", "churns"], UsageError, "no monitor 'churns'"),
    ],
)
def test_a_wrong_call_is_told(
    arguments: list[str], error: type[UsageError], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines, err = run(capsys, *arguments)
    assert (status, lines) == (error.exit_code, []) and words in err and "Traceback" not in err


def test_killed_while_it_writes_it_leaves_what_was_there(
    environment: dict[str, str], loaded_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is killed while its statement waits for another transaction, after the month was measured anew."""
    run(capsys, "2024-01-31")
    before = measured_at(loaded_engine)
    command = [sys.executable, "-m", "flows.cli", "profile", "2024-01-31", "--again"]
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%month_prof%'"
    )
    with loaded_engine.connect() as lock, loaded_engine.connect() as look:
        lock.exec_driver_sql("SELECT * FROM month_profiles FOR UPDATE")
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
        while not look.execute(waiting).scalar_one():
            assert process.poll() is None
            time.sleep(0.05)
            look.rollback()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert measured_at(loaded_engine) == before
    assert run(capsys, "2024-01-31")[1] == [
        "[Profile] churn 2024-01-31 entities=2,000 kept (its sources are as they were)"
    ]
    assert run(capsys, "2024-01-31", "--again")[0] == 0
    assert measured_at(loaded_engine) != before


def measured_at(engine: Engine) -> object:
    assert inspect(engine).has_table("month_profiles")
    with engine.connect() as connection:
        return connection.execute(text("SELECT measured_at, profile_digest FROM month_profiles")).one()
