"""A history judged in one process: in order, each pair once, going on where it was cut off."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from driftgate.errors import IncomparableColumnsError, UnknownMonthError, UsageError
from driftgate.features.state import MonthState
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import Monitor
from driftgate.planning import Reports
from flows import cli
from tests.services.daemons import wait_until
from tests.workplace import Workplace

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


class CutOffError(Exception):
    """Something that Driftgate does not know."""


def rows(workplace: Workplace) -> dict[tuple[date, date], dict[str, Any]]:
    """Everything in the table of runs, by pair."""
    with workplace.engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM monitor_runs ORDER BY decided_at")).mappings()
        return {(row["as_of_ref"], row["as_of_cur"]): dict(row) for row in found}


def newest_run(workplace: Workplace) -> dict[str, Any]:
    runs = workplace.ask("flow_runs/filter", flows={"name": {"any_": ["backfill_months"]}}, sort="START_TIME_DESC")
    return dict(runs[0])


def forget(workplace: Workplace, cur: date) -> None:
    with workplace.engine.begin() as connection:
        connection.execute(text("DELETE FROM monitor_runs WHERE as_of_cur = :cur"), {"cur": cur})


@contextmanager
def without_values(workplace: Workplace, month: date) -> Iterator[None]:
    """A month in which a feature has no value, so that no pair with it can be judged."""
    day = {"day": month}
    with workplace.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE kept AS SELECT user_id, watch_hours_30d FROM usage_agg_30d_snapshots WHERE as_of = :day"
            ),
            day,
        )
        connection.execute(text("UPDATE usage_agg_30d_snapshots SET watch_hours_30d = NULL WHERE as_of = :day"), day)
    yield
    with workplace.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE usage_agg_30d_snapshots s SET watch_hours_30d = kept.watch_hours_30d FROM kept "
                "WHERE s.user_id = kept.user_id AND s.as_of = :day"
            ),
            day,
        )
        connection.execute(text("DROP TABLE kept"))


@pytest.fixture(scope="module")
def judged(workplace: Workplace) -> dict[tuple[date, date], dict[str, Any]]:
    """The rows after the first backfill."""
    from flows.backfill_flow import backfill_months

    asked: list[Sequence[date]] = []
    ask = FeatureWorker.month_states

    def counted(worker: FeatureWorker, repo: Path, monitor: Monitor, months: Sequence[date]) -> dict[date, MonthState]:
        asked.append(months)
        return ask(worker, repo, monitor, months)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureWorker, "month_states", counted)
        outcomes = backfill_months()
    assert asked == [[JAN, FEB, MAR]], "once for all pairs"
    assert [(item.as_of_ref, item.as_of_cur) for item in outcomes] == [(JAN, FEB), (FEB, MAR)]
    assert [item.verdict for item in outcomes] == ["NO_ACTION", "RETRAINING_TRIGGERED (SIMULATED)"]
    assert outcomes[0].detail.startswith("drift_share=0.07 < 0.30; auc_drop=")
    return rows(workplace)


def test_every_pair_is_judged_in_order(judged: dict[tuple[date, date], dict[str, Any]], workplace: Workplace) -> None:
    assert list(judged) == [(JAN, FEB), (FEB, MAR)], "in the order of their decisions"
    assert [row["verdict"] for row in judged.values()] == ["NO_ACTION", "RETRAINING_TRIGGERED (SIMULATED)"]
    run = newest_run(workplace)
    found = workplace.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    pages = {item["key"]: item["data"] for item in found}
    past = "churn-2024-01-31-2024-02-29"
    assert set(pages) == {"history-churn", f"verdict-{past}", f"columns-{past}"}
    assert "2024-02-29" in pages["history-churn"] and "RETRAINING_TRIGGERED" in pages["history-churn"]


def test_twice_gives_the_same_rows(
    judged: dict[tuple[date, date], dict[str, Any]], workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["backfill"])
    assert ended.value.code == 0
    run = newest_run(workplace)["id"]

    def stand_in() -> list[str]:
        logged = workplace.ask("logs/filter", logs={"flow_run_id": {"any_": [run]}})
        return [item["message"] for item in logged if "stand-in" in item["message"]]

    # Prefect sends log lines in the background.
    wait_until("the line about stand-ins", stand_in)
    assert stand_in()[0].startswith("2 of them were judged by a stand-in model") and "--again" in stand_in()[0]
    assert capsys.readouterr().out == (
        "[Backfill] every pair has a verdict; --again judges them anew, `driftgate runs` lists them\n"
    )
    assert rows(workplace) == judged


def test_cut_off_in_the_middle_it_goes_on(
    judged: dict[tuple[date, date], dict[str, Any]], workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import backfill_flow
    from flows.backfill_flow import PairOutcome, backfill_months

    def stop(outcome: PairOutcome) -> str:
        raise CutOffError(outcome.as_of_cur)

    forget(workplace, MAR)
    with monkeypatch.context() as patch, pytest.raises(CutOffError):
        patch.setattr(backfill_flow, "describe", stop)
        backfill_months(again=True, print_lines=True)
    cut = rows(workplace)
    assert list(cut) == [(JAN, FEB)] and cut[JAN, FEB]["decided_at"] > judged[JAN, FEB]["decided_at"]

    outcomes = backfill_months()
    assert [item.as_of_cur for item in outcomes] == [MAR]
    after = rows(workplace)
    assert after[JAN, FEB] == cut[JAN, FEB], "what was judged is left alone"
    times = {"decided_at", "record"}
    for pair, row in judged.items():
        assert {key: value for key, value in row.items() if key not in times} == {
            key: value for key, value in after[pair].items() if key not in times
        }


def test_a_pair_of_the_past_has_the_record_that_its_own_run_gives(
    judged: dict[tuple[date, date], dict[str, Any]], workplace: Workplace
) -> None:
    from flows.monitor import monitor_month

    monitor_month(JAN, FEB, notify=False, reports=Reports.TRIGGERED)
    records = [{**found[JAN, FEB]["record"]} for found in (judged, rows(workplace))]
    assert records[0].pop("decided_at") < records[1].pop("decided_at")
    assert records[0] == records[1]
    assert records[0]["performance"]["gain"], "also what takes long"


def test_the_reference_may_stand_still_or_lie_further_back(
    judged: dict[tuple[date, date], dict[str, Any]], workplace: Workplace
) -> None:
    from flows.backfill_flow import backfill_months

    (outcome,) = backfill_months(reference="rolling:2")
    assert (outcome.as_of_ref, outcome.as_of_cur) == (JAN, MAR)
    assert backfill_months(reference="fixed:2024-01-31") == [], "both of its pairs have a verdict"
    assert set(rows(workplace)) == {(JAN, FEB), (FEB, MAR), (JAN, MAR)}
    with pytest.raises(UnknownMonthError, match="fixed reference 2020-01-31"):
        backfill_months(reference="fixed:2020-01-31")


def test_what_cannot_be_judged_stops_no_other_pair_and_is_told(
    judged: dict[tuple[date, date], dict[str, Any]], workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(workplace)
    with without_values(workplace, FEB):
        with pytest.raises(SystemExit) as ended:
            cli.main(["backfill", "--reference", "fixed:2024-01-31", "--again"])
        out, err = capsys.readouterr()
        assert ended.value.code == IncomparableColumnsError.exit_code
        first, second = out.splitlines()
        assert first.startswith("[Backfill] 2024-01-31 vs 2024-02-29 -> no verdict 1 of 14 declared features cannot be")
        assert second.startswith("[Backfill] 2024-01-31 vs 2024-03-31 -> RETRAINING_TRIGGERED (SIMULATED) drift_share=")
        assert err.splitlines()[0].startswith("IncomparableColumnsError: ") and "Traceback" not in err
        after = rows(workplace)
        assert (JAN, FEB) not in after, "it no longer holds"
        assert after[JAN, MAR]["decided_at"] > before[JAN, MAR]["decided_at"]
        assert after[FEB, MAR] == before[FEB, MAR]
    assert newest_run(workplace)["state_type"] == "FAILED"


def test_a_retraining_is_no_matter_of_the_past(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events, and with them retrainings, are about the newest month alone."""
    from flows import retrain_action
    from flows.backfill_flow import backfill_months

    emitted: list[str] = []
    emit = retrain_action.emit_event

    def listen(event: str, **rest: Any) -> Any:
        emitted.append(f"{event} {rest['payload']['as_of_cur']}")
        return emit(event, **rest)

    monkeypatch.setattr(retrain_action, "emit_event", listen)
    forget(workplace, FEB)
    forget(workplace, MAR)
    backfill_months(end=FEB)
    assert emitted == []
    past = workplace.task_runs(newest_run(workplace))
    assert set(past) == {"choose-pairs", "states", "2024-01-31 vs 2024-02"}, "one task for the pair, and no listener"
    backfill_months()
    assert emitted == ["driftgate.decision.retrain 2024-03-31"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--reference", "newest"], UsageError.exit_code, "reference 'newest' is not understood"),
        (["--reference", "fixed:2020-01-31"], UnknownMonthError.exit_code, "2024-01-31, 2024-02-29, 2024-03-31"),
        (["--from", "2024-03-31", "--to", "2024-02-29"], UsageError.exit_code, "--from 2024-03-31 is later than"),
        (["--from", "2024-02-30"], UsageError.exit_code, "2024-02-30"),
        (["--from", "2030-01-31"], UnknownMonthError.exit_code, "no loaded month from 2030-01-31 to the last"),
        (["--reference", "rolling:3"], UnknownMonthError.exit_code, "no loaded month that has a reference"),
        (["--monitor", "churns"], UsageError.exit_code, "no monitor 'churns'"),
    ],
)
def test_a_wrong_call_is_told_before_anything_is_judged(
    workplace: Workplace,
    arguments: list[str],
    status: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flows import backfill_flow

    def never(*_: object, **__: object) -> None:
        raise AssertionError("began to judge")

    monkeypatch.setattr(backfill_flow, "backfill_months", never)
    with pytest.raises(SystemExit) as ended:
        cli.main(["backfill", *arguments])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (status, "")
    assert words in err and "Traceback" not in err
