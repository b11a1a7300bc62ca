"""What the pages have in common."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from driftgate.performance.result import Gain
from driftgate.reports.layout import hero, link, moment, name_html, page
from driftgate.store.record import RunRecord
from tests.reports.pages import Page
from tests.reports.runs import column, finished, measured

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


def test_the_top_says_the_answer_what_waiting_costs_what_is_missing_and_what_to_do() -> None:
    gained = replace(measured(0.83, 0.51), gain=Gain(0.1, 0.08, 0.12, 700))
    moved = column("weather", 0.01, missing_ref=0.02, missing_cur=0.31, drifted=True, drifted_by="missing share")
    record = RunRecord.of(finished(moved, performance=gained, retrain_cost=500.0, error_cost=1.7))
    found = Page(hero(record, (), "<p>below</p>"))
    parts = [
        "February 2024 against January 2024",
        "Retrain: the model ranks no better than chance",
        "Waiting a month costs about 1,197 (between 958 and 1,437); a retraining costs 500.",
        "weather is missing for 31% of entities, 2% before.",
        "What should be done?Train a new model on this month",
        "driftgate retrain",
        "below",
    ]
    assert [found.text.index(part) for part in parts] == sorted(map(found.text.index, parts))
    assert "champion" not in found.text and "challenger" not in found.text


def test_times_are_shown_in_utc() -> None:
    when = datetime(2024, 4, 1, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert moment(when) == "<time datetime='2024-04-02T04:30:00+00:00'>2024-04-02 04:30 UTC</time>"
    assert moment(when) == moment(when.astimezone(UTC))
