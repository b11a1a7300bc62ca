"""Metrics against scikit-learn, and against what they must be by definition."""

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.errors import DataError
from driftgate.measures import LabelKind
from driftgate.training import metrics

Rows = list[tuple[int, float]]
# Few distinct scores, so that ties are common.
scores = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 1.0]))
both_classes = st.lists(st.tuples(st.integers(0, 1), scores), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def split(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@settings(deadline=None, max_examples=30)
@given(both_classes, st.floats(0, 1))
def test_the_metrics_are_those_of_scikit_learn(rows: Rows, threshold: float) -> None:
    labels, probabilities = split(rows)
    predicted = (probabilities >= threshold).astype(int)
    found = metrics.all_metrics(labels, probabilities, threshold)
    assert found["predicted_positive_rate"] == predicted.mean()
    assert found["auc"] == pytest.approx(reference.roc_auc_score(labels, probabilities))
    assert found["f1"] == pytest.approx(reference.f1_score(labels, predicted, zero_division=0))
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(labels, predicted))
    assert found["brier"] == pytest.approx(reference.brier_score_loss(labels, probabilities))
    # Nearer to 0 and 1 both would only compare how they round.
    inner = np.clip(probabilities, 1e-6, 1 - 1e-6)
    assert metrics.log_loss(labels, inner) == pytest.approx(reference.log_loss(labels, inner))


def test_a_certain_mistake_costs_much_and_is_finite() -> None:
    assert metrics.log_loss(np.array([1, 0]), np.array([0.0, 0.0])) == pytest.approx(-np.log(1e-15) / 2)


@settings(deadline=None)
@given(both_classes)
def test_the_area_only_knows_the_order_of_scores(rows: Rows) -> None:
    labels, probabilities = split(rows)
    area = metrics.auc(labels, probabilities)
    _, ranks = np.unique(probabilities, return_inverse=True)
    assert metrics.auc(labels, ranks / len(rows)) == pytest.approx(area)
    assert metrics.auc(1 - labels, probabilities) == pytest.approx(1 - area)


@settings(deadline=None)
@given(both_classes)
def test_the_reliability_table_accounts_for_every_row(rows: Rows) -> None:
    labels, probabilities = split(rows)
    table = metrics.calibration(labels, probabilities)
    assert sum(part.rows for part in table) == len(rows)
    filled = [part for part in table if part.rows]
    assert sum(part.rows * part.positive_rate for part in filled) == pytest.approx(labels.sum())
    assert sum(part.rows * part.mean_probability for part in filled) == pytest.approx(probabilities.sum())
    for part in filled:
        assert part.low - 1e-12 <= part.mean_probability <= part.high + 1e-12
    error = metrics.calibration_error(labels, probabilities)
    assert abs(labels.mean() - probabilities.mean()) - 1e-12 <= error <= 1


def test_probabilities_that_are_right_on_average_have_no_calibration_error() -> None:
    labels = np.array([1, 0, 0, 0, 0, 1, 1, 1, 1, 0])
    assert metrics.calibration_error(labels, np.repeat([0.2, 0.8], 5)) == pytest.approx(0)
    assert metrics.calibration_error(labels, np.repeat([0.8, 0.2], 5)) == pytest.approx(0.6)


def test_no_positive_prediction_is_no_f1() -> None:
    assert metrics.f1(np.array([1, 0]), np.array([0.1, 0.2]), 0.5) == 0.0


@pytest.mark.parametrize("labels", [[], [1, 1], [0, 0]])
def test_one_class_alone_has_no_area(labels: list[int]) -> None:
    with pytest.raises(DataError, match="not defined"):
        metrics.all_metrics(np.array(labels), np.full(len(labels), 0.5), 0.5)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([1e-9, 1.0, 1e29]))
def test_the_metrics_of_a_number_are_those_of_scikit_learn(seed: int, unit: float) -> None:
    random = np.random.default_rng(seed)
    labels, predictions = random.normal(size=(2, 20))
    found = metrics.metrics_of(LabelKind.NUMERIC, labels * unit, predictions * unit, None)
    assert found["r2"] == pytest.approx(reference.r2_score(labels, predictions))
    assert found["rmse"] / unit == pytest.approx(reference.root_mean_squared_error(labels, predictions))
    assert found["label_sd"] / unit == pytest.approx(labels.std())
    assert set(metrics.SHOWN[LabelKind.NUMERIC]) <= set(found) and np.isfinite(list(found.values())).all()


def test_the_metrics_of_classes_count_an_unknown_class_as_a_miss() -> None:
    labels, probabilities = np.array([0.0, 1.0, -1.0, 1.0]), np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.7, 0.3]])
    found = metrics.metrics_of(LabelKind.CATEGORICAL, labels, probabilities, None)
    assert found["accuracy"] == 0.5
    assert set(metrics.SHOWN[LabelKind.CATEGORICAL]) <= set(found)


@pytest.mark.parametrize("kind", [LabelKind.NUMERIC, LabelKind.CATEGORICAL])
@pytest.mark.parametrize("labels", [[], [1.0, 1.0]])
def test_labels_that_are_all_the_same_are_refused(kind: LabelKind, labels: list[float]) -> None:
    scores = np.full((len(labels), 2) if kind is LabelKind.CATEGORICAL else len(labels), 0.5)
    with pytest.raises(DataError, match="all the same"):
        metrics.metrics_of(kind, np.array(labels), scores, None)
