"""The interval covers the difference as often as it says."""

from dataclasses import replace

import numpy as np
import pytest

from driftgate.measures import LabelKind, measures_of
from driftgate.performance.bootstrap import Scored, compare_scores, drop_differences


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
    paired, unpaired = (compare_scores(ref, side)["auc"] for side in (cur, strangers))
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 3


def predicted(users: int, seed: int, first: int = 0, scale: float = 1.0, tail: float = 0.0) -> Scored:
    """Predictions of a number with errors of that scale; the heavier the tail, the more rest on a few of them."""
    random = np.random.default_rng(seed)
    labels = random.normal(size=users)
    errors = scale * random.normal(size=users) * np.exp(tail * random.normal(size=users))
    return Scored(np.array([f"u{n}" for n in range(first, first + users)]), labels, labels + errors, LabelKind.NUMERIC)


def test_a_rise_of_the_error_is_in_parts_of_it_with_its_interval() -> None:
    changes = compare_scores(predicted(600, 1), predicted(1500, 2, first=600, scale=1.5))
    for name in ("rmse", "mae"):
        change = changes[name]
        rise = change.difference / change.ref
        assert 0.3 < change.relative_low < rise < change.relative_high < 0.7
        assert change.low < change.difference < change.high and change.p_value == pytest.approx(1 / 501)
    assert np.isnan(changes["bias"].relative_low) and changes["bias"].p_value > 0.01


def test_a_rise_does_not_depend_on_the_unit() -> None:
    ref, cur = predicted(300, 1), predicted(300, 2, scale=1.2)
    scaled = [Scored(side.keys, side.labels * 1e6, side.scores * 1e6, side.kind) for side in (ref, cur)]
    one, other = compare_scores(ref, cur, 100)["rmse"], compare_scores(*scaled, 100)["rmse"]
    assert (one.relative_low, one.p_value) == (pytest.approx(other.relative_low), other.p_value)
    assert one.low * 1e6 == pytest.approx(other.low)


@pytest.mark.parametrize("tail", [0.0, 1.0], ids=["normal", "heavy tail"])
def test_a_calm_month_rises_surely_no_more_often_than_its_level(tail: float) -> None:
    """Whatever the errors are like: of 200 pairs at a level of 5% more than 20 would come once in a thousand times."""
    sure = 0
    for seed in range(200):
        ref, cur = predicted(60, 2 * seed, tail=tail), predicted(200, 2 * seed + 1, first=60, tail=tail)
        change = compare_scores(ref, cur, 99)["rmse"]
        sure += change.difference > 0 and change.p_value <= 0.05
    assert sure <= 20


def test_the_interval_of_an_error_covers_no_difference_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(100):
        change = compare_scores(predicted(400, 2 * seed), predicted(400, 2 * seed + 1, first=400), 200)["rmse"]
        covered += change.relative_low <= 0.0 <= change.relative_high
    assert covered >= 87


def test_entities_of_both_sides_only_change_them() -> None:
    """What is peculiar to an entity is in both its errors, and does not look like a difference of the months."""
    random = np.random.default_rng(5)
    labels, own = random.normal(size=400), np.exp(1.5 * random.normal(size=400))
    keys = np.array([f"u{n}" for n in range(400)])
    sides = [Scored(keys, labels, labels + own * scale, LabelKind.NUMERIC) for scale in (1.0, 1.05)]
    assert compare_scores(sides[0], sides[1])["rmse"].p_value == pytest.approx(1 / 501)
    strangers = Scored(np.array([f"x{key}" for key in keys]), labels, sides[1].scores, LabelKind.NUMERIC)
    assert compare_scores(sides[0], strangers)["rmse"].p_value > 0.1


def test_entities_of_one_group_are_resampled_together() -> None:
    """Each of 40 days has the rank of its flights in common: its interval is wider, and its p-value says less."""
    random, sides = np.random.default_rng(5), []
    for side in range(2):
        day = np.repeat(np.arange(40), 25)
        labels = (random.random(1000) < 0.3).astype(float)
        right = random.normal(size=40)[day]
        scores = 1 / (1 + np.exp(-(labels * right + 0.3 * random.normal(size=1000))))
        days = np.array([f"{side} {at}" for at in day])
        sides.append(Scored(np.array([f"{side} u{n}" for n in range(1000)]), labels, scores, groups=days))
    alone = compare_scores(*(replace(side, groups=None) for side in sides))["auc"]
    grouped = compare_scores(*sides)["auc"]
    assert (grouped.ref, grouped.cur) == (alone.ref, alone.cur)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    difference, drawn = drop_differences(sides[0], replace(sides[0], scores=1 - sides[0].scores), 200, 1)
    plain = drop_differences(replace(sides[0], groups=None), replace(sides[0], scores=1 - sides[0].scores), 200, 1)
    assert difference == plain[0] and drawn.std() > 2 * plain[1].std()


def test_groups_of_one_entity_are_entities() -> None:
    ref, cur = scored(300, 1.0, 1), scored(300, 0.5, 2)
    alone = compare_scores(ref, cur)["auc"]
    found = compare_scores(*(replace(side, groups=side.keys) for side in (ref, cur)))["auc"]
    assert (found.low, found.high) == (alone.low, alone.high)
    assert 0.2 < found.p_value / alone.p_value < 5 or max(found.p_value, alone.p_value) < 0.02
