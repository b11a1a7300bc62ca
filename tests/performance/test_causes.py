"""Why a model is worse, on data whose answer is known: other entities, another meaning, both, or neither."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored
from driftgate.performance.causes import month_probabilities, split_drop
from driftgate.performance.evaluation_model import Rows
from driftgate.performance.findings import Causes, Unexplained
from driftgate.training.features import InputKind, ModelFeature

# Fewer than a run draws, because each fits trees twice.
REPLICATES = 8
FEATURES = (
    ModelFeature("value", "v", "FLOAT64", InputKind.NUMBER),
    ModelFeature("group", "v", "STRING", InputKind.CATEGORY),
)


def rows(seed: int, loud: float, strength: float, users: int = 2000, numeric: bool = False) -> Rows:
    """A month of two groups. The model reads the value, which says much of the loud group's label and little of others.

    Args:
        loud: share of the loud group; less of it makes the model worse by its entities alone.
        strength: how the label follows the value in the loud group; less of it is another meaning.
        numeric: whether the label is a number.
    """
    random = np.random.default_rng(seed)
    value, is_loud = random.normal(size=users), random.random(users) < loud
    slope = np.where(is_loud, strength, 0.2)
    keys = np.array([f"u{n}" for n in range(users)])
    table = pa.table({"value": value, "group": np.where(is_loud, "loud", "quiet").tolist()})
    if numeric:
        labels = slope * value + random.normal(size=users) * np.where(is_loud, 0.3, 2.0)
        return Rows(Scored(keys, labels, np.where(is_loud, 3.0, 0.2) * value, LabelKind.NUMERIC), table)
    labels = (random.random(users) < 1 / (1 + np.exp(-slope * value))).astype(float)
    return Rows(Scored(keys, labels, 1 / (1 + np.exp(-value))), table)


def causes(ref: Rows, cur: Rows, seed: int = 0) -> Causes:
    return split_drop(
        ref.scored, cur.scored, month_probabilities(ref.entities, cur.entities, FEATURES, seed), 100, seed, REPLICATES
    )


def test_other_entities_alone() -> None:
    found = causes(rows(1, 0.8, 3.0), rows(2, 0.2, 3.0))
    assert found.entities.low > 0.05 and found.meaning.low < 0.0 < found.meaning.high
    assert found.entities.value > 4 * abs(found.meaning.value)


def test_another_meaning_alone() -> None:
    found = causes(rows(1, 0.8, 3.0), rows(2, 0.8, -1.0))
    assert found.meaning.low > 0.2 and abs(found.entities.value) < 0.1 * found.meaning.value


def test_both() -> None:
    found = causes(rows(1, 0.8, 3.0), rows(2, 0.4, 1.0))
    assert found.meaning.low > 0.02 and found.entities.low > 0.02


def test_an_error_of_numbers_is_split_in_parts_of_its_reference() -> None:
    entities = causes(rows(1, 0.8, 3.0, numeric=True), rows(2, 0.2, 3.0, numeric=True))
    assert entities.entities.low > 0.3 and abs(entities.meaning.value) < 0.15
    meaning = causes(rows(1, 0.8, 3.0, numeric=True), rows(2, 0.8, 1.0, numeric=True))
    assert meaning.meaning.low > 0.3 and abs(meaning.entities.value) < 0.15


def test_where_nothing_changed_the_intervals_hold_zero() -> None:
    """5 pairs of months of one distribution, seeds 0 to 9; two misses of a 95% interval have a chance of 2%."""
    missed = {"meaning": 0, "entities": 0}
    for seed in range(0, 10, 2):
        found = causes(rows(seed, 0.5, 2.0, 800), rows(seed + 1, 0.5, 2.0, 800), seed)
        missed["meaning"] += not found.meaning.low <= 0.0 <= found.meaning.high
        missed["entities"] += not found.entities.low <= 0.0 <= found.entities.high
    assert max(missed.values()) <= 1


@given(st.integers(0, 1000), st.floats(-0.4, 0.4))
def test_the_parts_add_up_to_the_drop_and_equal_probabilities_leave_no_part_for_the_entities(
    seed: int, tilt: float
) -> None:
    ref, cur = rows(seed, 0.5, 2.0, 300).scored, rows(seed + 1, 0.5, 0.5, 300).scored
    half = np.full(300, 0.5)
    plain = split_drop(ref, cur, lambda *_: (half, half), replicates=2)
    assert abs(plain.entities.value) < 1e-12 and plain.alike == 300
    leaning = np.clip(0.5 + tilt * np.sin(np.arange(300)), 0.05, 0.95)
    split = split_drop(ref, cur, lambda *_: (leaning, leaning[::-1]), replicates=2)
    assert split.entities.value + split.meaning.value == pytest.approx(plain.meaning.value, abs=1e-12)


def test_months_without_a_common_entity_are_not_split() -> None:
    found = causes(rows(1, 1.0, 3.0, 1000), rows(2, 0.0, 3.0, 1000))
    assert found.code is Unexplained.TOO_DIFFERENT and "too little in common" in found.reason
    assert found.alike < 100 and not found.split


def test_an_entity_is_not_known_again_by_the_model_that_tells_the_months_apart() -> None:
    ref = rows(1, 0.5, 2.0, 1000)
    old, new = month_probabilities(ref.entities, ref.entities, FEATURES)(np.ones(1000), np.ones(1000))
    assert np.abs(np.concatenate([old, new]) - 0.5).max() < 0.2
