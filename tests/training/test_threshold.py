"""The threshold against scikit-learn's own search, and what must hold of it whatever the scores are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from driftgate.training.metrics import auc, f1
from driftgate.training.threshold import EARLIER_THRESHOLD, best_threshold, positives_of

Rows = list[tuple[int, float]]
# Few distinct scores, so that ties are common; neighbours that differ in the last digit; the ends.
scores = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 5e-324, 0.1, 0.5, float(np.nextafter(0.5, 1)), 1.0]))
with_a_positive = st.lists(st.tuples(st.integers(0, 1), scores), min_size=1, max_size=60).filter(
    lambda rows: any(label for label, _ in rows)
)


def split(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] for row in rows], dtype=np.float64), np.array([row[1] for row in rows])


@given(with_a_positive)
def test_no_threshold_has_a_greater_f1(rows: Rows) -> None:
    labels, probabilities = split(rows)
    chosen = best_threshold(labels, probabilities)
    assert 0.0 <= chosen <= 1.0
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300))
    assert f1(labels, probabilities, chosen) == pytest.approx(best)


@given(with_a_positive)
def test_of_equal_ones_it_calls_the_fewest_positive(rows: Rows) -> None:
    labels, probabilities = split(rows)
    chosen = best_threshold(labels, probabilities)
    called = (probabilities >= chosen).sum()
    fewer = [score for score in probabilities if (probabilities >= score).sum() < called]
    assert all(f1(labels, probabilities, score) < f1(labels, probabilities, chosen) for score in fewer)


@given(with_a_positive, st.randoms())
def test_the_order_of_the_rows_does_not_change_it(rows: Rows, random: object) -> None:
    chosen = best_threshold(*split(rows))
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert best_threshold(*split(rows)) == chosen


def test_it_is_a_number_that_can_be_typed() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random(1_400)
    labels = (random.random(1_400) < probabilities**2).astype(np.float64)
    assert len(str(best_threshold(labels, probabilities))) <= 7


def test_of_right_probabilities_it_is_half_of_the_best_f1() -> None:
    # Lipton, Elkan and Narayanaswamy 2014; 100,000 rows, seed 0.
    random = np.random.default_rng(0)
    probabilities = random.beta(1, 3, 100_000)
    labels = (random.random(100_000) < probabilities).astype(np.float64)
    chosen = best_threshold(labels, probabilities)
    assert chosen == pytest.approx(f1(labels, probabilities, chosen) / 2, abs=0.02)
    assert f1(labels, probabilities, chosen) > f1(labels, probabilities, EARLIER_THRESHOLD) + 0.1


def test_the_threshold_itself_is_positive() -> None:
    assert positives_of(np.array([0.29, 0.3, 0.31]), 0.3).tolist() == [0, 1, 1]


@pytest.mark.parametrize(("rate", "spread", "area", "times"), [(0.05, 6, 0.88, 1.7), (0.24, 20, 0.64, 2.2)])
def test_it_calls_more_positive_than_there_are(rate: float, spread: float, area: float, times: float) -> None:
    # Right probabilities of 1,400 entities, seeds 0 to 59.
    called, areas = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        probabilities = random.beta(rate * spread, (1 - rate) * spread, 1_400)
        labels = (random.random(1_400) < probabilities).astype(np.float64)
        positives = positives_of(probabilities, best_threshold(labels, probabilities))
        called.append(positives.mean() / labels.mean())
        areas.append(auc(labels, probabilities))
    assert np.mean(areas) == pytest.approx(area, abs=0.01)
    assert np.mean(called) == pytest.approx(times, abs=0.05)
