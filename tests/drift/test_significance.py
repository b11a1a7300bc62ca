"""The permutation test: exact on calm months, sharp on moved ones, the same every time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, kstest

from driftgate.drift.significance import (
    Pooled,
    Significance,
    column_level,
    permutation_test,
    pooled_columns,
    proportions_p_value,
    seed_of,
)
from driftgate.methods import METHODS
from driftgate.profiles.columns import NumberColumn, category_column, number_column
from driftgate.profiles.grid import number_grid
from driftgate.profiles.scores import score, without_bias

SAMPLES = {
    "normal": lambda random, n: random.normal(size=n),
    "lognormal(2)": lambda random, n: random.lognormal(sigma=2, size=n),
    "pareto(1.5)": lambda random, n: random.pareto(1.5, size=n),
    "poisson": lambda random, n: random.poisson(3.0, size=n).astype(float),
}


def pooled_numbers(method: str, ref: np.ndarray, cur: np.ndarray) -> Pooled:
    """Two samples of finite numbers, shape (n,) and (m,)."""
    left, right = (number_column(*np.unique(side + 0.0, return_counts=True)) for side in (ref, cur))
    return pooled_columns(method, left, right)


def pooled_categories(method: str, ref: np.ndarray, cur: np.ndarray) -> Pooled:
    """Two samples of categories by their occurrences, shape (k,) each, in the same order."""
    names = [f"{position:09}" for position in range(len(ref))]
    left, right = (category_column(dict(zip(names, side.tolist(), strict=True))) for side in (ref, cur))
    return pooled_columns(method, left, right)


def numbers_significance(
    method: str, ref: np.ndarray, cur: np.ndarray, level: float, reached: bool, seed: int
) -> Significance:
    return permutation_test(pooled_numbers(method, ref, cur), level, reached, seed)


@pytest.mark.parametrize("rows", [300, 1001])
@pytest.mark.parametrize("name", SAMPLES)
def test_on_calm_months_small_p_values_are_as_rare_as_they_say(name: str, rows: int) -> None:
    """Below the threshold the test draws 256 permutations and ends at none of them early."""
    random = np.random.default_rng(seed_of(name, rows))
    found = [
        numbers_significance(
            "wasserstein", SAMPLES[name](random, rows), SAMPLES[name](random, rows), 0.9999, False, seed
        ).p_value
        for seed in range(150)
    ]
    assert kstest(found, "uniform").pvalue > 0.001
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


@pytest.mark.parametrize("method", ["jensenshannon", "psi", "kl_div", "hellinger"])
@pytest.mark.parametrize("categories", [2, 8, 2000])
def test_categories_likewise(method: str, categories: int) -> None:
    random = np.random.default_rng(categories)
    shares = random.dirichlet(np.ones(categories))
    found = []
    for seed in range(150):
        ref, cur = random.multinomial(1001, shares, size=2)
        found.append(permutation_test(pooled_categories(method, ref, cur), 0.9999, False, seed).p_value)
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


@pytest.mark.parametrize(("features", "equal"), [(1, False), (3, False), (14, False), (3, True), (14, True)])
def test_a_calm_month_of_few_features_seldom_triggers(features: int, equal: bool) -> None:
    """The worst cell of the rules before: 1,001 rows of a heavy tail, where 47% of calm months retrained."""
    random = np.random.default_rng(features + 100 * equal)
    level = column_level(0.01, 0.3, features)
    # Fewer months of many features, which cost as much together.
    months = 200 if equal or features < 14 else 80
    triggers = 0
    for month in range(months):
        shape = (2, 1 if equal else features, 1001)
        ref, cur = random.pareto(1.5, size=shape)
        drifted = sum(
            numbers_significance("wasserstein", one, other, level, True, seed_of(month, at)).p_value <= level
            for at, (one, other) in enumerate(zip(ref, cur, strict=True))
        )
        triggers += drifted * (features if equal else 1) >= 0.3 * features
    # At 1% more than 7 of 200 come with probability .001, and more than 4 of 80.
    assert triggers <= (7 if months == 200 else 4)


def test_a_shift_of_a_fifth_of_the_spread_is_found_from_2000_rows_on() -> None:
    random = np.random.default_rng(5)
    level = column_level(0.005, 0.3, 14)
    found = [
        numbers_significance(
            "wasserstein", random.normal(size=2000), random.normal(0.2, size=2000), level, True, seed
        ).p_value
        for seed in range(100)
    ]
    assert np.mean(np.array(found) <= level) >= 0.95


def test_a_calm_column_costs_few_permutations_and_a_moved_one_as_many_as_its_level_needs() -> None:
    random = np.random.default_rng(1)
    ref, cur = random.normal(size=(2, 2000))
    assert numbers_significance("wasserstein", ref, cur, 0.001, True, 0).permutations == 256
    assert numbers_significance("wasserstein", ref, cur + 1, 0.001, False, 0).permutations == 256
    moved = numbers_significance("wasserstein", ref, cur + 1, 0.0001, True, 0)
    assert moved.permutations >= 40_000 and moved.p_value == 1 / (1 + moved.permutations)


def test_chance_is_what_two_samples_of_one_distribution_show() -> None:
    random = np.random.default_rng(2)
    scores = []
    for seed in range(100):
        ref, cur = random.normal(size=(2, 500))
        scores.append(numbers_significance("wasserstein", ref, cur, 0.001, False, seed).chance)
    assert 0.09 < float(np.median(scores)) < 0.16
    larger = random.normal(size=(2, 50_000))
    assert numbers_significance("wasserstein", *larger, 0.001, False, 0).chance < 0.02


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=60),
    st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=60),
    st.sampled_from(["wasserstein", "jensenshannon", "psi"]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter_and_nothing_overflows(ref, cur, method, random) -> None:  # type: ignore[no-untyped-def]
    first = numbers_significance(method, np.array(ref), np.array(cur), 0.01, True, 3)
    random.shuffle(ref)
    random.shuffle(cur)
    again = numbers_significance(method, np.array(ref), np.array(cur), 0.01, True, 3)
    assert first == again
    assert 0 < first.p_value <= 1 and math.isfinite(first.chance)


def test_scale_and_unit_do_not_matter() -> None:
    random = np.random.default_rng(4)
    ref, cur = random.normal(size=(2, 1000))
    plain = numbers_significance("wasserstein", ref, cur + 0.15, 0.001, True, 0)
    for scaled in (
        numbers_significance("wasserstein", ref * 2.0**-900, (cur + 0.15) * 2.0**-900, 0.001, True, 0),
        numbers_significance("wasserstein", ref * 2.0**900, (cur + 0.15) * 2.0**900, 0.001, True, 0),
    ):
        assert scaled.p_value == plain.p_value and scaled.chance == pytest.approx(plain.chance)


def test_a_constant_is_no_drift() -> None:
    same = np.full(500, 7.0)
    assert numbers_significance("wasserstein", same, same, 0.01, True, 0).p_value == 1.0


def test_the_exact_test_of_two_shares_is_fishers() -> None:
    for table in ((3, 50, 9, 60), (0, 10, 0, 10), (5, 5, 0, 5), (120, 7043, 300, 7043)):
        hits_ref, rows_ref, hits_cur, rows_cur = table
        expected = fisher_exact([[hits_ref, rows_ref - hits_ref], [hits_cur, rows_cur - hits_cur]]).pvalue
        assert proportions_p_value(*table) == pytest.approx(float(expected), rel=1e-6, abs=1e-300)


def test_the_bias_of_jensen_shannon_is_what_equal_samples_show() -> None:
    from scipy.spatial.distance import jensenshannon

    random = np.random.default_rng(3)
    shares = np.full(40, 1 / 40)
    raw = [jensenshannon(*random.multinomial(2000, shares, size=2)) for _ in range(200)]
    squares = np.mean(np.array(raw) ** 2)
    assert squares == pytest.approx(39 / 8 * (2 / 2000), rel=0.05)
    assert np.mean([without_bias(score, 40, 2000, 2000) for score in raw]) < 0.03


def test_a_large_split_is_tested_in_the_blink_of_an_eye() -> None:
    assert 0.3 < proportions_p_value(1_000_000, 10_000_000, 1_000_500, 10_000_000) < 1
    assert proportions_p_value(0, 10_000_000, 1_000_000, 10_000_000) == 0


# From profiles


def column(values: np.ndarray) -> NumberColumn:
    return number_column(values, np.ones(len(values)))


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if not method.p_value])
def test_profiles_and_samples_give_the_same(method: str) -> None:
    random = np.random.default_rng(8)
    ref, cur = random.lognormal(size=(2, 900))
    from_columns = pooled_columns(method, column(ref), column(cur))
    assert permutation_test(from_columns, 0.01, True, 5) == numbers_significance(method, ref, cur, 0.01, True, 5)
    if method != "wasserstein":
        assert from_columns.statistic(from_columns.ref, from_columns.cur) == pytest.approx(
            score(method, column(ref), column(cur)).value, abs=1e-7
        )


@pytest.mark.parametrize(("rows", "months"), [(50_000, 50), (2000, 100)])
@pytest.mark.parametrize("name", ["normal", "lognormal(2)", "pareto(1.5)"])
def test_p_values_are_uniform_on_a_grid_of_the_reference_itself(name: str, rows: int, months: int) -> None:
    random = np.random.default_rng(seed_of("grid", name, rows))
    found = []
    for month in range(months):
        ref, cur = (SAMPLES[name](random, rows) for _ in range(2))
        grid = number_grid(*np.unique(ref, return_counts=True))
        pooled = pooled_columns("wasserstein", column(ref).on(grid), column(cur).on(grid))
        found.append(permutation_test(pooled, 0.9999, False, month).p_value)
    assert kstest(found, "uniform").pvalue > 0.001
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / months)


def test_p_values_hold_their_level_though_the_test_stops_early() -> None:
    random = np.random.default_rng(21)
    found = np.array(
        [
            numbers_significance("wasserstein", *random.normal(size=(2, 300)), 0.05, True, seed).p_value
            for seed in range(400)
        ]
    )
    for level in (0.02, 0.05, 0.2, 0.5):
        assert np.mean(found <= level) <= level + 3 * math.sqrt(level * (1 - level) / 400)
    assert np.mean(found <= 0.05) >= 0.02, "nor is it much smaller"


def test_a_month_of_which_30_percent_moved_by_a_fifth_of_the_spread_is_found_from_2000_rows_on() -> None:
    """Five of 14 columns, all of which must be found; the other nine are calm and not drawn."""
    random = np.random.default_rng(31)
    level = column_level(0.01, 0.3, 14)
    found = 0
    for month in range(60):
        ref = random.normal(size=(5, 2000))
        cur = random.normal(0.2, size=(5, 2000))
        found += all(
            score("wasserstein", column(one), column(other)).value >= 0.1
            and permutation_test(pooled_columns("wasserstein", column(one), column(other)), level, True, month).p_value
            <= level
            for one, other in zip(ref, cur, strict=True)
        )
    # At a power of 95% fewer than 52 of 60 come with probability .005.
    assert found >= 52


def test_the_p_value_can_reach_any_level() -> None:
    random = np.random.default_rng(1)
    ref, cur = random.normal(size=(2, 500))
    for level in (0.01, 0.003, 0.0002):
        found = numbers_significance("wasserstein", ref, cur + 2, level, True, 0)
        assert found.p_value <= level and found.permutations == max(2000, math.ceil(4 / level))


def test_more_categories_than_can_be_dealt_out_are_dealt_out_together() -> None:
    random = np.random.default_rng(2)
    shares = 1 / np.arange(1, 5001)
    counts = random.multinomial(50_000, shares / shares.sum(), size=2)
    pooled = pooled_categories("jensenshannon", *counts)
    assert len(pooled.ref) == 257 and pooled.ref.sum() == pooled.cur.sum() == 50_000
    assert pooled.categories == np.count_nonzero(counts.sum(axis=0))


@pytest.mark.parametrize("method", ["ks", "two_sample_chisquare"])
def test_a_p_value_is_not_tested_again(method: str) -> None:
    with pytest.raises(ValueError, match="no distance"):
        pooled_columns(method, column(np.arange(9.0)), column(np.arange(9.0)))
    with pytest.raises(ValueError, match="no distance"):
        pooled_columns("wasserstein", category_column({"a": 9}), category_column({"a": 9}))
