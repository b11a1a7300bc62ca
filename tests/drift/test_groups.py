"""What chance explains where rows come in groups."""

import math

import numpy as np
import pyarrow as pa
import pytest

from driftgate.drift.groups import GroupedRows, grouped_rows
from driftgate.drift.significance import permutation_test, pooled_columns
from driftgate.features.entities import GROUP_COLUMN
from driftgate.profiles.columns import CategoryColumn, NumberColumn, category_column, number_column

DAYS, PER_DAY = 25, 40
ROWS = DAYS * PER_DAY


def months(random: np.random.Generator, within: float, shift: float = 0.0) -> GroupedRows:
    """Two months of 25 days; `within` is the share of the variance that the rows of a day have in common."""
    tables = []
    for which in ("ref", "cur"):
        day = np.repeat(np.arange(DAYS), PER_DAY)
        common = random.normal(size=(2, DAYS))[:, day] * math.sqrt(within)
        x = common[0] + random.normal(size=ROWS) * math.sqrt(1 - within) + (shift if which == "cur" else 0.0)
        cold = common[1] + random.normal(size=ROWS) * math.sqrt(1 - within) > 1.0
        tables.append(
            pa.table(
                {
                    GROUP_COLUMN: [f"{which} {at}" for at in day],
                    "x": pa.array(x, mask=cold),
                    "word": np.where(x > 0.5, "high", "low"),
                    "few": np.round(x),
                }
            )
        )
    found = grouped_rows(*tables)
    assert found is not None and (found.groups_ref, found.groups_cur) == (DAYS, DAYS)
    return found


def column(table: pa.Table, name: str) -> NumberColumn | CategoryColumn:
    values = table.column(name).to_pylist()
    if name == "word":
        return category_column({word: values.count(word) for word in set(values)})
    there = [value for value in values if value is not None]
    return number_column(there, np.ones(len(there)), nulls=len(values) - len(there))


METHODS = [
    ("wasserstein", "x"),
    ("jensenshannon", "x"),
    ("psi", "x"),
    ("hellinger", "x"),
    ("kl_div", "few"),
    ("jensenshannon", "few"),
    ("jensenshannon", "word"),
]


@pytest.mark.parametrize(("method", "name"), METHODS)
def test_the_score_is_that_of_the_counts(method: str, name: str) -> None:
    rows = months(np.random.default_rng(1), 0.2, shift=0.4)
    found = rows.pooled(method, name)
    expected = pooled_columns(method, column(rows.ref, name), column(rows.cur, name))
    assert found.statistic(found.ref, found.cur) == pytest.approx(expected.statistic(expected.ref, expected.cur))
    assert found.categories == expected.categories


def test_months_of_days_that_differ_are_calm_as_often_as_the_level_says() -> None:
    """400 pairs, seed 0: p-values of 5% at most in 20 and 19 of them; dealt out by rows, in 235."""
    random, by_groups, by_rows, missing = np.random.default_rng(0), 0, 0, 0
    for _ in range(400):
        rows = months(random, 0.3)
        by_groups += permutation_test(rows.pooled("wasserstein", "x"), 0.05, True, 1).p_value <= 0.05
        missing += permutation_test(rows.pooled_missing("x"), 0.05, True, 1).p_value <= 0.05
        counted = pooled_columns("wasserstein", column(rows.ref, "x"), column(rows.cur, "x"))
        by_rows += permutation_test(counted, 0.05, True, 1).p_value <= 0.05
    # A binomial of 400 and 0.05 is above 35 once in a thousand.
    assert by_groups <= 35 and missing <= 35
    assert by_rows > 200


def test_a_shift_of_all_days_is_found() -> None:
    """50 pairs, seed 3: half a standard deviation, where a tenth of the variance is that of the days."""
    random = np.random.default_rng(3)
    found = [
        permutation_test(months(random, 0.1, 0.5).pooled("wasserstein", "x"), 0.003, True, 1).p_value for _ in range(50)
    ]
    assert sum(value <= 0.003 for value in found) >= 48


def test_rare_words_are_counted_together_and_missing_values_by_themselves() -> None:
    random = np.random.default_rng(4)
    words = [f"w{n}" for n in random.integers(0, 900, 2000)]
    tables = [
        pa.table(
            {
                GROUP_COLUMN: [f"{side} {at % 20}" for at in range(1000)],
                "word": [None if at % 10 == 0 else words[at + 1000 * side] for at in range(1000)],
                "number": [math.inf if at % 4 == 0 else 1.0 for at in range(1000)],
            }
        )
        for side in (0, 1)
    ]
    rows = grouped_rows(*tables)
    assert rows is not None
    found = rows.pooled("psi", "word")
    assert found.categories == 257 and found.ref.sum() == found.cur.sum() == 900
    assert rows.pooled_missing("number").ref.tolist() == [750, 250]
    assert rows.pooled("wasserstein", "number").categories == 1


def test_without_groups_there_are_no_grouped_rows() -> None:
    table = pa.table({"x": [1.0]})
    assert grouped_rows(table, table) is None
