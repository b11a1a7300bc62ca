"""A backtest as lines and as a document."""

import json

from driftgate.reports.backtest_text import backtest_document, backtest_lines
from tests.performance.months import monitor
from tests.reports.backtests import DAYS, replayed


def test_each_policy_has_a_line() -> None:
    head, names, *rows = backtest_lines(replayed())
    assert head == (
        "[Backtest] m months=8 from=2024-01-28 to=2024-08-28 measure=auc retraining_cost=0.050 AUC times months"
    )
    assert names.split() == [
        "policy",
        "retrainings",
        "mean",
        "auc",
        "cost",
        "regret",
        "at",
        "0.5x",
        "at",
        "2x",
        "at",
        "4x",
    ]
    assert [row.split("  ")[0] for row in rows] == [
        "never",
        "every month",
        "drift share alone",
        "performance alone",
        "driftgate",
        "best in hindsight",
    ]
    # Four months after the change have lost .3 each.
    assert rows[0].split()[1:] == ["0", "0.686", "1.200", "1.150", "1.175", "1.100", "1.000"]
    assert rows[4].split()[1:] == ["1", "0.857", "0.050", "0.000", "0.000", "0.000", "0.000"]


def test_a_monitor_with_costs_counts_in_its_money() -> None:
    costs = monitor(retrain_cost=500.0, error_cost=2.0)
    head, _, never, *_ = backtest_lines(replayed(rules=costs))
    assert head.endswith("retraining_cost=500")
    # Four months after the change lose .3 for 2,000 entities at 2 each; the best waits for none of them.
    assert never.split()[3:5] == ["4,800", "4,300"]


def test_months_that_are_left_out_are_said_with_the_reason() -> None:
    assert backtest_lines(replayed(left_out={DAYS[-1]: "pending"}))[-1] == "left out: 2024-08-28: pending"


def test_the_document_has_what_served_in_each_month() -> None:
    found = json.loads(backtest_document(replayed(measure="rmse")))
    own = next(item for item in found["policies"] if item["policy"] == "driftgate")
    assert own["retrained"] == ["2024-04-28"]
    assert [item["trained_on"] for item in own["served"]] == ["2024-01-28"] * 3 + ["2024-04-28"] * 4
    assert found["scores"][3]["values"] == [0.6] * 4 and len(found["scores"]) == 7
