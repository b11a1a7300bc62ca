"""Past runs read back: the list, one record, and what a later decision looks back on."""

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, text

from driftgate.database import create_tables
from driftgate.decision import Earlier, HeldBack, History
from driftgate.drift.past import Explained, Known, PastPair
from driftgate.drift.target import target_drift
from driftgate.errors import DataError, UnknownMonthError
from driftgate.features.labels import LabelMonth
from driftgate.measures import LabelKind
from driftgate.reports.terminal import run_lines, runs_table
from driftgate.store.history import (
    champion_measured,
    earlier_runs,
    other_references,
    past_pairs,
    past_record,
    past_runs,
)
from driftgate.store.record import RunRecord
from driftgate.store.tables import save_run
from tests.database.earlier import forget_revision
from tests.reports.runs import (
    APRIL,
    CLASS_TARGET,
    FEBRUARY,
    JANUARY,
    MARCH,
    PENDING,
    column,
    erring,
    finished,
    lost,
    measured,
)


@pytest.fixture
def engine(database: Engine) -> Engine:
    create_tables(database)
    first = finished(months=(JANUARY, FEBRUARY))
    second = finished(months=(FEBRUARY, MARCH), threshold=0.01)
    other = finished(months=(JANUARY, MARCH))
    for run in (second, first, replace(other, decided_at=other.decided_at + timedelta(hours=1))):
        save_run(database, run)
    return database


def test_without_a_table_there_is_no_history(database: Engine) -> None:
    assert past_runs(database, "churn") == []
    assert other_references(database, "churn", (JANUARY, MARCH)) == []
    assert earlier_runs(database, "churn", MARCH) == ()
    with pytest.raises(UnknownMonthError, match="no run"):
        past_record(database, "churn", None, None)


def test_whether_a_champion_was_measured_is_known_of_each_monitor(engine: Engine) -> None:
    assert not champion_measured(engine, "churn")
    with engine.begin() as connection:
        connection.execute(text("UPDATE monitor_runs SET champion_version = '1' WHERE as_of_ref = '2024-02-29'"))
    assert champion_measured(engine, "churn") and not champion_measured(engine, "another")


def test_runs_are_listed_by_month(engine: Engine) -> None:
    found = past_runs(engine, "churn")
    assert [run.pair for run in found] == [(JANUARY, FEBRUARY), (JANUARY, MARCH), (FEBRUARY, MARCH)]
    assert [run.verdict for run in found] == ["NO_ACTION", "NO_ACTION", "RETRAINING_TRIGGERED (SIMULATED)"]
    assert past_runs(engine, "another") == []
    lines = runs_table(found)
    assert len(lines) == 4 and lines[0].startswith("reference")
    assert lines[3].startswith("2024-02-29  2024-03-31  0.0714")


def test_one_run_is_found_by_its_months(engine: Engine) -> None:
    assert past_record(engine, "churn", FEBRUARY, None).inputs.as_of_ref == JANUARY
    assert past_record(engine, "churn", None, FEBRUARY).inputs.as_of_cur == MARCH
    assert past_record(engine, "churn", None, None).pair == (JANUARY, MARCH), "the last judged of that month"
    with pytest.raises(UnknownMonthError, match="no run") as caught:
        past_record(engine, "churn", date(2024, 4, 30), None)
    assert "2024-02-29 vs 2024-03-31" in str(caught.value.allowed)


def test_the_other_references_of_a_month_are_known(engine: Engine) -> None:
    assert other_references(engine, "churn", (JANUARY, MARCH)) == [FEBRUARY]
    assert other_references(engine, "churn", (FEBRUARY, MARCH)) == [JANUARY]
    assert other_references(engine, "churn", (JANUARY, FEBRUARY)) == []
    assert other_references(engine, "another", (JANUARY, MARCH)) == []


def test_a_decision_looks_back_on_one_run_for_each_month(engine: Engine) -> None:
    april = date(2024, 4, 30)
    assert earlier_runs(engine, "churn", april) == (Earlier(MARCH, False, False), Earlier(FEBRUARY, False, False))
    assert earlier_runs(engine, "churn", MARCH) == (Earlier(FEBRUARY, False, False),)
    assert earlier_runs(engine, "churn", FEBRUARY) == ()


def test_past_pairs_say_how_far_what_drifted_moved(engine: Engine) -> None:
    moved = column("f04", 0.01, missing_cur=0.25, drifted=True, drifted_by="missing share")
    run = finished(column("f03", 0.5), moved, lost("f05"), months=(MARCH, APRIL), target_threshold=0.02)
    save_run(engine, run)
    assert past_pairs(engine, "churn", FEBRUARY) == () == past_pairs(engine, "another", APRIL)
    first, *_, last = past_pairs(engine, "churn", date(2024, 5, 31))
    assert first.moved == {("f03", "wasserstein"): 0.5} and math.isnan(first.target)
    assert last == PastPair.of(run.drift, run.target, target_reached=True)
    assert last.moved["f04", "missing share"] == 0.25 and last.moved["f05", "missing"] == math.inf


