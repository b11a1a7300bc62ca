"""What the dashboards say about the model's performance: figures, intervals, and pending labels."""

import pytest

from driftgate.database import ConnectionParameters
from tests.reports.runs import APRIL, FEBRUARY, MARCH, erring, finished, measured
from tests.services.grafana.asking import answer_of, keep

PERFORMANCE = "Performance then and now by month"
MODEL = "How the model does on the newest month of each monitor"


def test_performance_is_drawn_by_month_with_the_champion_that_was_judged(tables: ConnectionParameters) -> None:
    auc = {(row["time"].date(), row["metric"]): row["value"] for row in answer_of(tables, "drift", PERFORMANCE)}
    # Of two comparisons of March the last counts, and April has no figure yet.
    assert auc == {
        (FEBRUARY, "now, champion v1"): 0.81,
        (FEBRUARY, "then, champion v1"): 0.82,
        (MARCH, "now, champion v2"): 0.55,
        (MARCH, "then, champion v2"): 0.64,
    }
    falls = answer_of(tables, "drift", "Drop of the performance by month")
    assert [row["time"].date() for row in falls] == [FEBRUARY, MARCH, APRIL]
    figures = [[row[name] for name in ("fall", "lower end", "upper end", "threshold")] for row in falls]
    assert figures[1] == pytest.approx([0.09, 0.06, 0.12, 0.05])
    assert figures[2] == [None, None, None, 0.05]
    scores = answer_of(tables, "drift", "Drift of the champion's scores by month")
    assert [(row["score"], row["threshold"]) for row in scores] == [(0.02, 0.1), (None, None), (0.05, 0.1)]


def test_a_month_whose_labels_are_pending_is_seen_as_such(tables: ConnectionParameters) -> None:
    shares = {row.pop("month"): row for row in answer_of(tables, "drift", "Users with a label by month")}
    seen = {month: {state: share for state, share in row.items() if share is not None} for month, row in shares.items()}
    assert seen == {"2024-02-29": {"measured": 1.0}, "2024-03-31": {"measured": 1.0}, "2024-04-30": {"pending": 0.43}}
    months = answer_of(tables, "drift", "Performance by month")
    assert [row["Month"] for row in months] == ["2024-04-30", "2024-03-31", "2024-03-31", "2024-02-29"]
    assert (months[0]["State"], months[0]["Fall"], months[0]["Labelled"]) == ("pending, 43% labelled", None, 0.43)
    assert (months[1]["Champion"], months[1]["Scores moved"]) == ("v1", "yes")
    assert (months[2]["95% interval"], months[2]["Verdict"]) == ("[0.06, 0.12]", "NO_ACTION (held back)")
    (model,) = answer_of(tables, "overview", MODEL)
    assert (model["State"], model["Now"], model["Champion"]) == ("pending, 43% labelled", None, None)


def test_the_overview_holds_the_newest_month_against_the_reference(empty: ConnectionParameters) -> None:
    reader = keep(
        empty,
        finished(performance=measured(0.82, 0.81)),
        finished(name="orders", performance=measured(0.8, 0.6, version=None)),
    )
    churn, orders = answer_of(reader, "overview", MODEL)
    assert (churn["Now"], churn["Reference"], churn["Champion"]) == (0.81, 0.82, "v1")
    assert (churn["State"], churn["Against the threshold"]) == ("measured", "holds")
    assert (orders["Monitor"], orders["Champion"], orders["Against the threshold"]) == ("orders", "probe", "fallen")


def test_a_fall_that_may_be_chance_is_none(empty: ConnectionParameters) -> None:
    reader = keep(empty, finished(performance=measured(0.82, 0.7, margin=0.2)))
    (model,) = answer_of(reader, "overview", MODEL)
    assert (model["95% interval"], model["Against the threshold"]) == ("[-0.08, 0.32]", "holds")


def test_an_error_is_shown_by_its_measure(empty: ConnectionParameters) -> None:
    reader = keep(empty, finished(performance=erring(4.0, 6.0)))
    (model,) = answer_of(reader, "overview", MODEL)
    assert (model["Measure"], model["Now"], model["Reference"]) == ("rmse", 6.0, 4.0)
    assert (model["Fall"], model["95% interval"], model["Against the threshold"]) == (0.5, "[0.45, 0.55]", "fallen")
    (month,) = answer_of(reader, "drift", "Performance by month")
    assert (month["Measure"], month["Then"], month["Now"], month["Champion"]) == ("rmse", 4.0, 6.0, "v1")
