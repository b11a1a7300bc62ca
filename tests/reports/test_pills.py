"""The pills of a record: words for people, and their codes for engineers."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from driftgate.decision import HeldBack, History, PastDecision
from driftgate.performance.result import PassedOver
from driftgate.reports import pills
from driftgate.reports.pills import judged_by, pills_html, short_answer
from driftgate.store.record import EarlierRecord, RunRecord
from tests.conftest import ROOT
from tests.reports.pages import Page
from tests.reports.runs import FEBRUARY, PENDING, PENDING_TARGET, column, finished, measured
from tests.reports.test_sentences import STATES

KNOWS = History(champion_trained_on=FEBRUARY)
STAND_IN = measured(0.8, 0.8, version=None)
EARLIER = replace(measured(0.8, 0.8), passed_over=PassedOver("2", FEBRUARY, FEBRUARY))


@pytest.mark.parametrize(
    ("run", "words", "short"),
    [
        (finished(column("f", 0.5)), "Retrain nothing started", "Retrain"),
        (finished(column("f", 0.5), retrain="off"), "Retrain left to others", "Retrain"),
        (finished(), "Nothing to do", "Fine"),
        (finished(column("f", 0.5), history=KNOWS), "Nothing to do the model knows it", "Known"),
        (finished(performance=PENDING, target=PENDING_TARGET), "Nothing to do yet labels to come", "Wait"),
        (finished(performance=STAND_IN), "Nothing to do judged by a stand-in", "Fine"),
        (finished(performance=EARLIER), "Nothing to do judged by the earlier model", "Fine"),
    ],
)
def test_the_pills_say_the_answer_and_what_keeps_it_from_being_the_last_word(
    run: object, words: str, short: str
) -> None:
    record = RunRecord.of(run)
    assert Page(pills_html(record)).text == words
    assert short_answer(record) == short


@pytest.mark.parametrize("state", STATES)
def test_no_pill_shows_a_code_and_each_has_its_code(state: str) -> None:
    record, *_ = STATES[state]
    shown = pills.pills(record)
    assert shown[0].code == record.verdict and not set("_=<>") & set("".join(pill.words for pill in shown))
    assert all(f"title='{pill.code}'" in pills_html(record) for pill in shown)
    assert short_answer(record)


def test_a_month_whose_features_are_to_be_looked_at_is_not_called_a_retraining() -> None:
    assert short_answer(STATES["held back, no gain"][0]) == "Look"


def test_every_rule_that_holds_back_has_its_words_and_each_stands_in_the_reference() -> None:
    assert set(pills.HELD_BACK) == set(HeldBack)
    page = (ROOT / "docs" / "reference" / "pages.md").read_text(encoding="utf-8")
    rows = [*pills.HELD_BACK.items(), *((code, words) for words, code in pills.STARTED.values())]
    rows += [(code, words) for words, code in (pills.PENDING, pills.STAND_IN, pills.EARLIER_MODEL)]
    for code, words in rows:
        assert f"| {words} | `{code}` |" in page
    assert all(f"*{words}*" in page for words in pills.ACTIONS)


def test_a_month_that_the_model_in_use_was_judged_on_has_no_mark() -> None:
    assert judged_by(RunRecord.of(finished(performance=measured(0.8, 0.8)))) is None
    assert judged_by(RunRecord.of(finished())) is None


@pytest.mark.parametrize(
    ("withdrawn", "words", "red"),
    [
        (False, "Retrain then Nothing to do the model knows it", True),
        (True, "Nothing to do the model knows it", False),
    ],
)
def test_a_trigger_that_was_acted_on_stays_red(withdrawn: bool, words: str, red: bool) -> None:
    record = RunRecord.of(finished(column("f", 0.5), history=KNOWS))
    trigger = PastDecision(datetime(2024, 3, 1, tzinfo=UTC), "RETRAINING_TRIGGERED (SIMULATED)", "1", (), withdrawn)
    html = pills_html(record.model_copy(update={"earlier": (EarlierRecord.of(trigger),)}))
    assert Page(html).text == words
    assert ("badge act" in html) == red


def test_the_day_of_a_model_is_no_part_of_its_mark() -> None:
    found = judged_by(RunRecord.of(finished(performance=replace(STAND_IN, trained_on=date(2024, 1, 31)))))
    assert found is not None and (found.words, found.code) == ("judged by a stand-in", "probe")
