"""Weighted measures are scikit-learn's own, whatever the weights; a drop is positive where a model is worse."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from driftgate.measures import MEASURES, Drop, LabelKind, measures_of, unusable_scores, values_of

SEEDS = st.integers(0, 10**6)


def weights_of(random: np.random.Generator, rows: int, weighted: bool) -> np.ndarray:
    return random.integers(1, 4, rows).astype(float) if weighted else np.ones(rows)


def found_of(kind: LabelKind, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    return {item.name: item.prepare(labels, scores)(weights[None, :])[0] for item in measures_of(kind)}


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(list(LabelKind)), st.booleans())
def test_influences_are_the_slopes_of_the_measure_that_decides(seed: int, kind: LabelKind, ties: bool) -> None:
    random, rows = np.random.default_rng(seed), 12
    labels = np.r_[0.0, 1.0, random.integers(-1 if kind is LabelKind.CATEGORICAL else 0, 2, rows - 2)]
    scores = random.random(rows).round(1 if ties else 9)
    scores = np.c_[scores, 1 - scores] if kind is LabelKind.CATEGORICAL else scores
    measure, step = measures_of(kind)[0], 1e-6
    assert measure.influences is not None, "of the one that decides, segments need them"
    value, slopes = measure.influences(labels, scores)
    found = measure.prepare(labels, scores)(np.r_[np.ones((1, rows)), 1 + step * np.eye(rows)])
    assert value == pytest.approx(found[0])
    assert slopes == pytest.approx((found[1:] - value) / step, abs=1e-5)


def test_the_first_measure_of_each_kind_decides() -> None:
    deciding = {kind: measures_of(kind)[0].signal for kind in LabelKind}
    assert deciding == {
        LabelKind.BOOLEAN: "auc_drop",
        LabelKind.NUMERIC: "rmse_rise",
        LabelKind.CATEGORICAL: "macro_auc_drop",
    }
    assert list(MEASURES) == [measure.name for measure in MEASURES.values()]


@settings(max_examples=60)
@given(SEEDS, st.integers(2, 60), st.booleans(), st.booleans())
def test_measures_of_a_boolean_label(seed: int, rows: int, weighted: bool, ties: bool) -> None:
    random = np.random.default_rng(seed)
    labels = np.r_[0.0, 1.0, random.integers(0, 2, rows)]
    scores = np.clip(random.random(rows + 2), 0.001, 0.999)
    if ties:
        scores = np.round(scores, 1).clip(0.1, 0.9)
    weights = weights_of(random, rows + 2, weighted)
    found = found_of(LabelKind.BOOLEAN, labels, scores, weights)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(labels, scores, sample_weight=weights))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, scores, sample_weight=weights))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(labels, scores, sample_weight=weights))
    assert found["positive_rate"] == pytest.approx(np.average(labels, weights=weights))


def test_the_recall_of_the_top_tenth_by_hand() -> None:
    recall = MEASURES["top_tenth_recall"].prepare
    labels = np.r_[np.ones(4), np.zeros(16)]
    ranked = np.linspace(1, 0, 20)
    assert recall(labels, ranked)(np.ones((1, 20))) == [0.5], "two of twenty are a tenth, and hold two of four"
    assert recall(labels, ranked[::-1].copy())(np.ones((1, 20))) == [0.0]
    assert recall(labels, np.full(20, 0.3))(np.ones((1, 20))) == pytest.approx([0.1]), "equal scores say nothing"


@given(SEEDS, st.integers(1, 60), st.booleans())
def test_the_recall_of_the_top_tenth_counts_a_weight_as_so_many_entities(seed: int, rows: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    labels, scores = np.r_[1.0, random.integers(0, 2, rows)], random.random(rows + 1).round(1 if ties else 9)
    weights = random.integers(1, 4, rows + 1)
    recall = MEASURES["top_tenth_recall"].prepare
    found = recall(labels, scores)(weights[None, :].astype(float))
    repeated = recall(np.repeat(labels, weights), np.repeat(scores, weights))
    assert found == pytest.approx(repeated(np.ones((1, weights.sum()))))


@settings(max_examples=60)
@given(SEEDS, st.integers(1, 60), st.booleans(), st.sampled_from([1e-200, 1e-3, 1.0, 1e9, 1e200]))
def test_measures_of_a_numeric_label(seed: int, rows: int, weighted: bool, unit: float) -> None:
    """In any unit, also one in which the square of an error is no float."""
    random = np.random.default_rng(seed)
    labels, scores = random.normal(size=rows), random.normal(size=rows)
    weights = weights_of(random, rows, weighted)
    found = found_of(LabelKind.NUMERIC, labels * unit, scores * unit, weights)
    assert found["rmse"] / unit == pytest.approx(metrics.root_mean_squared_error(labels, scores, sample_weight=weights))
    assert found["mae"] / unit == pytest.approx(metrics.mean_absolute_error(labels, scores, sample_weight=weights))
    assert found["bias"] / unit == pytest.approx(np.average(scores - labels, weights=weights))
    assert found["mean_label"] / unit == pytest.approx(np.average(labels, weights=weights))
    assert found["mae"] <= found["rmse"] * (1 + 1e-12)


@settings(max_examples=60)
@given(SEEDS, st.integers(2, 60), st.integers(3, 6), st.booleans())
def test_measures_of_a_categorical_label(seed: int, rows: int, classes: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    labels = np.r_[np.arange(classes), random.integers(0, classes, rows)].astype(float)
    scores = random.dirichlet(np.ones(classes), len(labels))
    weights = weights_of(random, len(labels), weighted)
    found = found_of(LabelKind.CATEGORICAL, labels, scores, weights)
    of_class = [metrics.roc_auc_score(labels == at, scores[:, at], sample_weight=weights) for at in range(classes)]
    assert found["macro_auc"] == pytest.approx(np.mean(of_class))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, scores, sample_weight=weights))


def test_a_class_that_the_model_does_not_know_is_no_better_than_chance() -> None:
    labels, scores = np.array([0.0, 0.0, 1.0, 1.0]), np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7]])
    assert values_of(LabelKind.CATEGORICAL, labels, scores)["macro_auc"] == 1.0
    unknown = np.array([0.0, 0.0, 1.0, -1.0])
    found = values_of(LabelKind.CATEGORICAL, unknown, scores)
    assert found["macro_auc"] == pytest.approx((1.0 + 1.0 + 0.5) / 3)
    assert found["log_loss"] > 8.0
    # A class of which there is nobody does not count, and of one class alone there is no AUC.
    assert values_of(LabelKind.CATEGORICAL, labels[:3], scores[:3])["macro_auc"] == 1.0
    assert math.isnan(values_of(LabelKind.CATEGORICAL, labels[:2], scores[:2])["macro_auc"])


def test_calibration_error_is_the_gap_between_rate_and_score() -> None:
    # In one bin 2 of 4 where 0.25 was said, in another 1 of 1 where 0.9 was said.
    labels, scores = np.array([0, 0, 1, 1, 1.0]), np.array([0.25, 0.25, 0.25, 0.25, 0.9])
    assert values_of(LabelKind.BOOLEAN, labels, scores)["calibration_error"] == pytest.approx((4 * 0.25 + 0.1) / 5)


@given(st.sampled_from(list(MEASURES)), st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_a_drop_is_positive_where_the_model_is_worse(name: str, ref: float, cur: float) -> None:
    measure = MEASURES[name]
    drop = measure.drop_of(ref, cur)
    if measure.drop is Drop.NONE:
        assert math.isnan(drop)
    else:
        assert np.sign(drop) == np.sign(cur - ref if measure.lower_is_better else ref - cur)
        assert drop == measure.drop_of(np.array([ref]), np.array([cur]))[0]


def test_a_rise_is_in_parts_of_the_reference() -> None:
    rmse = MEASURES["rmse"]
    assert rmse.drop_of(2.0, 3.0) == 0.5
    # In another unit it is the same.
    assert rmse.drop_of(2000.0, 3000.0) == 0.5
    assert math.isnan(rmse.drop_of(0.0, 3.0))
    assert MEASURES["auc"].drop_of(0.75, 0.5) == 0.25


def test_infinite_errors_are_no_number_and_no_warning() -> None:
    most = np.finfo(float).max
    found = values_of(LabelKind.NUMERIC, np.array([most, 0.0]), np.array([-most, 0.0]))
    assert not math.isfinite(found["rmse"]) and not math.isfinite(found["mae"])


def test_what_is_not_usable() -> None:
    wrong = [math.nan, math.inf, -0.1, 1.1]
    assert unusable_scores(LabelKind.BOOLEAN, np.array([*wrong, 0.0, 1.0])).tolist() == [True] * 4 + [False] * 2
    assert unusable_scores(LabelKind.NUMERIC, np.array([*wrong, 1e9])).tolist() == [True] * 2 + [False] * 3
    rows = np.array([[0.5, 0.5], [0.5, 0.6], [math.nan, 1.0], [1.1, -0.1]])
    assert unusable_scores(LabelKind.CATEGORICAL, rows).tolist() == [False, True, True, True]
