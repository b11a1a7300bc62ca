"""What the change of each feature costs, on data whose answer is known."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored
from driftgate.performance.evaluation_model import Rows
from driftgate.performance.feature_costs import feature_costs
from driftgate.performance.findings import FeatureCost
from tests.performance.test_causes import causes, rows

NAMES = ("value", "group")


def costs(ref: Rows, cur: Rows, seed: int = 0) -> dict[str, FeatureCost]:
    return {item.name: item for item in feature_costs(ref, cur, NAMES, 100, seed)}


def test_the_feature_that_moved_costs_what_other_entities_cost() -> None:
    ref, cur = rows(1, 0.8, 3.0), rows(2, 0.2, 3.0)
    found, split = costs(ref, cur), causes(ref, cur)
    assert found["group"].cost.low > 0.05
    assert found["group"].value == pytest.approx(split.entities.value, abs=0.03)
    assert found["value"].cost.low < 0.0 < found["value"].cost.high and abs(found["value"].value) < 0.02
    assert list(found) == ["group", "value"], "the most costly first"


def test_another_meaning_alone_costs_no_feature_anything() -> None:
    for item in costs(rows(1, 0.8, 3.0), rows(2, 0.8, -1.0)).values():
        assert item.cost.low < 0.0 < item.cost.high and abs(item.value) < 0.02


def test_an_error_rises_in_parts_of_its_reference() -> None:
    found = costs(rows(1, 0.8, 3.0, numeric=True), rows(2, 0.2, 3.0, numeric=True))
    assert found["group"].cost.low > 0.3 and abs(found["value"].value) < 0.1


def test_the_interval_holds_the_cost_that_the_making_of_the_months_gives() -> None:
    """150 pairs, seeds 0 to 299: a feature that stays costs nothing; 95% of intervals, 2.5 errors wide."""
    held = 0
    for seed in range(0, 300, 2):
        found = costs(rows(seed, 0.5, 2.0, 500), rows(seed + 1, 0.5, 2.0, 500), seed)
        held += found["group"].cost.low <= 0.0 <= found["group"].cost.high
    assert held / 150 >= 0.95 - 2.5 * 0.0178


@given(st.integers(0, 1000))
def test_values_as_before_cost_nothing(seed: int) -> None:
    ref = rows(seed, 0.5, 2.0, 300)
    for item in feature_costs(ref, ref, NAMES, 2, seed, replicates=3):
        assert abs(item.value) < 1e-12 and item.cost.high - item.cost.low < 1e-12


def test_values_that_the_reference_does_not_have_have_no_cost() -> None:
    found = costs(rows(1, 1.0, 3.0), rows(2, 0.7, 3.0))
    assert "of no entity of the reference" in found["group"].reason and np.isnan(found["group"].value)
    assert not found["value"].reason and list(found) == ["value", "group"], "those without a figure last"


def test_too_few_entities_with_such_values_have_no_cost() -> None:
    found = costs(rows(1, 0.97, 3.0, 600), rows(2, 0.03, 3.0, 600))
    assert "100 needed" in found["group"].reason


def test_a_missing_value_is_a_value() -> None:
    """The model knows nothing of entities without a value, and half of the month has none."""
    random = np.random.default_rng(3)

    def month(missing: float) -> Rows:
        value = random.normal(size=2000)
        labels = (random.random(2000) < 1 / (1 + np.exp(-3 * value))).astype(float)
        gone = random.random(2000) < missing
        scores = np.where(gone, 0.5, 1 / (1 + np.exp(-value)))
        keys = np.array([f"u{n}" for n in range(2000)])
        table = pa.table({"value": [None if no else number for no, number in zip(gone, value.tolist(), strict=True)]})
        return Rows(Scored(keys, labels, scores, LabelKind.BOOLEAN), table)

    (found,) = feature_costs(month(0.05), month(0.5), ["value"], 50)
    assert found.cost.low > 0.05
