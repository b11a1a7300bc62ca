"""Encoder and trees: gaps, unknown categories, one row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from driftgate.errors import DataError
from driftgate.measures import LabelKind
from driftgate.training.encoder import FeatureEncoder
from driftgate.training.features import InputKind, ModelFeature
from driftgate.training.metrics import auc
from driftgate.training.model import TrainedModel
from driftgate.training.pipeline import PARAMETERS, WeightedClassifier, fit_pipeline
from driftgate.training.threshold import EARLIER_THRESHOLD, positives_of
from tests.training.conftest import FEATURES, labels_of, some_columns

Columns = dict[str, Sequence[Any]]
NAMES = tuple(item.name for item in FEATURES)

rows = st.fixed_dictionaries(
    {
        "tickets": st.one_of(st.none(), st.integers(-(2**53), 2**53), st.floats()),
        "paperless": st.sampled_from([True, False, None, 0, 1, float("nan")]),
        "service": st.one_of(st.none(), st.sampled_from(["DSL", "No", "never seen", "", "nan"]), st.just(float("nan"))),
    }
)


@pytest.fixture(scope="module")
def model(pipeline: Pipeline) -> TrainedModel:
    return TrainedModel("churn", "1", NAMES, pipeline)


@settings(deadline=None, max_examples=40)
@given(st.lists(rows, min_size=1, max_size=5))
def test_every_row_has_a_probability_and_has_it_alone_too(pipeline: Pipeline, found: list[dict[str, Any]]) -> None:
    model = TrainedModel("churn", "1", NAMES, pipeline)
    together = model.scores({name: [row[name] for row in found] for name in NAMES})
    assert ((together >= 0) & (together <= 1)).all()
    alone = [model.scores({name: [row[name]] for name in NAMES})[0] for row in found]
    assert together.tolist() == alone


def test_a_user_without_any_value_is_scored(model: TrainedModel) -> None:
    assert model.scores({name: [None] for name in NAMES}).shape == (1,)
    assert model.scores({name: [] for name in NAMES}).shape == (0,)


def test_it_learns_and_the_scores_are_those_of_the_pipeline(model: TrainedModel) -> None:
    unseen = some_columns(seed=1)
    scores = model.scores({**unseen, "another": ["column"]})
    assert auc(labels_of(unseen), scores) > 0.95
    assert np.array_equal(scores, model.pipeline.predict_proba(unseen)[:, 1])
    assert np.array_equal(positives_of(scores, EARLIER_THRESHOLD), model.pipeline.predict(unseen))


def test_lists_arrays_and_frames_are_scored_alike(model: TrainedModel) -> None:
    columns = some_columns(seed=2)
    frame = pd.DataFrame(columns)
    arrays = {name: np.array(columns[name], dtype=object) for name in NAMES}
    arrays["tickets"] = frame["tickets"].to_numpy()
    wanted = model.scores(columns)
    assert np.array_equal(model.scores(arrays), wanted)
    assert np.array_equal(model.pipeline.predict_proba(frame)[:, 1], wanted)


def test_the_same_data_and_seed_give_the_same_trees(columns: Columns) -> None:
    labels = labels_of(columns)
    one, two = (fit_pipeline(columns, labels, FEATURES, seed=7).predict_proba(columns) for _ in range(2))
    assert np.array_equal(one, two)


def test_a_category_that_was_never_seen_is_missing(model: TrainedModel) -> None:
    known = {"tickets": [3.0] * 2, "paperless": [True] * 2}
    unseen, missing = model.scores({**known, "service": ["never seen", None]})
    assert unseen == missing


def test_few_categories_are_indicators_and_many_are_codes() -> None:
    features = (
        ModelFeature("few", "v", "STRING", InputKind.CATEGORY),
        ModelFeature("many", "v", "STRING", InputKind.CATEGORY),
        ModelFeature("too_many", "v", "STRING", InputKind.CATEGORY),
    )
    names = [f"{number:03d}" for number in range(300)]
    columns: Columns = {
        "few": ["b", "a", None] * 200,
        "many": list("abcdef") * 100,
        # The later half of the names is twice as frequent.
        "too_many": (names + names[150:] + names[150:])[:600],
    }
    encoder = FeatureEncoder(features).fit(columns)
    assert encoder.columns_ == ["few=a", "few=b", "many", "too_many"]
    assert encoder.coded_columns == [2, 3]
    matrix = encoder.transform({name: values[:3] for name, values in columns.items()})
    assert np.array_equal(matrix[:, :3], [[0, 1, 0], [1, 0, 1], [np.nan, np.nan, 2]], equal_nan=True)
    kept = encoder.categories_["too_many"]
    assert len(kept) == 254 and set(names[150:]) < set(kept)
    labels = np.array([value == "f" for value in columns["many"]], dtype=int)
    scores = fit_pipeline(columns, labels, features, seed=0).predict_proba(columns)[:, 1]
    assert auc(labels, scores) == 1.0


def test_codes_do_not_depend_on_the_order_of_rows(columns: Columns) -> None:
    backwards = {name: values[::-1] for name, values in columns.items()}
    one, two = (FeatureEncoder(FEATURES).fit(item) for item in (columns, backwards))
    assert one.categories_ == two.categories_ and one.columns_ == two.columns_


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"tickets": ["many"]}, "tickets holds a value that is not a number"),
        ({"paperless": ["yes"]}, "paperless holds a value that is not a boolean"),
        ({"service": ["DSL", "DSL"]}, "service has 2 values, and tickets has 1"),
        ({"service": None}, "reads features that are absent: service"),
    ],
)
def test_what_cannot_be_read_is_refused(model: TrainedModel, fault: dict[str, Any], message: str) -> None:
    columns = {"tickets": [1], "paperless": [True], "service": ["DSL"], **fault}
    with pytest.raises(DataError, match=message):
        model.scores({name: values for name, values in columns.items() if values is not None})


def test_a_number_is_predicted_as_such(columns: Columns) -> None:
    def minutes(found: Columns) -> np.ndarray:
        return np.array([10.0 * (value or 0) for value in found["tickets"]])

    pipeline = fit_pipeline(columns, minutes(columns), FEATURES, 0, LabelKind.NUMERIC)
    model = TrainedModel("late", "1", NAMES, pipeline, LabelKind.NUMERIC)
    unseen = some_columns(seed=1)
    scores = model.scores(unseen)
    assert np.array_equal(scores, pipeline.predict(unseen)) and model.classes == ()
    assert np.abs(scores - minutes(unseen)).mean() < 8
    found = model.predictions(scores)
    assert (found.values, found.probabilities) == (scores.tolist(), None)
    assert model.scores({name: [] for name in NAMES}).shape == (0,)


def test_the_likeliest_class_is_predicted_with_its_probability(columns: Columns) -> None:
    def how(found: Columns) -> np.ndarray:
        tickets = [value or 0 for value in found["tickets"]]
        return np.array(["late" if value > 6 else "early" if value < 3 else "" for value in tickets])

    pipeline = fit_pipeline(columns, how(columns), FEATURES, 0, LabelKind.CATEGORICAL)
    model = TrainedModel("how", "1", NAMES, pipeline, LabelKind.CATEGORICAL)
    unseen = some_columns(seed=1)
    scores = model.scores(unseen)
    assert model.classes == ("", "early", "late") and scores.shape == (400, 3)
    found = model.predictions(scores)
    assert found.values == pipeline.predict(unseen).tolist()
    assert found.probabilities == scores.max(axis=1).tolist()
    assert (np.array(found.values) == how(unseen)).mean() > 0.8
    assert model.predictions(model.scores({name: [] for name in NAMES})).values == []


def test_weighted_trees_of_a_column_with_few_values_are_those_of_the_column_itself() -> None:
    random = np.random.default_rng(3)
    features = tuple(ModelFeature(name, "view", "FLOAT64", InputKind.NUMBER) for name in ("few", "many"))
    few = random.integers(0, 9, 600).astype(np.float64)
    few[::7] = np.nan
    labels = (np.nan_to_num(few) + random.normal(size=600) > 4).astype(np.float64)
    weights = random.poisson(1.0, 600).astype(np.float64)
    half = random.random(600) < 0.5

    def answers(second: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = {"few": few, "many": second}
        return WeightedClassifier(columns, labels, features, 0).probabilities(half, ~half, weights)

    plain = HistGradientBoostingClassifier(
        **{**PARAMETERS, "max_iter": 25, "learning_rate": 0.2}, categorical_features=None, random_state=0
    )
    fitted = half & (weights > 0)
    matrix = np.column_stack([few, few])
    plain.fit(matrix[fitted], labels[fitted], sample_weight=weights[fitted])
    assert np.array_equal(answers(few), plain.predict_proba(matrix[~half])[:, 1])
    # Bins of many values know nothing but the order of the values.
    many = random.normal(size=600) + labels
    assert np.array_equal(answers(many), answers(np.exp(many)))
