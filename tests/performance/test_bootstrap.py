"""Weighted measures are scikit-learn's own; the interval covers the difference as often as it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from driftgate.performance.bootstrap import Scored, _Side, compare_scores
from driftgate.performance.result import MEASURES


def scored(users: int, strength: float, seed: int, first: int = 0, rate: float = 0.3) -> Scored:
    """Users whose scores tell the label the better the greater the strength."""
    random = np.random.default_rng(seed)
    labels = (random.random(users) < rate).astype(float)
    logits = strength * (labels - rate) + random.normal(size=users) - 1
    keys = np.array([f"u{n}" for n in range(first, first + users)])
    return Scored(keys, labels, 1 / (1 + np.exp(-logits)))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 60), st.booleans(), st.booleans())
def test_measures_are_scikit_learns(seed: int, users: int, weighted: bool, ties: bool) -> None:
    random = np.random.default_rng(seed)
    labels = np.r_[0.0, 1.0, random.integers(0, 2, users)]
    scores = np.clip(random.random(users + 2), 0.001, 0.999)
    if ties:
        scores = np.round(scores, 1).clip(0.1, 0.9)
    weights = random.integers(1, 4, users + 2).astype(float) if weighted else np.ones(users + 2)
    keys = np.arange(users + 2).astype(str)
    found = dict(zip(MEASURES, _Side(Scored(keys, labels, scores)).measures(weights[None, :])[0], strict=True))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(labels, scores, sample_weight=weights))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, scores, sample_weight=weights))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(labels, scores, sample_weight=weights))
    assert found["positive_rate"] == pytest.approx(np.average(labels, weights=weights))


def test_calibration_error_is_the_gap_between_rate_and_score() -> None:
    # In one bin 2 of 4 where 0.25 was said, in another 1 of 1 where 0.9 was said.
    side = Scored(np.array(list("abcde")), np.array([0, 0, 1, 1, 1.0]), np.array([0.25, 0.25, 0.25, 0.25, 0.9]))
    found = dict(zip(MEASURES, _Side(side).measures(np.ones((1, 5)))[0], strict=True))
    assert found["calibration_error"] == pytest.approx((4 * 0.25 + 0.1) / 5)


def test_same_users_same_scores_no_difference_at_all() -> None:
    side = scored(500, 2.0, 1)
    for change in compare_scores(side, side).values():
        assert change.difference == 0.0
        assert (change.low, change.high) == (0.0, 0.0)


def test_a_lost_relation_is_a_drop_that_excludes_zero() -> None:
    change = compare_scores(scored(1500, 2.0, 1), scored(1500, 0.0, 2))["auc"]
    assert change.ref > 0.85
    assert change.cur == pytest.approx(0.5, abs=0.05)
    assert change.low < change.difference < change.high < -0.2


def test_same_seed_same_interval_whatever_the_row_order() -> None:
    ref, cur = scored(300, 1.0, 1), scored(300, 0.5, 2)
    order = np.random.default_rng(0).permutation(300)
    shuffled = Scored(cur.keys[order], cur.labels[order], cur.scores[order])
    first, again = compare_scores(ref, cur, 100), compare_scores(ref, shuffled, 100)
    for name in MEASURES:
        assert first[name].low == pytest.approx(again[name].low)
        assert first[name].high == pytest.approx(again[name].high)
    assert compare_scores(ref, cur, 100, seed=1)["auc"].low != first["auc"].low


def test_the_interval_covers_no_difference_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(100):
        change = compare_scores(scored(400, 1.5, 2 * seed), scored(400, 1.5, 2 * seed + 1, first=400), 200)["auc"]
        covered += change.low <= 0.0 <= change.high
    # Of 100 intervals at 95%, fewer than 87 has a chance of about one in a thousand.
    assert covered >= 87


def test_users_on_both_sides_share_their_luck() -> None:
    """The interval of a paired difference is narrower than that of strangers."""
    ref = scored(800, 1.5, 1)
    noise = np.random.default_rng(3).normal(scale=0.01, size=800)
    cur = Scored(ref.keys, ref.labels, np.clip(ref.scores + noise, 0.001, 0.999))
    strangers = Scored(np.array([f"x{key}" for key in cur.keys]), cur.labels, cur.scores)
    paired, apart = (compare_scores(ref, side)["auc"] for side in (cur, strangers))
    assert paired.high - paired.low < (apart.high - apart.low) / 3
