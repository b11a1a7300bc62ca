"""The scikit-learn pipeline of the watched model: encoder and gradient-boosted trees, which take NaN as it is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from driftgate.errors import DataError, bounded
from driftgate.measures import LabelKind
from driftgate.training.encoder import Columns, FeatureEncoder
from driftgate.training.features import ModelFeature

# Small trees: on seven thousand entities larger ones only learn noise, and each tree costs 5 microseconds a row.
PARAMETERS: dict[str, Any] = {
    "max_iter": 60,
    "learning_rate": 0.08,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    # Early stopping splits by row position, so the order of rows would change the result.
    "early_stopping": False,
}
# As many as scikit-learn makes itself of a column, beside the one for missing values.
_MOST_BINS = 255


def fit_pipeline(
    columns: Columns,
    labels: NDArray[Any],
    features: tuple[ModelFeature, ...],
    seed: int,
    kind: LabelKind = LabelKind.BOOLEAN,
) -> Pipeline:
    """Fit the pipeline on n rows; the same rows in the same order and the same seed give the same trees.

    Args:
        columns: for each feature n values, None or NaN where missing.
        labels: 0 or 1, numbers, or classes as text; shape (n,).
        features: the columns to read.
        seed: random state.
        kind: of the label.

    Raises:
        DataError: a feature has no value at all, or one that is not of its type.
    """
    encoder = FeatureEncoder(features).fit(columns)
    matrix = encoder.transform(columns)
    _require_values(encoder, matrix)
    coded = encoder.coded_columns or None
    if kind is LabelKind.NUMERIC:
        regressor = HistGradientBoostingRegressor(**PARAMETERS, categorical_features=coded, random_state=seed)
        return Pipeline([("encode", encoder), ("regress", regressor.fit(matrix, labels))])
    classifier = HistGradientBoostingClassifier(**PARAMETERS, categorical_features=coded, random_state=seed)
    return Pipeline([("encode", encoder), ("classify", classifier.fit(matrix, labels))])


class WeightedClassifier:
    """Trees that tell two classes from each other, fitted again and again on parts and weights of the same rows.

    The rows are put into bins once. Scikit-learn would look for the bins of weighted rows at each fit, which takes
    thirty times as long as the trees.

    Args:
        columns: for each feature n values, None or NaN where missing.
        labels: 0 or 1, shape (n,).
        features: the columns to read.
        seed: random state.

    Raises:
        DataError: a feature has no value at all, or one that is not of its type.
    """

    def __init__(
        self, columns: Columns, labels: NDArray[np.float64], features: tuple[ModelFeature, ...], seed: int
    ) -> None:
        encoder = FeatureEncoder(features).fit(columns)
        self._matrix, self._labels, self._seed = encoder.transform(columns), labels, seed
        _require_values(encoder, self._matrix)
        self._coded = encoder.coded_columns or None
        for at in set(range(self._matrix.shape[1])) - set(encoder.coded_columns):
            self._matrix[:, at] = _binned(self._matrix[:, at])

    def probabilities(
        self, fitted: NDArray[np.bool_], scored: NDArray[np.bool_], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Fit on the rows of one mask with their weights, and return the probability of 1 for the rows of another.

        Args:
            fitted, scored: shape (n,).
            weights: shape (n,); both classes need some.
        """
        trees = HistGradientBoostingClassifier(
            **{**PARAMETERS, "max_iter": 25, "learning_rate": 0.2},
            categorical_features=self._coded,
            random_state=self._seed,
        )
        rows = fitted & (weights > 0)
        trees.fit(self._matrix[rows], self._labels[rows], sample_weight=weights[rows])
        found: NDArray[np.float64] = trees.predict_proba(self._matrix[scored])[:, 1]
        return found


def _binned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the number of each value's bin, of at most 255 with equal shares of the rows; NaN where missing."""
    there = ~np.isnan(values)
    edges = np.unique(values[there])[1:]
    if len(edges) >= _MOST_BINS:
        shares = np.linspace(0, 1, _MOST_BINS + 1)[1:-1]
        edges = np.unique(np.quantile(values[there], shares, method="inverted_cdf"))
    bins = np.full(len(values), np.nan)
    bins[there] = np.searchsorted(edges, values[there], side="right")
    return bins


def _require_values(encoder: FeatureEncoder, matrix: NDArray[np.float64]) -> None:
    """Check that every feature has a value. A model cannot use an empty column, and nobody would notice it."""
    empty = [encoder.columns_[at] for at in np.flatnonzero(np.isnan(matrix).all(axis=0))]
    empty += [name for name, categories in encoder.categories_.items() if not categories]
    if empty:
        raise DataError(
            f"features have no value for any of the {len(matrix)} entities to train on: {bounded(empty)}",
            allowed="at least one value in each feature",
            remedy="load the month again, or take the feature out of the Feast feature service",
        )
