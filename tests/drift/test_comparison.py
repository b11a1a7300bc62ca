"""Two small months compared as a whole: the share, the missing values, the label, and the page."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftgate.drift.banner import with_banner
from driftgate.drift.comparison import Comparison, compare, target_drift
from driftgate.drift.ledger import build_ledger, require_comparable
from driftgate.drift.result import ColumnResult, ColumnState
from driftgate.features.labels import LabelMonth
from tests.drift.months import FEBRUARY, JANUARY, Columns, Types, labels, monitor, no_labels, pair, side

ROWS = 200
NUMBERS = [float(n) for n in range(ROWS)]
SAME = {"f": NUMBERS}
NUMERIC = {"f": "FLOAT64"}
IMAGE = "<img src=x onerror=alert(1)>"


def run(
    folder: Path,
    ref: Columns,
    cur: Columns,
    types: Types,
    label: tuple[LabelMonth, LabelMonth] | None = None,
    entities: int | None = None,
    **overrides: Any,
) -> Comparison:
    sides = [
        side(month, label[position] if label else None, entities)
        for position, month in enumerate(pair(folder, ref, cur, types))
    ]
    policy = monitor(**overrides)
    ledger = build_ledger(sides[0].features, sides[1].features, policy)
    require_comparable(ledger, policy)
    return compare(*sides, ledger, policy)


def only(comparison: Comparison) -> ColumnResult:
    (column,) = comparison.drift.columns
    return column


class Page(HTMLParser):
    """What a browser sees: the elements, and the text outside scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in {"script", "style"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.text += data


def test_the_share_is_over_the_declared_features(tmp_path: Path) -> None:
    ref = {"user_id": NUMBERS, "same": NUMBERS, "moved": NUMBERS, "churned": [n % 2 == 0 for n in range(ROWS)]}
    cur = ref | {"moved": [n + 500 for n in NUMBERS], "user_id": [n + 500 for n in NUMBERS]}
    types = {"user_id": "FLOAT64", "same": "FLOAT64", "moved": "FLOAT64", "churned": "BOOL"}
    drift = run(tmp_path, ref, cur, types).drift
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
    drift = run(tmp_path, ref, cur, types, on_incomparable="count_as_drift").drift
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
    drift = run(tmp_path, ref, cur, types).drift
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
    column = only(run(tmp_path, {"f": holes}, {"f": holes}, {"f": dtype}))
    assert column.score == 0.0 and column.p_value == 1.0
    assert not column.drifted
    turned = [None if value is None else not value for value in holes] if dtype == "BOOL" else [0] * ROWS
    assert only(run(tmp_path, {"f": holes}, {"f": turned}, {"f": dtype})).drifted_by.startswith("values")


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
    column = only(run(tmp_path, ref, cur, NUMERIC, missing_threshold=threshold, min_rows=50))
    assert column.score < 0.05
    assert (column.drifted, column.drifted_by) == (drifted, "missing share" if drifted else "")
    assert column.missing_change == pytest.approx((now - then) / ROWS)


def test_both_reasons_are_named(tmp_path: Path) -> None:
    cur = {"f": without([value + 500 for value in NUMBERS], 60)}
    assert only(run(tmp_path, SAME, cur, NUMERIC)).drifted_by == "values and missing share"


def test_infinities_are_compared_as_missing(tmp_path: Path) -> None:
    odd = [math.inf if n % 20 == 0 else value for n, value in enumerate(NUMBERS)]
    column = only(run(tmp_path, {"f": odd}, {"f": odd}, NUMERIC))
    assert (column.missing_ref, column.drifted) == (pytest.approx(0.05), False)


def test_a_rule_is_obeyed(tmp_path: Path) -> None:
    cur = {"f": [value + 30 for value in NUMBERS]}
    assert only(run(tmp_path, SAME, cur, NUMERIC)).drifted
    rule = {"f": {"method": "wasserstein", "threshold": 5.0}}
    column = only(run(tmp_path, SAME, cur, NUMERIC, columns=rule))
    assert (column.method, column.threshold, column.drifted) == ("wasserstein", 5.0, False)
    assert column.score == pytest.approx(30 / np.std(NUMBERS))


# The page


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A month with nothing odd in it, one number and one category."""
    columns = {"f": NUMBERS, "g": ["a", "b"] * (ROWS // 2)}
    return run(tmp_path_factory.mktemp("plain"), columns, columns, {"f": "FLOAT64", "g": "STRING"})


def test_the_page_has_one_banner_in_its_body(plain: Comparison) -> None:
    assert plain.html.count("<h1>m: 2024-02-29 against 2024-01-31</h1>") == 1
    page = Page(plain.html)
    assert page.tags.count("body") == page.tags.count("h1") == 1
    assert page.tags.index("h1") > page.tags.index("body")
    assert "0 of 2 declared features drift: drift_share 0.00, threshold 0.30. 200 entities then, 200 now." in page.text
    assert "A seeded sample" not in page.text


def test_the_json_parses_and_names_the_columns(plain: Comparison) -> None:
    metrics = json.loads(plain.json)["metrics"]
    assert {"f", "g"} <= {metric["config"].get("column") for metric in metrics}


@pytest.mark.parametrize("name", [IMAGE, "a & b", "<body>", "</script><script>alert(1)</script>", "'\"`"])
def test_a_hostile_column_name_stays_text(tmp_path: Path, plain: Comparison, name: str) -> None:
    columns = {name: NUMBERS, "g": ["a", "b"] * (ROWS // 2)}
    comparison = run(tmp_path, columns, columns, {name: "FLOAT64", "g": "STRING"})
    page = Page(comparison.html)
    assert page.tags == Page(plain.html).tags
    assert name in page.text
    assert {column.name for column in comparison.drift.columns} == {name, "g"}


def test_a_hostile_category_stays_text(tmp_path: Path, plain: Comparison) -> None:
    columns = {"f": NUMBERS, "g": ["a", "</script><script>alert(1)</script>"] * (ROWS // 2)}
    comparison = run(tmp_path, columns, columns, {"f": "FLOAT64", "g": "STRING"})
    assert Page(comparison.html).tags == Page(plain.html).tags


def test_a_page_without_a_body_still_gets_the_banner(plain: Comparison) -> None:
    page = with_banner("<p>report</p>", plain.drift, monitor())
    assert page.endswith("</section><p>report</p>")
    assert page.count("<h1>") == 1


def test_the_page_says_what_is_excluded_and_what_was_not_compared(tmp_path: Path) -> None:
    ref = {"user_id": NUMBERS, "same": NUMBERS, "gone": NUMBERS}
    cur = {"user_id": NUMBERS, "same": NUMBERS}
    types = dict.fromkeys(ref, "FLOAT64")
    text = Page(run(tmp_path, ref, cur, types, on_incomparable="count_as_drift").html).text
    assert "1 of 2 declared features drift: drift_share 0.50" in text
    assert "Not features, and not counted: user_id (identifier)." in text
    assert "missing: the source of view has no such column (current month)" in text


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_any_share_will_do_as_threshold(tmp_path: Path, threshold: float) -> None:
    assert f"threshold {threshold:.2f}" in Page(run(tmp_path, SAME, SAME, NUMERIC, threshold=threshold).html).text


def test_a_sample_is_said_to_be_one(tmp_path: Path) -> None:
    comparison = run(tmp_path, SAME, SAME, NUMERIC, entities=5000, sample_seed=9)
    assert comparison.drift.sampled
    assert (comparison.drift.rows_ref, comparison.drift.compared_rows_ref) == (5000, ROWS)
    text = Page(comparison.html).text
    assert "A seeded sample is compared (seed 9): 200 of 5,000 and 200 of 5,000 entities" in text


# The label


def booleans(true: int, rows: int = ROWS) -> list[bool]:
    return [n < true for n in range(rows)]


def test_the_label_is_in_the_report_and_not_among_the_features(tmp_path: Path) -> None:
    pair_of_labels = labels(tmp_path, JANUARY, booleans(20)), labels(tmp_path, FEBRUARY, booleans(180))
    comparison = run(tmp_path, SAME, SAME, NUMERIC, pair_of_labels)
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
    comparison = run(tmp_path, SAME, SAME, NUMERIC, pair_of_labels)
    assert '"churned"' in comparison.json
    target = target_drift(*pair_of_labels)
    assert (target.labelled_ref, target.labelled_cur) == (0.6, 0.6)
    assert target.abs_diff == pytest.approx(1000 if numeric else 70 / 120)


def test_a_numeric_label_is_compared_by_its_mean(tmp_path: Path) -> None:
    pair_of_labels = labels(tmp_path, JANUARY, [9.5] * ROWS), labels(tmp_path, FEBRUARY, [8.0] * ROWS)
    run(tmp_path, SAME, SAME, NUMERIC, pair_of_labels)
    target = target_drift(*pair_of_labels)
    assert (target.ref, target.cur, target.abs_diff, target.computable) == (9.5, 8.0, 1.5, True)


@pytest.mark.parametrize("absent", ["reference", "current", "both"])
def test_without_labels_of_both_periods_the_target_drift_is_nan_with_the_reasons(tmp_path: Path, absent: str) -> None:
    missing = [no_labels(day, ROWS, f"no labels for the period {day} in labels") for day in (JANUARY, FEBRUARY)]
    there = [labels(tmp_path, day, booleans(50)) for day in (JANUARY, FEBRUARY)]
    chosen = (
        there[0] if absent == "current" else missing[0],
        there[1] if absent == "reference" else missing[1],
    )
    comparison = run(tmp_path, SAME, SAME, NUMERIC, chosen)
    assert '"churned"' not in comparison.json
    target = target_drift(*chosen)
    assert math.isnan(target.abs_diff)
    assert not target.computable
    told = {"reference": [JANUARY], "current": [FEBRUARY], "both": [JANUARY, FEBRUARY]}[absent]
    assert target.reason == "; ".join(f"{day}: no labels for the period {day} in labels" for day in told)


def test_a_lone_label_is_not_drawn(tmp_path: Path) -> None:
    pair_of_labels = labels(tmp_path, JANUARY, [True], entities=ROWS), labels(tmp_path, FEBRUARY, booleans(50))
    comparison = run(tmp_path, SAME, SAME, NUMERIC, pair_of_labels)
    assert '"churned"' not in comparison.json
    assert target_drift(*pair_of_labels).computable


def test_labels_change_nothing_about_the_features(tmp_path: Path) -> None:
    cur = {"f": [value + 30 for value in NUMBERS]}
    pair_of_labels = labels(tmp_path, JANUARY, booleans(20)), labels(tmp_path, FEBRUARY, booleans(180))
    with_labels = run(tmp_path, SAME, cur, NUMERIC, pair_of_labels).drift
    assert with_labels == run(tmp_path, SAME, cur, NUMERIC).drift
