"""The page of a monitor: months from left to right, one kind of reference at a time, features as a heat map."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.decision import History, PastDecision
from driftgate.performance.result import Gain, PassedOver
from driftgate.reports.monitor_page import render
from driftgate.reports.series import series_of
from driftgate.store.record import RunRecord
from tests.reports.pages import Page
from tests.reports.records import RECORDS
from tests.reports.runs import (
    APRIL,
    FEBRUARY,
    JANUARY,
    MARCH,
    PENDING,
    PENDING_TARGET,
    column,
    finished,
    lost,
    measured,
)


def run(ref: date, cur: date, *columns: Any, **given: Any) -> RunRecord:
    return RunRecord.of(finished(*columns, months=(ref, cur), **given))


RUNS = [
    run(JANUARY, FEBRUARY, column("a"), column("b"), performance=measured(0.8, 0.8)),
    run(FEBRUARY, MARCH, column("a", 0.5), column("b"), performance=measured(0.8, 0.5)),
    run(
        MARCH, APRIL, column("a"), lost("b"), performance=measured(0.8, 0.5), history=History(champion_trained_on=APRIL)
    ),
    run(JANUARY, APRIL, column("a", 0.9), column("b")),
]
PAGES = {item.pair: f"verdict_{item.pair[0]}_vs_{item.pair[1]}.html" for item in RUNS[:2]}


def shown(*runs: RunRecord) -> Page:
    return Page(render("churn", runs, PAGES, "../index.html"))


def test_there_is_a_choice_for_each_kind_of_reference_and_the_first_is_taken() -> None:
    found = shown(*RUNS)
    assert found.html.count("type='radio'") == 2 and found.html.count(" checked>") == 1
    assert list(re.findall(r"<label for='reference-\d'>([^<]*)<", found.html)) == [
        "the month before",
        "January 2024",
    ]


def test_each_month_has_its_answer_which_leads_to_its_page() -> None:
    found = shown(*RUNS[:3])
    assert re.findall(r"class='verdict (\w+)'>(\w+)<", found.html) == [
        ("calm", "Fine"),
        ("act", "Retrain"),
        ("known", "Known"),
    ]
    assert found.links == ["../index.html", *PAGES.values()], "the third has no page yet"
    assert "aria-label='Retrain, March 2024'" in found.html


def test_each_signal_has_its_own_threshold_and_one_without_a_figure_no_row() -> None:
    found = shown(*RUNS[:3])
    assert found.html.count("class='signal'") == 3
    assert "Fall of the AUC" in found.text and "0.30, threshold 0.05" in found.text
    assert shown(RUNS[3]).html.count("class='signal'") == 2


def test_promotions_arrivals_of_labels_and_gains_stand_in_the_column_of_their_month() -> None:
    gained = replace(measured(0.8, 0.5), gain=Gain(0.2, 0.1, 0.3, 700))
    none = replace(measured(0.8, 0.5), gain=Gain(0.01, -0.1, 0.12, 700))
    runs = [
        run(JANUARY, FEBRUARY, performance=gained, history=History(champion="1", champion_trained_on=JANUARY)),
        run(FEBRUARY, MARCH, performance=none, history=History(champion="2", champion_trained_on=FEBRUARY)),
        run(
            MARCH,
            APRIL,
            performance=PENDING,
            target=PENDING_TARGET,
            history=History(champion="2", champion_trained_on=FEBRUARY),
        ),
    ]
    cells = [
        re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr class='marks'>(.*?)</tr>", shown(*runs).html)
    ]
    served, labels, gain = cells
    assert served[0] == served[2].replace("2", "1") == "v1" and "v2, new</span>" in served[1]
    assert labels[:2] == ["100%", "100%"] and "43%, waits" in labels[2]
    assert gain[0].startswith("<b>") and "0.20" in gain[0] and "<b>" not in gain[1] and gain[2] == ""


def labels_of(*earlier: PastDecision, **given: Any) -> str:
    """The cell that says which labels a month has."""
    record = RunRecord.of(replace(finished(months=(JANUARY, FEBRUARY), **given), earlier=earlier))
    rows = re.findall(r"<tr class='marks'><th scope='row'>Labels that are there</th>(.*?)</tr>", shown(record).html)
    return str(rows[0])


def test_labels_that_came_after_a_month_had_waited_for_them_are_a_mark() -> None:
    day = datetime(2024, 3, 1, 23, tzinfo=UTC)
    waited, judged = (PastDecision(day, "NO_ACTION", None, (), False, pending) for pending in (True, False))
    for earlier in ([waited], [waited, judged]):
        cell = labels_of(*earlier, performance=measured(0.8, 0.8))
        assert "class='mark'" in cell and "100%, arrived" in cell and "2024-03-01 waited" in cell
    assert labels_of(judged, replace(judged, pending=None), performance=measured(0.8, 0.8)) == "<td>100%</td>"
    cell = labels_of(waited, performance=PENDING, target=PENDING_TARGET)
    assert "43%, waits" in cell and "arrived" not in cell


def test_the_heat_map_has_a_row_for_each_feature_the_furthest_first() -> None:
    found = shown(*RUNS[:3])
    rows = re.findall(r"<tr class='heat'><th scope='row'>(\w+)</th>(.*?)</tr>", found.html)
    assert [name for name, _ in rows] == ["b", "a"], "what could not be compared comes first"
    assert re.findall(r">([\d.]+)<", rows[1][1]) == ["0.1", "5.0", "0.1"]
    assert "not compared" in rows[0][1] and "no such column" in rows[0][1]
    strengths = [float(value) for value in re.findall(r"--w:([\d.]+)", rows[1][1])]
    assert strengths[0] == 0.0 and 0.5 < strengths[1] <= 1.0


def test_many_months_and_features_are_bounded_and_said_to_be() -> None:
    months = [date(2015 + number // 12, number % 12 + 1, 28) for number in range(70)]
    columns = [column(f"f{number}") for number in range(70)]
    found = shown(*(run(months[n], months[n + 1], *columns) for n in range(69)))
    assert "9 older months are in the overview" in found.text
    assert "10 more moved less" in found.text


def test_without_a_record_the_page_says_what_to_do() -> None:
    assert "No month is judged yet" in shown().text


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS, max_size=5))
def test_any_records_make_a_well_formed_page(records: list[RunRecord]) -> None:
    found = shown(*records)
    assert found.html.count("type='radio'") == len(series_of(records))
    for weight in re.findall(r"--w:([^']*)'", found.html):
        assert 0.0 <= float(weight) <= 1.0


def test_months_that_another_model_was_judged_on_are_marked_and_one_that_was_taken_back_is() -> None:
    passed = replace(measured(0.8, 0.8), passed_over=PassedOver("2", MARCH, MARCH))
    again = History(champion="1", champion_trained_on=JANUARY)
    runs = [
        run(JANUARY, FEBRUARY, performance=measured(0.8, 0.8, version=None)),
        run(FEBRUARY, MARCH, performance=passed, history=History(champion="2", champion_trained_on=MARCH)),
        run(MARCH, APRIL, performance=measured(0.8, 0.8), history=again),
    ]
    rows = re.findall(r"<tr class='marks'><th scope='row'>(.*?)</th>(.*?)</tr>", shown(*runs).html)
    cells = {name: re.findall(r"<td>(.*?)</td>", row) for name, row in rows}
    judged = cells["Another model was judged"]
    assert "title='judged by a stand-in (probe)'>stand-in<" in judged[0]
    assert "judged by the earlier model" in judged[1] and ">v1<" in judged[1] and judged[2] == ""
    assert ">v1, back<" in cells["Model in use"][2]
    assert "Another model was judged" not in shown(runs[2]).text


def test_a_feature_that_counts_for_its_missing_values_says_so_in_its_cell() -> None:
    empty = column("a", 0.05, missing_ref=0.02, missing_cur=0.31, drifted=True, drifted_by="missing share")
    html = shown(run(JANUARY, FEBRUARY, empty, column("b", 0.5))).html
    assert ">31% missing</span>" in html and ">5.0</span>" in html and ">0.5</span>" not in html
