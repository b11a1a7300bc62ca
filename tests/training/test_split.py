"""Which side a user is on."""

import math
from decimal import Decimal
from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.training.split import drawn_mask, group_mask, held_out, is_validation, key_text, validation_mask

seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(st.lists(st.text(), unique=True), seeds, st.randoms())
def test_the_side_does_not_depend_on_the_order_of_rows(keys: list[str], seed: int, random) -> None:
    before = dict(zip(keys, validation_mask(keys, seed), strict=True))
    random.shuffle(keys)
    assert dict(zip(keys, validation_mask(keys, seed), strict=True)) == before


@settings(deadline=None)
@given(st.integers(-(2**31), 2**31 - 1), seeds)
def test_the_side_does_not_depend_on_the_type_of_the_key(key: int, seed: int) -> None:
    forms = [key, str(key), float(key), np.int32(key), np.int64(key), np.float64(key)]
    assert len({is_validation(form, seed) for form in forms}) == 1
    assert {key_text(form) for form in forms} == {str(key)}


@settings(deadline=None)
@given(st.uuids(), seeds)
def test_a_uuid_is_its_text(key: UUID, seed: int) -> None:
    assert is_validation(key, seed) == is_validation(str(key), seed)


@settings(deadline=None)
@given(st.text(), seeds, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_the_users_of_a_smaller_one(key: str, seed: int, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert is_validation(key, seed, large) or not is_validation(key, seed, small)


@settings(deadline=None)
@given(st.text(), seeds)
def test_no_share_is_nobody_and_the_whole_is_everybody(key: str, seed: int) -> None:
    assert not is_validation(key, seed, 0.0)
    assert is_validation(key, seed, 1.0)


def test_a_fifth_is_kept_back_and_another_seed_keeps_others() -> None:
    users = [f"{number:04d}-USER" for number in range(20_000)]
    one, two = validation_mask(users, 42), validation_mask(users, 43)
    # Five standard deviations of a binomial share.
    assert abs(one.mean() - 0.2) < 5 * (0.2 * 0.8 / len(users)) ** 0.5
    assert abs((one & two).mean() - 0.04) < 5 * (0.04 * 0.96 / len(users)) ** 0.5


def test_the_sides_never_change() -> None:
    """Versions that were trained long ago still know their users by this rule."""
    kept_back = ["8779-QRDMV", "6322-HRPFA", "5248-YGIJN"]
    assert (
        validation_mask([*kept_back, "7590-VHVEG", "5575-GNVDE", "3668-QPYBK"], 42).tolist() == [True] * 3 + [False] * 3
    )


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 6), seeds)
def test_a_whole_decimal_is_its_integer(key: int, places: int, seed: int) -> None:
    """As the type numeric(12, 2) gives it."""
    written = Decimal(f"{key}.{'0' * places}" if places else key)
    assert key_text(written) == str(key)
    assert is_validation(written, seed) == is_validation(key, seed)


def test_decimals_are_told_apart() -> None:
    assert key_text(Decimal("5.00")) == "5" == key_text(Decimal(5))
    assert [key_text(Decimal(given)) for given in ("5.25", "1E+2", "NaN")] == ["5.25", "100", "NaN"]


@settings(deadline=None)
@given(st.lists(st.sampled_from([f"day {n}" for n in range(40)]), min_size=1), seeds, st.randoms())
def test_a_third_of_the_groups_is_held_out_whole(groups: list[str], seed: int, random) -> None:
    mask = group_mask(np.array(groups), seed)
    sides = dict(zip(groups, mask.tolist(), strict=True))
    assert [sides[group] for group in groups] == mask.tolist()
    assert sum(sides.values()) == math.ceil(len(sides) / 3)
    random.shuffle(groups)
    assert dict(zip(groups, group_mask(np.array(groups), seed).tolist(), strict=True)) == sides


def test_groups_are_split_by_their_share_and_entities_by_theirs() -> None:
    keys = np.array([f"u{n}" for n in range(2000)])
    groups = np.repeat([f"day {n}" for n in range(20)], 100)
    assert held_out(keys, None, 1).tolist() == validation_mask(keys.tolist(), 1).tolist()
    assert held_out(keys, groups, 1).sum() == 700
    assert held_out(keys, groups, 1, 0.5).sum() == 1000


@settings(deadline=None)
@given(st.sets(st.text("abc123", min_size=1), min_size=1), st.integers(1, 40), seeds)
def test_so_many_are_drawn_the_same_in_two_months_of_one_size(names: set[str], most: int, seed: int) -> None:
    keys = sorted(names)
    mask = drawn_mask(np.array(keys), most, seed)
    assert mask.sum() == min(most, len(keys))
    turned = drawn_mask(np.array(keys[::-1]), most, seed)
    assert turned.tolist() == mask.tolist()[::-1]


def test_groups_are_drawn_whole() -> None:
    days = np.repeat([f"day {n}" for n in range(30)], 100)
    mask = drawn_mask(days, 1000, 0)
    assert mask.sum() == 1000 and len(np.unique(days[mask])) == 10


def test_what_is_drawn_falls_on_both_sides() -> None:
    """Had both one hash, all that is drawn were on one side."""
    keys = np.array([f"u{n}" for n in range(5000)])
    drawn = keys[drawn_mask(keys, 1000, 0)]
    assert 400 < held_out(drawn, None, 0, 0.5).sum() < 600
