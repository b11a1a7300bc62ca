"""Two small months compared as a whole: the share, the missing values, and the label."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftgate.drift.comparison import checked_against, compare
from driftgate.drift.ledger import build_ledger
from driftgate.drift.report import draw
from driftgate.drift.result import ColumnResult, ColumnState
from driftgate.drift.target import target_drift
from driftgate.errors import MissingSignalError
from driftgate.features.entities import MonthSize
from driftgate.profiles.build import make_grid
from tests.drift.months import FEBRUARY, JANUARY, Compared, compared, declare, labels, monitor, no_labels, pair, side

ROWS = 200
NUMBERS = [float(n) for n in range(ROWS)]
SAME = {"f": NUMBERS}
NUMERIC = {"f": "FLOAT64"}


def only(comparison: Compared) -> ColumnResult:
    (column,) = comparison.drift.columns
    return column


def test_the_share_is_over_the_declared_features(tmp_path: Path) -> None:
    ref = {"user_id": NUMBERS, "same": NUMBERS, "moved": NUMBERS, "churned": [n % 2 == 0 for n in range(ROWS)]}
    cur = ref | {"moved": [n + 500 for n in NUMBERS], "user_id": [n + 500 for n in NUMBERS]}
    types = {"user_id": "FLOAT64", "same": "FLOAT64", "moved": "FLOAT64", "churned": "BOOL"}
    drift = compared(tmp_path, ref, cur, types).drift
    assert [column.name for column in drift.columns] == ["same", "moved"]
    assert [(column.name, column.drifted_by) for column in drift.drifted] == [("moved", "values")]
    assert drift.drift_share == 0.5
    assert drift.excluded == (("user_id", "identifier"), ("churned", "label"))
    assert (drift.as_of_ref, drift.as_of_cur, drift.rows_ref, drift.rows_cur) == (JANUARY, FEBRUARY, ROWS, ROWS)
    assert not drift.sampled
    assert [column.name for column in drift.worst_first] == ["moved", "same"]


def test_what_cannot_be_compared_counts_as_drift_and_keeps_the_denominator(tmp_path: Path) -> None:
    types = {"same": "FLOAT64", "gone": "FLOAT64", "other": "FLOAT64"}
    ref = {"same": NUMBERS, "gone": NUMBERS, "other": NUMBERS}
    cur = {"same": NUMBERS, "other": NUMBERS}
    drift = compared(tmp_path, ref, cur, types, on_incomparable="count_as_drift").drift
    (gone,) = drift.drifted
    assert (gone.name, gone.drifted_by, gone.state) == ("gone", "not comparable", ColumnState.MISSING)
    assert math.isnan(gone.score)
    assert drift.drift_share == pytest.approx(1 / 3)
    assert drift.worst_first[0] is gone


@pytest.mark.parametrize("rows", [ROWS, 1200])
def test_constants_drift_where_they_differ(tmp_path: Path, rows: int) -> None:
    pairs = {"FLOAT64": (3.0, 4.0), "INT64": (0, 1), "STRING": ("a", "b"), "BOOL": (True, False)}
    types = {f"{dtype} {what}": dtype for dtype in pairs for what in ("equal", "other")}
    ref = {name: [pairs[dtype][0]] * rows for name, dtype in types.items()}
    cur = {name: [pairs[dtype][name.endswith("other")]] * rows for name, dtype in types.items()}
    drift = compared(tmp_path, ref, cur, types).drift
    assert {column.state for column in drift.columns} == {ColumnState.COMPARED}
    assert {column.name: column.drifted_by for column in drift.columns} == {
        name: "values" if name.endswith("other") else "" for name in types
    }


@pytest.mark.parametrize(
    ("dtype", "values"),
    [("INT64", [n % 9 for n in range(ROWS)]), ("BOOL", [n % 3 == 0 for n in range(ROWS)])],
)
def test_nullable_integers_and_booleans_have_a_score(tmp_path: Path, dtype: str, values: list[Any]) -> None:
    holes = [None if n % 10 == 0 else value for n, value in enumerate(values)]
    column = only(compared(tmp_path, {"f": holes}, {"f": holes}, {"f": dtype}))
    assert column.score == 0.0 and column.p_value == 1.0
    assert not column.drifted
    turned = [None if value is None else not value for value in holes] if dtype == "BOOL" else [0] * ROWS
    assert only(compared(tmp_path, {"f": holes}, {"f": turned}, {"f": dtype})).drifted_by.startswith("values")


def without(values: list[Any], missing: int) -> list[Any]:
    """The values with the given number of them missing, spread so that the others keep their distribution."""
    gone = set(np.linspace(0, len(values) - 1, missing).astype(int).tolist())
    return [None if n in gone else value for n, value in enumerate(values)]


# Shares at the threshold exactly, for which binary fractions are no good.
@pytest.mark.parametrize(
    ("then", "now", "threshold", "drifted"),
    [
        (0, 20, 0.1, True),
        (20, 0, 0.1, True),
        (40, 60, 0.1, False),  # chance gives as much once in forty months
        (20, 60, 0.1, True),
        (0, 19, 0.1, False),
        (20, 79, 0.3, False),
        (0, 10, 0.05, True),
    ],
)
def test_a_change_of_missing_values_alone_is_drift(
    tmp_path: Path, then: int, now: int, threshold: float, drifted: bool
) -> None:
    ref, cur = {"f": without(NUMBERS, then)}, {"f": without(NUMBERS, now)}
    column = only(compared(tmp_path, ref, cur, NUMERIC, missing_threshold=threshold, min_rows=50))
    assert column.score < 0.05
    assert (column.drifted, column.drifted_by) == (drifted, "missing share" if drifted else "")
    assert column.missing_change == pytest.approx((now - then) / ROWS)


def test_both_reasons_are_named(tmp_path: Path) -> None:
    cur = {"f": without([value + 500 for value in NUMBERS], 60)}
    assert only(compared(tmp_path, SAME, cur, NUMERIC)).drifted_by == "values and missing share"


def test_infinities_are_compared_as_missing(tmp_path: Path) -> None:
    odd = [math.inf if n % 20 == 0 else value for n, value in enumerate(NUMBERS)]
    column = only(compared(tmp_path, {"f": odd}, {"f": odd}, NUMERIC))
    assert (column.missing_ref, column.drifted) == (pytest.approx(0.05), False)


def test_a_rule_is_obeyed(tmp_path: Path) -> None:
    cur = {"f": [value + 30 for value in NUMBERS]}
    assert only(compared(tmp_path, SAME, cur, NUMERIC)).drifted
    rule = {"f": {"method": "wasserstein", "threshold": 5.0}}
    column = only(compared(tmp_path, SAME, cur, NUMERIC, columns=rule))
    assert (column.method, column.threshold, column.drifted) == ("wasserstein", 5.0, False)
    assert column.score == pytest.approx(30 / np.std(NUMBERS))


def test_the_json_parses_and_names_the_columns(tmp_path: Path) -> None:
    columns = {"f": NUMBERS, "g": ["a", "b"] * (ROWS // 2)}
    metrics = json.loads(compared(tmp_path, columns, columns, {"f": "FLOAT64", "g": "STRING"}).json)["metrics"]
    assert {"f", "g"} <= {metric["config"].get("column") for metric in metrics}


def test_a_large_month_is_counted_whole_and_drawn_from_a_sample(tmp_path: Path) -> None:
    """The scores are those of every row; Evidently's, of the sample, are others."""
    every = {"f": [float(n % 997) for n in range(4000)]}
    moved = {"f": [float(n % 997) + 100 for n in range(4000)]}
    exact = [side(month) for month in pair(tmp_path, every, moved, NUMERIC)]
    grid = make_grid(exact[0].profile, 1)
    small = pair(tmp_path, {"f": every["f"][::20]}, {"f": moved["f"][::20]}, NUMERIC)
    sides = [
        replace(whole, size=MonthSize(whole.size.as_of, 4000, 200), features=drawn_from, profile=whole.profile.on(grid))
        for whole, drawn_from in zip(exact, small, strict=True)
    ]
    rules = monitor(max_report_rows=1000)
    ledger = build_ledger((sides[0].profile, sides[1].profile), declare(NUMERIC), rules)
    drift = compare(*sides, ledger, rules)
    assert (drift.rows_ref, drift.compared_rows_ref, drift.sample_rows_ref, drift.sampled) == (4000, 4000, 200, True)
    months, found = (sides[0].features, sides[1].features), (sides[0].labels, sides[1].labels)
    report = draw(months, found, ledger, rules)
    (column,), ours = checked_against(drift, report, *sides).columns, compare(*exact, ledger, rules).columns[0]
    assert column.score == pytest.approx(ours.score, abs=2e-3) and column.score != report.scores["f"]


