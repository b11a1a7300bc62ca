"""The interval covers the difference as often as it says."""

import numpy as np
import pytest

from driftgate.measures import LabelKind, measures_of
from driftgate.performance.bootstrap import Scored, compare_scores


def scored(users: int, strength: float, seed: int, first: int = 0, rate: float = 0.3) -> Scored:
    """Users whose scores tell the label the better the greater the strength."""
    random = np.random.default_rng(seed)
    labels = (random.random(users) < rate).astype(float)
    logits = strength * (labels - rate) + random.normal(size=users) - 1
    keys = np.array([f"u{n}" for n in range(first, first + users)])
    return Scored(keys, labels, 1 / (1 + np.exp(-logits)))


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
    for name in (measure.name for measure in measures_of(LabelKind.BOOLEAN)):
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
