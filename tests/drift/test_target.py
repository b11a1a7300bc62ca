"""The drift of the label: rates, means and classes, and how often chance alone gives as much."""

import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.drift.result import level_distance
from driftgate.drift.target import target_drift
from driftgate.features.labels import LabelMonth
from driftgate.measures import LabelKind
from tests.drift.months import FEBRUARY, JANUARY, labels

LEVEL = 0.005
Counts = dict[str, int]


def classes(as_of: date, counts: Counts, entities: int | None = None) -> LabelMonth:
    """A month whose label has classes."""
    there = sum(counts.values())
    return LabelMonth(
        as_of,
        entities or there,
        there,
        math.nan,
        "",
        LabelKind.CATEGORICAL,
        Path("none"),
        classes=len(counts),
        class_counts=tuple(sorted(counts.items())),
    )


def rate(as_of: date, hits: int, rows: int) -> LabelMonth:
    """A month of a boolean label."""
    return LabelMonth(as_of, rows, rows, hits / rows, "", LabelKind.BOOLEAN, None)


def test_classes_drift_by_half_of_the_sum_of_the_changes_of_their_shares() -> None:
    ref = classes(JANUARY, {"early": 200, "late": 200, "on time": 600})
    cur = classes(FEBRUARY, {"late": 360, "on time": 600, "lost": 40}, entities=2000)
    found = target_drift(ref, cur, LEVEL)
    assert found.computable and found.abs_diff == pytest.approx(0.2) and found.p_value <= LEVEL
    assert [(item.name, item.ref, item.cur) for item in found.classes] == [
        ("early", 0.2, 0.0),
        ("late", 0.2, 0.36),
        ("lost", 0.0, 0.04),
        ("on time", 0.6, 0.6),
    ]
    assert (found.labelled_ref, found.labelled_cur) == (1.0, 0.5)
    assert math.isnan(found.ref) and math.isnan(found.spread_ref), "they have neither a rate nor a mean"


counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 400), min_size=1)


@given(counts, counts)
def test_it_is_a_share_that_does_not_depend_on_the_side(one: Counts, other: Counts) -> None:
    there, back = (
        target_drift(classes(JANUARY, ref), classes(FEBRUARY, cur), LEVEL) for ref, cur in ((one, other), (other, one))
    )
    assert 0.0 <= there.abs_diff <= 1.0 + 1e-12 and there.abs_diff == pytest.approx(back.abs_diff)
    assert 0.0 < there.p_value <= 1.0 and 0.0 <= there.chance <= 1.0
    assert sum(item.ref for item in there.classes) == pytest.approx(1.0)
    if one == other:
        assert there.abs_diff == 0.0 and there.p_value > LEVEL


@given(st.integers(1, 99), st.integers(1, 99))
def test_two_classes_are_a_boolean_label(one: int, other: int) -> None:
    plain = target_drift(rate(JANUARY, one, 100), rate(FEBRUARY, other, 100), LEVEL)
    sides = ({"no": 100 - hits, "yes": hits} for hits in (one, other))
    found = target_drift(*(classes(day, side) for day, side in zip((JANUARY, FEBRUARY), sides, strict=True)), LEVEL)
    assert found.abs_diff == pytest.approx(plain.abs_diff)
    # Fisher's test and the permutations are two ways to the same figure.
    assert (found.p_value <= LEVEL) == (plain.p_value <= LEVEL) or 0.2 < plain.p_value / LEVEL < 5
    assert found.chance == pytest.approx(plain.chance, abs=0.04)


def test_calm_months_of_classes_are_beyond_their_level_as_rarely_as_it_says() -> None:
    """400 pairs of 700 labels in eight classes, seeds 0 to 399, at a level of 5%: of 20, 31 have a chance below 1%."""
    beyond = above_chance = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        sides = [dict(zip("abcdefgh", random.multinomial(700, [0.125] * 8).tolist(), strict=True)) for _ in range(2)]
        found = target_drift(classes(date(2024, 1, 1 + seed % 28), sides[0]), classes(FEBRUARY, sides[1]), 0.05)
        beyond += found.p_value <= 0.05
        above_chance += found.abs_diff > found.chance
    assert beyond <= 31
    assert 6 <= above_chance <= 36, "one in twenty, by some 256 permutations"


def test_a_move_of_one_class_is_found() -> None:
    """50 pairs of 2,000 labels, of which a tenth has moved to another class: seeds 0 to 49."""
    found = 0
    for seed in range(50):
        random = np.random.default_rng(seed)
        sides = [random.multinomial(2000, shares).tolist() for shares in ([0.2, 0.3, 0.5], [0.1, 0.4, 0.5])]
        pair = (
            classes(day, dict(zip("abc", side, strict=True)))
            for day, side in zip((JANUARY, FEBRUARY), sides, strict=True)
        )
        found += target_drift(*pair, LEVEL).p_value <= LEVEL
    assert found >= 48


def test_what_has_no_figure_says_why() -> None:
    many = replace(classes(JANUARY, {}), labelled=200, entities=200, classes=83)
    few = classes(FEBRUARY, {"a": 100, "b": 100})
    found = target_drift(many, few, LEVEL)
    assert found.reason == "the label of 2024-01-31 has 83 classes, and up to 50 are measured"
    assert math.isnan(found.abs_diff) and math.isnan(found.p_value) and found.classes == ()
    mixed = target_drift(rate(JANUARY, 20, 100), few, LEVEL)
    assert mixed.reason == "the label is boolean in 2024-01-31 and categorical in 2024-02-29" and not mixed.computable


def test_chance_alone_explains_a_difference_of_rates_and_means_once_in_twenty(tmp_path: Path) -> None:
    """200 pairs of each, seeds 0 to 199: of 10, one or none and 21 or more have a chance of less than 1%."""
    beyond = {"rate": 0, "mean": 0}
    for seed in range(200):
        random = np.random.default_rng(seed)
        hits = random.binomial(400, 0.3, size=2)
        found = target_drift(rate(JANUARY, int(hits[0]), 400), rate(FEBRUARY, int(hits[1]), 400), LEVEL)
        beyond["rate"] += found.abs_diff > found.chance
        values = (random.normal(size=100) for _ in range(2))
        sides = (labels(tmp_path, day, side) for day, side in zip((JANUARY, FEBRUARY), values, strict=True))
        found = target_drift(*sides, LEVEL)
        beyond["mean"] += found.abs_diff > found.chance
    assert all(1 < count < 21 for count in beyond.values()), beyond
    assert target_drift(rate(JANUARY, 0, 400), rate(FEBRUARY, 0, 400), LEVEL).chance == 0.0


def test_levels_of_two_kinds_have_no_distance() -> None:
    assert math.isnan(level_distance({"a": 1.0}, 0.5)) and math.isnan(level_distance(math.nan, 0.5))
    assert level_distance({"a": 1.0}, {"b": 1.0}) == 1.0