# The label


def booleans(true: int, rows: int = ROWS) -> list[bool]:
    return [n < true for n in range(rows)]


def test_the_label_is_in_the_report_and_not_among_the_features(tmp_path: Path) -> None:
    pair_of_labels = labels(tmp_path, JANUARY, booleans(20)), labels(tmp_path, FEBRUARY, booleans(180))
    comparison = compared(tmp_path, SAME, SAME, NUMERIC, pair_of_labels)
    assert comparison.drift.drift_share == 0.0
    metrics = json.loads(comparison.json)["metrics"]
    (score,) = [
        metric["value"]
        for metric in metrics
        if metric["config"].get("column") == "churned" and "ValueDrift" in metric["config"]["type"]
    ]
    assert score > 0.1


@pytest.mark.parametrize("numeric", [False, True])
def test_a_label_of_some_of_the_entities_is_reported(tmp_path: Path, numeric: bool) -> None:
    values = [NUMBERS[:120], [n + 1000 for n in NUMBERS[:120]]] if numeric else [booleans(40, 120), booleans(110, 120)]
    pair_of_labels = (
        labels(tmp_path, JANUARY, values[0], entities=ROWS),
        labels(tmp_path, FEBRUARY, values[1], entities=ROWS),
    )
    comparison = compared(tmp_path, SAME, SAME, NUMERIC, pair_of_labels)
    assert '"churned"' in comparison.json
    target = target_drift(*pair_of_labels, 0.005)
    assert (target.labelled_ref, target.labelled_cur) == (0.6, 0.6)
    assert target.abs_diff == pytest.approx(1000 if numeric else 70 / 120)