def test_a_past_pair_of_a_label_of_classes_has_their_shares(engine: Engine) -> None:
    run = finished(months=(MARCH, APRIL), target=CLASS_TARGET, target_threshold=0.1)
    save_run(engine, run)
    last = past_pairs(engine, "churn", date(2024, 5, 31))[-1]
    assert last == PastPair.of(run.drift, run.target, target_reached=True)
    assert last.label_cur == {"late": 0.36, "early": 0.1, "on time": 0.54} and last.target == run.target.abs_diff


def test_a_month_that_was_no_news_confirms_nothing(database: Engine) -> None:
    create_tables(database)
    assert past_pairs(database, "churn", APRIL) == ()
    season = Explained("drift_share", Known.SEASONAL, "as a year before")
    run = finished(column("f", 0.5), months=(FEBRUARY, MARCH), history=History(explained=(season,)))
    assert run.decision.held_back_code is HeldBack.SEASONAL and RunRecord.of(run).decision == run.decision
    save_run(database, run)
    assert earlier_runs(database, "churn", APRIL) == (Earlier(MARCH, False, False),)


def test_a_run_of_an_earlier_release_is_read_by_its_verdict(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE monitor_runs SET record = record - 'signalled' || '{\"verdict\": \"RETRAINING_TRIGGERED\"}'"
        )
    assert earlier_runs(engine, "churn", MARCH) == (Earlier(FEBRUARY, True, True),)


def test_a_list_of_runs_has_no_columns_and_one_run_has_them(engine: Engine) -> None:
    assert all(run.columns == () for run in past_runs(engine, "churn"))
    assert len(past_record(engine, "churn", None, None).columns) == 14


def test_a_record_that_cannot_be_read_is_named(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE monitor_runs SET record = record || '{\"drift_share\": \"much\"}' WHERE as_of_cur = '2024-02-29'"
        )
    with pytest.raises(DataError, match=r"2024-01-31 vs 2024-02-29 in the table monitor_runs .*drift_share") as caught:
        past_runs(engine, "churn")
    assert "driftgate monitor" in str(caught.value)
    assert past_record(engine, "churn", MARCH, None).pair == (JANUARY, MARCH), "the others are read"


def test_a_decision_survives_its_record() -> None:
    known = History(champion_trained_on=APRIL)
    for history, overrides in ((None, {}), (None, {"threshold": 0.01}), (known, {}), (known, {"threshold": 0.01})):
        run = finished(months=(FEBRUARY, MARCH), history=history, **overrides)
        assert RunRecord.of(run).decision == run.decision
    assert run.decision.held_back_code is HeldBack.CHAMPION_KNOWS


def test_a_shown_run_says_what_would_flip_it(engine: Engine) -> None:
    calm = run_lines(past_record(engine, "churn", FEBRUARY, None))
    (flip,) = [line for line in calm if line.startswith("with threshold of at most 0.0714 (now 0.3) there would be a")]
    assert flip.endswith("it triggers unless a rule of the monitor holds it back")
    assert calm[1] == "NO_ACTION" and "  drift_share=0.07 < 0.30" in calm
    assert any(line.startswith("f03") for line in calm)
    alarmed = run_lines(past_record(engine, "churn", MARCH, FEBRUARY))
    assert "it would be NO_ACTION with threshold above 0.0714 (now 0.01)" in alarmed


def test_a_rerun_after_the_retraining_still_counts_as_a_trigger(database: Engine) -> None:
    create_tables(database)
    pair, fallen = (FEBRUARY, MARCH), measured(0.83, 0.5)
    save_run(database, finished(months=pair, performance=fallen, history=History(champion_trained_on=JANUARY)))
    assert earlier_runs(database, "churn", APRIL) == (Earlier(MARCH, True, True),)
    rerun = finished(months=pair, performance=fallen, history=History(champion_trained_on=MARCH))
    assert rerun.decision.held_back == "the champion was trained on 2024-03-31 and knows this shift"
    save_run(database, rerun)
    assert earlier_runs(database, "churn", APRIL) == (Earlier(MARCH, True, True),)


def test_a_signal_that_a_later_champion_knows_is_no_trigger(database: Engine) -> None:
    create_tables(database)
    history = History(champion_trained_on=APRIL)
    run = finished(months=(FEBRUARY, MARCH), performance=measured(0.83, 0.5), history=history)
    assert run.decision.held_back.startswith("the champion was trained on 2024-04-30 ")
    save_run(database, run)
    assert earlier_runs(database, "churn", APRIL) == (Earlier(MARCH, True, False),)


def test_a_run_waits_until_the_labels_of_its_current_month_are_there(database: Engine) -> None:
    create_tables(database)

    def waits(ref: LabelMonth, cur: LabelMonth) -> bool:
        save_run(database, finished(months=(MARCH, APRIL), target=target_drift(ref, cur, 0.005)))
        (run,) = past_runs(database, "churn")
        return run.pending

    whole = LabelMonth(APRIL, 100, 100, 0.25, "", LabelKind.BOOLEAN, None)
    part = LabelMonth(APRIL, 100, 43, math.nan, "pending, 43% labelled", None, None, pending=True)
    assert waits(replace(part, as_of=MARCH), part)
    assert waits(replace(whole, as_of=MARCH), part)
    assert not waits(replace(part, as_of=MARCH), whole)
    assert not waits(replace(whole, as_of=MARCH), whole)


