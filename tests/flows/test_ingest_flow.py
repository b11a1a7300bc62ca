"""Loading months as a flow: one, or every new one; a month that is wrong fails the run and changes nothing."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from driftgate.errors import ConfigurationError, DataError, InvalidMonthError, UsageError
from driftgate.features.skew import SkewVerdict
from driftgate.snapshots import ingest_month as load_month
from driftgate.snapshots.unfinished import find_unfinished
from streamflow.source_tables import SOURCE_TABLES
from tests.snapshots.months import contents, write_month_folder
from tests.workplace import Workplace

APR, MAY, JUN, JUL = date(2024, 4, 30), date(2024, 5, 31), date(2024, 6, 30), date(2024, 7, 31)


def months(place: Workplace) -> list[tuple[date, int]]:
    query = "SELECT as_of, count(*) FROM subscriptions_profile_snapshots WHERE as_of > :day GROUP BY 1 ORDER BY 1"
    with place.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), {"day": date(2024, 3, 31)})]


def test_one_month_then_the_new_ones_then_none(workplace: Workplace) -> None:
    from flows.ingest_flow import ingest_month

    data = Path(workplace.environment["DRIFTGATE_DATA"])
    (report,) = ingest_month(write_month_folder(data / "2024-04-30"))
    assert (report.as_of, report.newest, report.rows["users"]) == (APR, True, 3)
    assert months(workplace) == [(APR, 3)]
    run = workplace.flow_run(f"{data / '2024-04-30'} as of its name")
    assert run["state_type"] == "COMPLETED"
    (artifact,) = workplace.ask("artifacts/filter", artifacts={"key": {"any_": ["ingest-2024-04-30"]}})
    assert artifact["data"].startswith("# 2024-04-30 loaded in ")
    assert "plan_stream_tv 1" in artifact["data"], "the NULLs are told"

    write_month_folder(data / "2024-05-31", users=["u1", "u2"], level=2)
    write_month_folder(data / "2024-06-30", users=["u1"], level=3)
    write_month_folder(data / "notes")
    assert [report.as_of for report in ingest_month()] == [MAY, JUN]
    assert months(workplace) == [(APR, 3), (MAY, 2), (JUN, 1)]

    assert ingest_month() == []
    again = ingest_month(data / "2024-04-30", APR)
    assert [(report.as_of, report.newest) for report in again] == [(APR, False)]
    assert months(workplace) == [(APR, 3), (MAY, 2), (JUN, 1)]


def test_a_wrong_month_fails_the_run_and_changes_nothing(
    workplace: Workplace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from flows.ingest_flow import ingest_month

    folder = write_month_folder(
        tmp_path / "wrong", files={"labels": None, "payments_agg_90d": "user_id,failed_payments_90d\nu1,many\n"}
    )
    before = contents(workplace.engine)
    with pytest.raises(InvalidMonthError) as caught:
        ingest_month(folder, JUN)
    assert len(caught.value.failures) >= 2
    assert contents(workplace.engine) == before
    run = workplace.flow_run(f"{folder} as of {JUN}")
    assert run["state_type"] == "FAILED"
    steps = workplace.task_runs(run)
    assert {name: step["run_count"] for name, step in steps.items()} == {"load": 1}
    assert "Traceback" not in workplace.logs(run, until="Finished in state Failed")
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("day", [date(1, 1, 1), date(2204, 1, 31), date(9999, 12, 31)])
def test_a_month_that_cannot_be_is_refused_before_anything_is_written(
    day: date, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.ingest_flow import ingest_month

    before = contents(workplace.engine)
    good, wrong = write_month_folder(tmp_path / "2024-07-31"), write_month_folder(tmp_path / str(day))
    monkeypatch.setenv("DRIFTGATE_DATA", str(tmp_path))
    for load in (lambda: ingest_month(good, day), lambda: ingest_month(wrong), ingest_month):
        with pytest.raises(UsageError, match=f"a month cannot be of {day}"):
            load()
    assert contents(workplace.engine) == before


@pytest.mark.parametrize("missing", ["FEAST_REPO", "DRIFTGATE_MONITORS"])
def test_without_a_repository_or_monitors_nothing_is_written(
    missing: str, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.ingest_flow import ingest_month

    monkeypatch.setenv(missing, str(tmp_path / "absent"))
    before = contents(workplace.engine)
    with pytest.raises(ConfigurationError, match="there is no"):
        ingest_month(write_month_folder(tmp_path / "2024-07-31"))
    assert contents(workplace.engine) == before
    assert find_unfinished(workplace.engine) == []


def test_a_folder_whose_name_says_no_date(workplace: Workplace, tmp_path: Path) -> None:
    from flows.ingest_flow import ingest_month

    with pytest.raises(UsageError, match="says no date"):
        ingest_month(write_month_folder(tmp_path / "spring"))


def test_no_month_folder_at_all(workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.ingest_flow import ingest_month

    monkeypatch.setenv("DRIFTGATE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no month folder"):
        ingest_month()


def test_what_a_load_that_was_cut_off_left_is_seen_and_finished_by_the_next(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kill between the tables and the online store leaves a user who is served and no longer in the month."""
    from flows.cli.app import app
    from flows.ingest_flow import ingest_month
    from flows.skew_flow import check_skew

    # No folder of months is there: the month was loaded from elsewhere.
    monkeypatch.setenv("DRIFTGATE_DATA", str(tmp_path / "nothing"))
    ingest_month(write_month_folder(tmp_path / "first"), JUL)
    assert check_skew().verdict is SkewVerdict.NO_SKEW
    again = write_month_folder(tmp_path / "again", users=["u1", "u2"])
    load_month(workplace.engine, SOURCE_TABLES, again, JUL)

    skew = check_skew()
    online = skew.sources[0]
    assert (online.surplus, online.surplus_examples, online.compared) == (1, ("u3",), 3)
    assert online.mismatches == () and skew.verdict is SkewVerdict.SKEW
    run = workplace.flow_run("skew churn: month served")
    assert "has not ended" in workplace.logs(run, until="driftgate load` finishes it")

    capsys.readouterr()
    app(args=["load"], standalone_mode=False)
    assert capsys.readouterr().out.endswith("is loaded; a load that was cut off is finished\n")
    skew = check_skew()
    assert (skew.as_of, skew.sources[0].compared, skew.verdict) == (JUL, 2, SkewVerdict.NO_SKEW)
    with pytest.raises(DataError, match="no month folder"):
        app(args=["load"], standalone_mode=False)
