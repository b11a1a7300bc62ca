"""The page of a backtest."""

from driftgate.reports.backtest_page import render
from tests.reports.backtests import DAYS, replayed
from tests.reports.pages import Page


def test_the_first_sentence_says_whether_another_policy_would_have_cost_less() -> None:
    own = Page(render(replayed()))
    assert "No other policy would have cost less than this monitor's decisions" in own.text
    assert "trained again once, at the cost of the best in hindsight." in own.text
    other = Page(render(replayed(heeds=False)))
    assert "“Performance alone” would have cost less" in other.text
    assert "in no month, at a cost of 1.150 AUC times months beyond the best in hindsight" in other.text


def test_each_policy_has_a_row_of_costs_and_a_plot() -> None:
    found = Page(render(replayed(left_out={DAYS[0]: "<b> no labels"})))
    assert found.html.count("role='img'") == 6 and found.html.count("<tr class='signal'>") == 6
    # Never, every month in six, the two that see the change, and the best.
    assert found.html.count("class=reached") == 6 + 3
    assert "2024-01-28: <b> no labels" in found.text and "<b> no" not in found.html
