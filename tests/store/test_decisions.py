"""Decisions on a real PostgreSQL: appended, confirmed, withdrawn, and taken over from earlier releases."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from driftgate.database import create_tables
from driftgate.decision import History
from driftgate.reports.chain import chain_text
from driftgate.run import Run
from driftgate.store.decisions import earlier_decisions, is_news, monitor_decisions
from driftgate.store.history import past_record
from driftgate.store.record import RunRecord
from driftgate.store.tables import delete_run, save_run
from tests.database.earlier import forget_revision
from tests.reports.runs import FEBRUARY, JANUARY, MARCH, PENDING, PENDING_TARGET, PERMUTED, checked, finished, measured
from tests.store.examples import EXAMPLES

PAIR = (FEBRUARY, MARCH)


@pytest.fixture
def results(database: Engine) -> Engine:
    create_tables(database)
    return database


def decisions(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        query = select(monitor_decisions).order_by(*monitor_decisions.primary_key)
        return [dict(row) for row in connection.execute(query).mappings()]


def keep(engine: Engine, run: Run, hours: int = 0) -> Run:
    """Save a run as the flow does, so many hours later."""
    run = replace(run, decided_at=run.decided_at + timedelta(hours=hours))
    run = replace(run, earlier=earlier_decisions(engine, run))
    save_run(engine, run)
    return run


def triggered() -> Run:
    history = History(champion_trained_on=JANUARY, champion="1")
    return finished(months=PAIR, performance=measured(0.83, 0.5), history=history)


def cured() -> Run:
    history = History(champion_trained_on=MARCH, champion="2")
    return finished(months=PAIR, performance=measured(0.83, 0.5), history=history)


def test_without_a_table_there_are_no_earlier_decisions(database: Engine) -> None:
    assert earlier_decisions(database, triggered()) == ()


def test_a_rerun_after_the_cure_keeps_the_trigger(results: Engine) -> None:
    keep(results, triggered())
    keep(results, cured(), 1)
    first, second = decisions(results)
    assert (first["number"], first["verdict"], first["champion_version"]) == (
        1,
        "RETRAINING_TRIGGERED (SIMULATED)",
        "1",
    )
    assert (second["number"], second["verdict"], second["champion_version"]) == (2, "NO_ACTION", "2")
    assert (first["reason_codes"], second["reason_codes"]) == (["auc_drop"], ["champion_knows", "auc_drop"])
    record = past_record(results, "churn", MARCH, None)
    assert record.verdict == "NO_ACTION"
    assert [(item.verdict, item.champion, item.reason_codes) for item in record.earlier] == [
        ("RETRAINING_TRIGGERED (SIMULATED)", "1", ("auc_drop",))
    ]
    assert chain_text(record) == "triggered under v1, v2 promoted, fine since"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_same_decision_is_confirmed_and_not_repeated(results: Engine, name: str) -> None:
    keep(results, EXAMPLES[name])
    again = keep(results, EXAMPLES[name], 3)
    (row,) = decisions(results)
    assert row["decided_at"] == EXAMPLES[name].decided_at
    assert row["confirmed_at"] == again.decided_at
    assert again.earlier == ()


def test_rounding_makes_no_other_decision_and_a_figure_does(results: Engine) -> None:
    run = triggered()
    keep(results, run)
    auc = run.performance.change
    rounded = replace(run.performance, measures={"auc": replace(auc, cur=auc.cur + 1e-13)})
    keep(results, replace(run, performance=rounded), 1)
    assert len(decisions(results)) == 1
    changed = replace(run.performance, measures={"auc": replace(auc, cur=auc.cur + 1e-3)})
    assert len(keep(results, replace(run, performance=changed), 2).earlier) == 1
    assert len(decisions(results)) == 2


def test_another_check_of_what_is_served_makes_no_other_decision(results: Engine) -> None:
    keep(results, triggered())
    again = keep(results, replace(triggered(), skew=checked(PERMUTED, as_of=MARCH)), 1)
    assert len(decisions(results)) == 1 and not is_news(results, again)
    shown = past_record(results, "churn", MARCH, None).skew
    assert shown is not None and shown.share == 0.001, "and the run shows it"


def test_a_save_that_is_tried_again_is_one_decision(results: Engine) -> None:
    run = keep(results, triggered())
    save_run(results, run)
    assert len(decisions(results)) == 1
    assert earlier_decisions(results, run) == ()


def test_a_withdrawn_decision_stays_and_the_next_one_is_another(results: Engine) -> None:
    run = keep(results, triggered())
    other = keep(results, finished(months=(JANUARY, FEBRUARY)))
    delete_run(results, "churn", *PAIR)
    withdrawn = [row["withdrawn_at"] is not None for row in decisions(results)]
    assert withdrawn == [False, True]
    again = keep(results, run, 1)
    assert [item.withdrawn for item in again.earlier] == [True]
    assert chain_text(RunRecord.of(again)) == "triggered under v1, withdrawn, triggered under v1"
    assert other.earlier == ()


def test_runs_of_an_earlier_release_become_first_decisions(results: Engine) -> None:
    save_run(results, triggered())
    save_run(results, cured())
    save_run(results, EXAMPLES["calm"])
    new = "{reason_codes,champion,earlier}"
    with results.begin() as connection:
        connection.execute(text("DROP TABLE monitor_decisions"))
        connection.execute(text("UPDATE monitor_runs SET record = record - CAST(:new AS text[])"), {"new": new})
        runs = connection.execute(text("SELECT * FROM monitor_runs")).mappings().all()
    forget_revision(results)
    create_tables(results)
    create_tables(results)
    calm, held = decisions(results)
    assert (calm["number"], calm["verdict"], calm["reason_codes"], calm["champion_version"]) == (
        1,
        "NO_ACTION",
        [],
        None,
    )
    assert (held["reason_codes"], held["champion_version"]) == (["champion_knows", "auc_drop"], "1")
    assert held["champion_trained_on"] == MARCH
    with results.connect() as connection:
        assert connection.execute(text("SELECT * FROM monitor_runs")).mappings().all() == runs
    keep(results, cured(), 1)
    assert len(decisions(results)) == 2, "what the earlier release did not record is no difference"


def test_a_decision_is_news_once_and_other_figures_are_none(results: Engine) -> None:
    assert is_news(results, keep(results, triggered()))
    again = keep(results, triggered(), 1)
    assert not is_news(results, again), "it confirms the decision"
    history = History(champion_trained_on=JANUARY, champion="1")
    other = finished(months=PAIR, performance=measured(0.83, 0.51), history=history)
    assert not is_news(results, keep(results, other, 2)), "it says the same with other figures"
    assert len(decisions(results)) == 2
    assert is_news(results, keep(results, cured(), 3))
    assert is_news(results, keep(results, triggered(), 4)), "it is another answer than the one before"


def test_labels_that_have_come_are_news(results: Engine) -> None:
    waiting = finished(months=PAIR, target=PENDING_TARGET, performance=PENDING)
    assert is_news(results, keep(results, waiting))
    more = finished(months=PAIR, target=replace(PENDING_TARGET, labelled_cur=0.6), performance=PENDING)
    assert not is_news(results, keep(results, more, 1))
    assert is_news(results, keep(results, finished(months=PAIR), 2))


def test_what_was_withdrawn_is_news_again(results: Engine) -> None:
    keep(results, triggered())
    delete_run(results, "churn", *PAIR)
    assert is_news(results, keep(results, triggered(), 1))


def test_labels_that_came_are_known_to_have_been_awaited(results: Engine) -> None:
    keep(results, finished(months=PAIR, performance=PENDING, target=PENDING_TARGET))
    assert past_record(results, "churn", MARCH, None).waited is None, "they are still awaited"
    for hours in (1, 2):
        keep(results, replace(cured(), performance=measured(0.83, 0.5 + hours / 100)), hours)
        record = past_record(results, "churn", MARCH, None)
        assert [item.pending for item in record.earlier] == [True, False][:hours]
        assert record.waited == record.earlier[0]
