"""Plots keep inside their frame whatever the numbers are, clip nothing, and say in words what they show."""

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.measures import MEASURES
from driftgate.performance.result import FeatureAuc
from driftgate.reports import charts
from driftgate.reports.charts import Point, Scale
from driftgate.store.performance_record import RelationRecord, SegmentRecord
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import ColumnRecord
from tests.reports.pages import Page
from tests.reports.runs import FEBRUARY, JANUARY, MARCH, SEGMENTS, column, erring, finished, lost, measured

VALUES = st.none() | st.floats(-2, 2)
POINTS = st.lists(
    st.builds(Point, st.dates(date(2020, 1, 1), date(2030, 1, 1)), VALUES, st.none() | st.floats(0, 2), st.booleans()),
    min_size=1,
    max_size=9,
)


def columns(*results: object) -> tuple[ColumnRecord, ...]:
    return RunRecord.of(finished(*results)).columns


def test_a_signal_is_read_from_each_record() -> None:
    first = RunRecord.of(finished(performance=measured(0.8, 0.82)))
    second = RunRecord.of(finished(months=(FEBRUARY, MARCH), performance=measured(0.8, 0.5), target_threshold=0.01))
    falls = charts.points([first, second], "performance_drop")
    assert [(point.month, point.reached) for point in falls] == [(FEBRUARY, False), (MARCH, True)]
    assert [point.value for point in falls] == pytest.approx([-0.02, 0.3])
    assert [point.threshold for point in charts.points([first, second], "target_drift")] == [None, 0.01]
    assert charts.points([RunRecord.of(finished())], "performance_drop")[0].value is None
    old = first.model_copy(update={"signals": (), "performance": None, "drift_share": 0.5})
    assert charts.points([old], "drift_share")[0].reached


def test_the_signal_of_the_model_is_called_by_its_newest_measure() -> None:
    auc = RunRecord.of(finished(performance=measured(0.8, 0.5)))
    rmse = RunRecord.of(finished(months=(FEBRUARY, MARCH), performance=erring(4.0, 6.0)))
    assert charts.title([auc], "performance_drop") == "Fall of the AUC"
    assert charts.title([auc, rmse], "performance_drop") == "Rise of the RMSE"
    # A fall of the AUC has no place on the scale of an error.
    assert [point.value for point in charts.points([auc, rmse], "performance_drop")] == [None, 0.5]


def test_a_trend_has_a_dot_for_each_month_and_says_what_it_shows() -> None:
    shown = [Point(JANUARY, 0.1, 0.3, False), Point(FEBRUARY, None, 0.3, False), Point(MARCH, 0.5, 0.3, True)]
    html = charts.trend(shown, "Share")
    assert html.count("<i ") == 2 and html.count("class=reached") == 1
    assert (
        "aria-label='Share from January 2024 to March 2024: 0.10 then, 0.50 now, threshold 0.30, reached in 1 of 3'"
        in html
    )
    assert html.count("<polyline points") == 0, "a gap breaks the line"
    assert "threshold 0.30</em>" in html
    assert "January 2024" in charts.ends(shown) and "March 2024" in charts.ends(shown)


def test_a_trend_without_a_figure_says_so() -> None:
    assert "no month has a figure" in charts.trend([Point(JANUARY, None, None, False)], "Fall")
    assert "Fall, January 2024: 0.20" in charts.trend([Point(JANUARY, 0.2, None, False)], "Fall")


@given(POINTS)
def test_a_trend_keeps_inside_its_frame(shown: list[Point]) -> None:
    html = charts.trend(shown, "Signal")
    Page(html)
    for left, top in re.findall(r"left:([-\d.]+)%;top:([-\d.]+)%", html):
        assert 0 <= float(left) <= 100 and -1e-6 <= float(top) <= 100
    for x, y in re.findall(r"([-\d.]+),([-\d.]+)", " ".join(re.findall(r"points='([^']*)'", html))):
        assert 0 <= float(x) <= 100 and -1e-6 <= float(y) <= 100


def test_the_severity_is_in_thresholds_whatever_the_method() -> None:
    (test,) = columns(column("a", 0.01, method="ks", threshold=0.05))
    assert charts.severity(test) == pytest.approx(5.0)
    (corrected,) = columns(column("a", 0.3, corrected_score=0.2))
    assert charts.severity(corrected) == pytest.approx(2.0)
    assert charts.severity(columns(lost("a"))[0]) is None
    assert charts.bar(columns(lost("a"))[0], Scale(2.0, False)) == ""


def test_the_scale_is_linear_until_a_feature_is_far_out() -> None:
    near = Scale.over(columns(column("a", 0.3), column("b", 0.01)))
    assert not near.logarithmic and near.at(3.0) == pytest.approx(100 / 1.05)
    far = Scale.over(columns(column("a", 90.0), column("b", 0.2)))
    assert far.logarithmic
    assert far.at(10.0) - far.at(1.0) == pytest.approx(far.at(100.0) - far.at(10.0))
    assert Scale.over(()).at(1.0) == pytest.approx(100 / 1.5)


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=6))
def test_no_bar_is_cut_off_and_longer_is_further(scores: list[float]) -> None:
    found = columns(*(column(f"f{number}", score) for number, score in enumerate(scores)))
    scale = Scale.over(found)
    placed = [(charts.severity(item), scale.at(charts.severity(item) or 0.0)) for item in found]
    assert all(0 <= at <= 100 for _, at in placed)
    assert [at for _, at in sorted(placed)] == sorted(at for _, at in placed)
    assert 0 < scale.at(1.0) < 100


@given(
    st.lists(st.tuples(st.floats(0, 1e12), st.floats(0, 1e12)), min_size=1, max_size=4),
    st.sampled_from(["auc", "rmse"]),
)
def test_segments_stay_on_their_axis_whatever_the_measure(values: list[tuple[float, float]], measure: str) -> None:
    shares = [(ref % 1, cur % 1) for ref, cur in values] if measure == "auc" else values
    named = [SegmentRecord.of(replace(SEGMENTS.named[0], ref=ref, cur=cur)) for ref, cur in shares]
    found = Page(charts.segments(named, MEASURES[measure]))
    assert found.html.count("class='lost'") == len(named) and ("class='coin'" in found.html) is (measure == "auc")
    for left in re.findall(r"left:([-+.\de]+)%", found.html):
        assert -1e-6 <= float(left) <= 100


def test_a_change_of_a_feature_shows_both_figures_and_marks_a_loss() -> None:
    relations = [
        RelationRecord.copied(FeatureAuc("<b>", 0.8, 0.4)),
        RelationRecord.copied(FeatureAuc("fee", 0.6, 0.59)),
    ]
    found = Page(charts.changes(relations))
    assert "<b>" in found.text and "0.80" in found.text and "0.40" in found.text
    assert found.html.count("class='lost'") == 1
    for left in re.findall(r"left:([\d.]+)%", found.html):
        assert 0 <= float(left) <= 100


@pytest.mark.parametrize(
    ("values", "first"), [((0.3, 0.06), True), ((0.06, 0.3), False), ((None, 0.3), True), ((0.3, None), False)]
)
def test_the_threshold_is_named_where_no_dot_is(values: tuple[float | None, float], first: bool) -> None:
    shown = [Point(month, value, 0.05, True) for month, value in zip((JANUARY, FEBRUARY), values, strict=True)]
    assert ("<em class='first'" in charts.trend(shown, "x")) == first
