"""A comparison as a line, as rows and as metrics."""

import math

import pytest

from driftgate.performance.promotion import ModelComparison, same, unopposed
from driftgate.performance.result import MEASURES, Change
from driftgate.reports.promotion import comparison_line, comparison_metrics, comparison_rows

WON = ModelComparison(
    "1",
    "2",
    412,
    True,
    "auc 0.6300 against 0.5100, difference +0.1200 [+0.0800, +0.1600], 0.01 needed",
    {name: Change(0.51, 0.63, 0.08, 0.16, 0.001) for name in MEASURES},
)
FEW = ModelComparison("1", "2", 40, False, "40 entities that neither has seen, 9 of them positive; 100 are needed")


@pytest.mark.parametrize(
    ("comparison", "line"),
    [
        (WON, f"[Contest] champion=v1 challenger=v2 entities=412 -> PROMOTED {WON.reason}"),
        (FEW, f"[Contest] champion=v1 challenger=v2 entities=40 -> KEPT {FEW.reason}"),
        (unopposed("1"), "[Contest] champion=none challenger=v1 entities=0 -> PROMOTED there was no champion"),
        (
            same("3"),
            "[Contest] champion=v3 challenger=v3 entities=0 -> KEPT the champion was trained on the same data",
        ),
    ],
)
def test_the_line_says_who_won_and_why(comparison: ModelComparison, line: str) -> None:
    assert comparison_line(comparison) == line


def test_the_rows_are_the_measures_of_both() -> None:
    rows = comparison_rows(WON)
    assert [row["measure"] for row in rows] == list(MEASURES)
    assert rows[0] == {
        "measure": "auc",
        "champion v1": "0.5100",
        "challenger v2": "0.6300",
        "difference": "+0.1200",
        "95% interval": "[+0.0800, +0.1600]",
    }


@pytest.mark.parametrize("comparison", [FEW, unopposed("1"), same("1")])
def test_without_measures_there_is_a_row_that_says_why(comparison: ModelComparison) -> None:
    assert comparison_rows(comparison) == [{"measure": "-", "why": comparison.reason}]


def test_the_metrics_are_finite_and_name_both_sides() -> None:
    found = comparison_metrics(WON)
    assert set(found) == {
        *(f"contest_{side}_{name}" for side in ("champion", "challenger") for name in MEASURES),
        "contest_users",
        "contest_warnings",
        "contest_promoted",
    }
    assert (found["contest_champion_auc"], found["contest_challenger_auc"]) == (0.51, 0.63)
    assert (found["contest_users"], found["contest_promoted"]) == (412.0, 1.0)
    assert all(math.isfinite(value) for value in found.values())
    assert comparison_metrics(FEW) == {"contest_users": 40.0, "contest_promoted": 0.0, "contest_warnings": 0.0}
