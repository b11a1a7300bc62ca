"""The overview: what needs a person today, and the newest answer of every monitor."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.decision import History, PastDecision
from driftgate.reports.overview_page import Entry, Unreadable, render
from driftgate.run import Run
from driftgate.store.record import EarlierRecord, RunRecord
from tests.reports.pages import Page
from tests.reports.records import RECORDS
from tests.reports.runs import FEBRUARY, JANUARY, MARCH, column, finished, measured


def shown(*runs: Run, broken: tuple[Unreadable, ...] = ()) -> Page:
    entries = [Entry(RunRecord.of(run), (("record", "record.json"),), "verdict.html", "monitor.html") for run in runs]
    return Page(render(sorted(entries, key=lambda entry: entry.order, reverse=True), broken))


def today(found: Page) -> str:
    """The first section."""
    return found.text[found.text.index("What needs a person") : found.text.index("Why, where")]


def run(name: str = "churn", *columns: Any, **given: Any) -> Run:
    return finished(*columns, name=name, **given)


def test_what_needs_a_person_is_said_first_with_its_command() -> None:
    found = shown(run("churn", column("f", 0.5)), run("orders"))
    assert "churn, February 2024. Retrain: 1 of 1 features has moved since January 2024." in today(found)
    assert "driftgate retrain --as-of 2024-02-29 --monitor churn" in today(found)
    assert "orders" not in today(found)


@pytest.mark.parametrize(
    "given", [{}, {"performance": measured(0.8, 0.5), "history": History(champion_trained_on=FEBRUARY)}]
)
def test_that_nothing_needs_a_person_is_said_too(given: dict[str, Any]) -> None:
    assert "Nothing needs a person" in shown(run(**given)).text


def test_an_older_trigger_is_no_task_once_a_newer_month_is_calm() -> None:
    found = shown(run("churn", column("f", 0.5)), run(months=(FEBRUARY, MARCH)))
    assert "Nothing needs a person" in found.text
    assert "title='RETRAINING_TRIGGERED (SIMULATED)'>Retrain<" in found.html, "it stays on the list"


def test_monitors_stand_newest_first_and_each_has_a_section() -> None:
    found = shown(run("churn"), run("orders", months=(JANUARY, MARCH)))
    assert found.tags.count("section") == 3
    assert found.text.index("orders") < found.text.index("churn")
    assert "2 pairs of months judged, the last on 2024-04-01 12:00 UTC" in found.text


def test_answers_of_one_month_against_several_references_stand_together() -> None:
    found = shown(run("churn", column("f", 0.5), months=(JANUARY, MARCH)), run(months=(FEBRUARY, MARCH)))
    assert "March 2024 against February 2024; against January 2024: Retrain" in found.text


def test_every_answer_is_on_the_list_with_its_files() -> None:
    found = shown(run("churn", column("f", 0.5)), run(months=(FEBRUARY, MARCH)))
    assert "All 2 answers" in found.text
    assert found.tags.count("tr") == 3
    assert found.links.count("record.json") == 2
    alone = shown(run())
    assert "details" not in alone.tags and alone.links.count("record.json") == 1


def test_the_trend_is_of_the_signal_that_decides() -> None:
    found = shown(run(), run(months=(FEBRUARY, MARCH), performance=measured(0.8, 0.5)))
    assert "Fall of the AUC" in found.text
    assert "Share of features that moved" in shown(run()).text


def test_unreadable_records_need_a_person() -> None:
    found = shown(run(), broken=(Unreadable("decision_x.json", "not JSON"),))
    assert "decision_x.json: not JSON" in today(found)
    assert "Nothing needs a person" not in found.text


def test_without_a_record_the_page_says_what_to_do() -> None:
    assert "No month is judged yet" in shown().text


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    records=st.lists(RECORDS, max_size=8),
    broken=st.lists(st.builds(Unreadable, st.text(max_size=9), st.text(max_size=9))),
)
def test_any_records_make_a_well_formed_page(records: list[RunRecord], broken: list[Unreadable]) -> None:
    entries = sorted((Entry(record) for record in records), key=lambda entry: entry.order, reverse=True)
    found = Page(render(entries, broken))
    assert found.tags.count("section") == 1 + len({record.monitor for record in records})
    assert ("details" in found.tags) == (len({record.monitor for record in records}) < len(records))


def test_what_was_done_about_a_trigger_is_said_with_the_answer_that_followed() -> None:
    record = RunRecord.of(run("churn", column("f", 0.5), history=History(champion_trained_on=FEBRUARY)))
    trigger = PastDecision(datetime(2024, 3, 1, tzinfo=UTC), "RETRAINING_TRIGGERED (SIMULATED)", "1", (), False)
    update = {"earlier": (EarlierRecord.of(trigger),), "champion": "2"}
    found = Page(
        render([Entry(record.model_copy(update=update)), Entry(RunRecord.of(run(months=(JANUARY, MARCH))))], ())
    )
    assert found.text.count("So far: triggered under v1, v2 promoted, fine since.") == 2
    assert "<p class='soft'>So far" not in render([Entry(RunRecord.of(run()))], ())


def test_months_that_a_stand_in_was_judged_on_are_marked_in_the_list() -> None:
    found = shown(
        run(performance=measured(0.8, 0.8, version=None)),
        run(months=(FEBRUARY, MARCH), performance=measured(0.8, 0.8)),
    )
    assert found.text.count("judged by a stand-in") == 1


def test_missing_values_are_named_where_nothing_asks_for_a_retraining() -> None:
    empty = column("weather", 0.01, missing_ref=0.02, missing_cur=0.31, drifted=True, drifted_by="missing share")
    found = shown(run("churn", empty, *(column(f"f{number}") for number in range(9))), run("orders"))
    assert "no monitor asks for a retraining. But values are missing in churn." in today(found)
    assert "weather is missing for 31% of entities, 2% before." in found.text


def test_a_fall_that_goes_on_has_its_first_month_in_the_list_too() -> None:
    fallen = measured(0.8, 0.5)
    found = shown(
        run(months=(JANUARY, FEBRUARY), performance=fallen), run(months=(FEBRUARY, MARCH), performance=fallen)
    )
    assert found.text[found.text.index("All 2 answers") :].count("since February 2024 (AUC") == 2