def test_a_numeric_label_is_compared_by_its_mean(tmp_path: Path) -> None:
    pair_of_labels = labels(tmp_path, JANUARY, [9.5] * ROWS), labels(tmp_path, FEBRUARY, [8.0] * ROWS)
    compared(tmp_path, SAME, SAME, NUMERIC, pair_of_labels)
    target = target_drift(*pair_of_labels, 0.005)
    assert (target.ref, target.cur, target.abs_diff, target.computable) == (9.5, 8.0, 1.5, True)


@pytest.mark.parametrize("absent", ["reference", "current", "both"])
def test_without_labels_of_both_periods_the_target_drift_is_nan_with_the_reasons(tmp_path: Path, absent: str) -> None:
    missing = [no_labels(day, ROWS, f"no labels for the period {day} in labels") for day in (JANUARY, FEBRUARY)]
    there = [labels(tmp_path, day, booleans(50)) for day in (JANUARY, FEBRUARY)]
    chosen = (
        there[0] if absent == "current" else missing[0],
        there[1] if absent == "reference" else missing[1],
    )
    comparison = compared(tmp_path, SAME, SAME, NUMERIC, chosen)
    assert '"churned"' not in comparison.json
    target = target_drift(*chosen, 0.005)
    assert math.isnan(target.abs_diff)
    assert not target.computable
    named = {"reference": [JANUARY], "current": [FEBRUARY], "both": [JANUARY, FEBRUARY]}[absent]
    assert target.reason == "; ".join(f"{day}: no labels for the period {day} in labels" for day in named)


