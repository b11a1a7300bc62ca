"""Counts of (score bin, label): nobody is lost, and the curves that they give are those of the scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.measures import LabelKind, values_of
from driftgate.performance.bootstrap import Scored
from driftgate.performance.score_bins import score_bins


def scored(seed: int, rows: int, digits: int = 9, low: float = 0.0) -> Scored:
    random = np.random.default_rng(seed)
    scores = np.round(low + (1 - low) * random.random(rows), digits)
    labels = (random.random(rows) < scores).astype(float)
    return Scored(np.array([f"u{n}" for n in range(rows)]), labels, scores)


@given(st.integers(0, 10**6), st.integers(1, 300), st.sampled_from([0, 1, 9]))
def test_every_entity_is_in_one_bin(seed: int, rows: int, digits: int) -> None:
    ref, cur = scored(seed, rows, digits), scored(seed + 1, rows + 7, digits, 0.6)
    found = score_bins(ref, cur)
    assert 1 <= len(found) <= 19
    for side, name in ((ref, "ref"), (cur, "cur")):
        assert sum(getattr(item, f"entities_{name}") for item in found) == len(side.labels)
        assert sum(getattr(item, f"positives_{name}") for item in found) == side.labels.sum()
        means = [(getattr(item, f"entities_{name}"), getattr(item, f"mean_score_{name}")) for item in found]
        assert sum(count * mean for count, mean in means if count) == pytest.approx(side.scores.sum())
    for item in found:
        assert (item.mean_score_cur is not None) == (item.entities_cur > 0)
        if item.mean_score_cur is not None:
            assert item.lower is None or item.mean_score_cur >= item.lower - 1e-12
            assert item.upper is None or item.mean_score_cur <= item.upper + 1e-12


def test_the_auc_of_the_bins_is_that_of_the_scores_but_for_what_a_bin_hides() -> None:
    ref, cur = scored(1, 4000), scored(2, 4000)
    found = score_bins(ref, cur)
    positive = np.array([item.positives_cur for item in found], float)
    negative = np.array([item.entities_cur for item in found], float) - positive
    below = np.cumsum(negative) - negative
    auc = (positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum())
    assert auc == pytest.approx(values_of(LabelKind.BOOLEAN, cur.labels, cur.scores)["auc"], abs=0.005)


def test_numbers_have_no_such_bins() -> None:
    numbers = Scored(np.array(["a", "b"]), np.array([1.0, 2.0]), np.array([1.5, 1.5]), LabelKind.NUMERIC)
    assert score_bins(numbers, numbers) == ()
