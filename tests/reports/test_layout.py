"""What the pages have in common."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from driftgate.decision import History, PastDecision
from driftgate.reports.layout import link, moment, name_html, page, tone_label, verdict_badge
from driftgate.store.record import EarlierRecord, RunRecord
from tests.reports.pages import Page
from tests.reports.runs import FEBRUARY, PENDING, PENDING_TARGET, column, finished

HOSTILE = "</title><script>alert(1)</script>'\"&amp;"


def test_a_page_is_whole_and_shows_the_way_back() -> None:
    found = Page(page("Title", [("Overview", "index.html"), ("here", "")], "<h1>Hello</h1>"))
    assert found.links == ["index.html"]
    assert (found.tags.count("main"), found.tags.count("nav"), found.tags.count("h1")) == (1, 1, 1)
    assert "<html lang='en'>" in found.html and "width=device-width" in found.html
    assert "nav" not in Page(page("Title", (), "")).tags


def test_hostile_titles_names_and_addresses_stay_text() -> None:
    found = Page(page(HOSTILE, [(HOSTILE, HOSTILE)], link(HOSTILE, HOSTILE) + name_html(HOSTILE)))
    assert "script" not in found.tags
    assert found.text.count(HOSTILE) == 4
    assert found.links == [HOSTILE, HOSTILE]


def test_a_name_may_break_after_an_underscore() -> None:
    assert name_html("watch_hours_30d") == "watch_<wbr>hours_<wbr>30d"


@pytest.mark.parametrize(
    ("run", "badges", "label"),
    [
        (finished(column("f", 0.5)), "RETRAINING_TRIGGERED (SIMULATED)", "Retrain"),
        (finished(), "NO_ACTION", "Calm"),
        (finished(column("f", 0.5), history=History(champion_trained_on=FEBRUARY)), "NO_ACTION held back", "Known"),
        (finished(performance=PENDING, target=PENDING_TARGET), "NO_ACTION labels pending", "Wait"),
    ],
)
def test_the_badge_is_the_verdict_as_it_is_printed(run: object, badges: str, label: str) -> None:
    record = RunRecord.of(run)
    assert Page(verdict_badge(record)).text == badges
    assert tone_label(record) == label


@pytest.mark.parametrize(
    ("withdrawn", "badges", "red"),
    [(False, "RETRAINING_TRIGGERED (SIMULATED) then NO_ACTION held back", True), (True, "NO_ACTION held back", False)],
)
def test_a_trigger_that_was_acted_on_stays_red(withdrawn: bool, badges: str, red: bool) -> None:
    record = RunRecord.of(finished(column("f", 0.5), history=History(champion_trained_on=FEBRUARY)))
    trigger = PastDecision(datetime(2024, 3, 1, tzinfo=UTC), "RETRAINING_TRIGGERED (SIMULATED)", "1", (), withdrawn)
    earlier = EarlierRecord.of(trigger)
    html = verdict_badge(record.model_copy(update={"earlier": (earlier,)}))
    assert Page(html).text == badges
    assert ("badge act" in html) == red


def test_times_are_shown_in_utc() -> None:
    when = datetime(2024, 4, 1, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert moment(when) == "<time datetime='2024-04-02T04:30:00+00:00'>2024-04-02 04:30 UTC</time>"
    assert moment(when) == moment(when.astimezone(UTC))