def test_a_lone_label_is_not_drawn(tmp_path: Path) -> None:
    pair_of_labels = labels(tmp_path, JANUARY, [True], entities=ROWS), labels(tmp_path, FEBRUARY, booleans(50))
    comparison = compared(tmp_path, SAME, SAME, NUMERIC, pair_of_labels)
    assert '"churned"' not in comparison.json
    assert target_drift(*pair_of_labels, 0.005).computable


def test_labels_change_nothing_about_the_features(tmp_path: Path) -> None:
    cur = {"f": [value + 30 for value in NUMBERS]}
    pair_of_labels = labels(tmp_path, JANUARY, booleans(20)), labels(tmp_path, FEBRUARY, booleans(180))
    with_labels = compared(tmp_path, SAME, cur, NUMERIC, pair_of_labels).drift
    assert with_labels == compared(tmp_path, SAME, cur, NUMERIC).drift


def test_a_score_of_evidently_that_is_another_than_ours_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from driftgate.drift import evidently_adapter

    real = evidently_adapter.run_report

    def changed(*arguments: Any) -> Any:
        report = real(*arguments)
        return replace(report, scores={name: score * (1 + 1e-8) for name, score in report.scores.items()})

    cur = {"f": [n + 20 for n in NUMBERS]}
    assert only(compared(tmp_path, SAME, cur, NUMERIC)).score > 0.3
    monkeypatch.setattr(evidently_adapter, "run_report", changed)
    with pytest.raises(MissingSignalError, match="wasserstein of f is"):
        compared(tmp_path, SAME, cur, NUMERIC)


@pytest.mark.parametrize("value", [1e6, -1e101, 1.7e308, math.inf, -math.inf, math.nan])
def test_one_value_of_any_size_changes_no_other_column(tmp_path: Path, value: float) -> None:
    types = {"f": "FLOAT64", "other": "FLOAT64"}
    ref = {"f": NUMBERS, "other": NUMBERS}
    cur = {"f": NUMBERS, "other": [n + 5 for n in NUMBERS]}
    expected = {item.name: item for item in compared(tmp_path, ref, cur, types).drift.columns}
    comparison = compared(tmp_path, ref, cur | {"f": [value, *NUMBERS[1:]]}, types)
    found = {item.name: item for item in comparison.drift.columns}
    assert found["other"] == expected["other"]
    assert found["f"].state is ColumnState.COMPARED and math.isfinite(found["f"].score)
    assert found["f"].detail.startswith("Evidently's report shows values") == (1e100 < abs(value) < math.inf)
    assert "Infinity" not in comparison.json and "NaN" not in comparison.json


def test_a_change_of_missing_values_says_what_chance_alone_would_give(tmp_path: Path) -> None:
    """200 rows a month; 30 of them are missing then, and 36 or 90 now."""
    for lost, drifted in ((36, False), (90, True)):
        ref, cur = ({"f": [None] * count + NUMBERS[count:]} for count in (30, lost))
        found = only(compared(tmp_path, ref, cur, NUMERIC, missing_threshold=0.02))
        assert ("missing share" in found.drifted_by) == drifted == (found.missing_p_value < 0.005)
        share = (30 + lost) / 400
        assert found.missing_chance == pytest.approx(1.96 * math.sqrt(share * (1 - share) / 100))
    whole = only(compared(tmp_path, SAME, SAME, NUMERIC))
    assert math.isnan(whole.missing_p_value) and math.isnan(whole.missing_chance) and not whole.drifted