def as_before_the_codes(engine: Engine, table_too: bool) -> None:
    """The rows as earlier releases wrote them; with `table_too` the table lacks the columns as well."""
    new = ("held_back_code", "champion_trained_on", "pending")
    with engine.begin() as connection:
        connection.execute(text("UPDATE monitor_runs SET record = record - CAST(:new AS text[])"), {"new": list(new)})
        for name in new:
            change = f"ALTER TABLE monitor_runs DROP COLUMN {name}"
            connection.execute(text(change if table_too else f"UPDATE monitor_runs SET {name} = NULL"))
    forget_revision(engine)


OLD = {
    "its own month": (History(champion_trained_on=MARCH), {}, HeldBack.CHAMPION_KNOWS, MARCH, True),
    "a later month": (History(champion_trained_on=APRIL), {}, HeldBack.CHAMPION_KNOWS, APRIL, False),
    "unconfirmed": (None, {"confirmations": 2, "confirmation_window": 3}, HeldBack.CONFIRMATIONS, None, False),
    "cooling": (History((Earlier(FEBRUARY, True, True),)), {"cooldown_days": 90}, HeldBack.COOLDOWN, None, False),
    "triggered": (None, {}, None, None, True),
}


@pytest.mark.parametrize("table_too", [True, False], ids=["without the columns", "columns without values"])
@pytest.mark.parametrize("case", OLD)
def test_what_an_earlier_release_put_into_words_is_read_as_a_code(case: str, table_too: bool, database: Engine) -> None:
    history, overrides, code, champion_month, triggered = OLD[case]
    create_tables(database)
    run = finished(months=(FEBRUARY, MARCH), performance=measured(0.83, 0.5), history=history, **overrides)
    assert run.decision.held_back_code is code
    save_run(database, run)
    as_before_the_codes(database, table_too)
    assert earlier_runs(database, "churn", APRIL) == (Earlier(MARCH, True, triggered),)
    create_tables(database)
    with database.connect() as connection:
        query = text("SELECT held_back_code, champion_trained_on, pending FROM monitor_runs")
        assert connection.execute(query).one() == (code, champion_month, False)


@pytest.mark.parametrize("lacks", ["target", "both targets", "performance", "reference"])
def test_what_an_earlier_release_called_pending_still_waits(lacks: str, database: Engine) -> None:
    part = LabelMonth(APRIL, 100, 43, math.nan, "pending, 43% labelled", None, None, pending=True)
    whole = LabelMonth(APRIL, 100, 100, 0.25, "", LabelKind.BOOLEAN, None)
    ref = replace(part if lacks in ("both targets", "reference") else whole, as_of=MARCH)
    target = target_drift(ref, part if lacks in ("target", "both targets") else whole, 0.005)
    create_tables(database)
    more = {"performance": PENDING} if lacks == "performance" else {}
    save_run(database, finished(months=(MARCH, APRIL), target=target, **more))
    as_before_the_codes(database, table_too=False)
    (run,) = past_runs(database, "churn")
    assert run.pending == (lacks != "reference")


def test_rows_that_have_their_codes_are_left_alone(database: Engine) -> None:
    create_tables(database)
    save_run(database, finished(months=(FEBRUARY, MARCH), history=History(champion_trained_on=MARCH), threshold=0.01))
    with database.begin() as connection:
        connection.execute(text("UPDATE monitor_runs SET held_back = 'in other words'"))
    create_tables(database)
    assert earlier_runs(database, "churn", APRIL) == (Earlier(MARCH, True, True),)


def test_rows_of_earlier_releases_get_their_measure(database: Engine) -> None:
    """They measured the AUC alone, in columns of its own."""
    create_tables(database)
    save_run(database, finished(performance=measured(0.8, 0.5)))
    save_run(database, finished(months=(FEBRUARY, MARCH), performance=erring(4.0, 6.0)))
    names = ("measure", "ref", "cur", "drop", "drop_low", "drop_high")
    listed = ", ".join(f"performance_{name}" for name in names)
    query = text(f"SELECT {listed} FROM monitor_runs ORDER BY as_of_cur")
    with database.begin() as connection:
        before = connection.execute(query).all()
        for name in names:
            connection.execute(text(f"UPDATE monitor_runs SET performance_{name} = NULL WHERE auc_ref IS NOT NULL"))
    assert before[0] == ("auc", 0.8, 0.5, *(pytest.approx(value) for value in (0.3, 0.27, 0.33)))
    assert before[1] == ("rmse", 4.0, 6.0, *(pytest.approx(value) for value in (0.5, 0.45, 0.55)))
    forget_revision(database)
    create_tables(database)
    with database.connect() as connection:
        assert connection.execute(query).all() == before
