"""The encoder of features as a matrix of numbers. One row must take microseconds, so this module avoids pandas."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from driftgate.errors import DataError
from driftgate.training.features import InputKind, ModelFeature

Columns = Mapping[str, Sequence[Any]]

# One column a category, as LightGBM does up to max_cat_to_onehot=4: the trees then see numbers alone, and scikit-learn
# skips a re-encoding of categories that takes longer than all trees together (0.5 ms for one row).
_MOST_INDICATORS = 4
# Histogram gradient boosting accepts no more categories than this.
_MOST_CATEGORIES = 254


class FeatureEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encodes numbers as they are, booleans as 0 and 1, categories as indicators or, where there are many, as codes.

    Missing values (None, NaN, infinite) become NaN. So does a category that training did not have, or that was not
    among its 254 most frequent ones.
    """

    def __init__(self, features: tuple[ModelFeature, ...]) -> None:
        self.features = features

    def fit(self, columns: Columns, labels: object = None) -> Self:  # noqa: ARG002
        """Collect the categories of each categorical feature; the same set of values gives the same codes."""
        self.categories_: dict[str, dict[str, int]] = {}
        for item in self.features:
            if item.kind is InputKind.CATEGORY:
                counts = Counter(value for value in _texts(columns[item.name]) if value is not None)
                kept = sorted(counts, key=lambda value: (-counts[value], value))[:_MOST_CATEGORIES]
                self.categories_[item.name] = {value: code for code, value in enumerate(sorted(kept))}
        self.columns_ = [column for item in self.features for column in self._column_names(item)]
        return self

    @property
    def coded_columns(self) -> list[int]:
        """Positions of the matrix columns that hold category codes."""
        coded = {name for name, categories in self.categories_.items() if len(categories) > _MOST_INDICATORS}
        return [position for position, name in enumerate(self.columns_) if name in coded]

    def transform(self, columns: Columns) -> NDArray[np.float64]:
        """Return the matrix, shape (n, columns_); NaN where missing.

        Raises:
            DataError: a value is not of its feature's type.
        """
        rows = len(columns[self.features[0].name])
        matrix = np.empty((rows, len(self.columns_)))
        position = 0
        for item in self.features:
            values = columns[item.name]
            if len(values) != rows:
                raise DataError(f"{item.name} has {len(values)} values, and {self.features[0].name} has {rows}")
            if item.kind is InputKind.CATEGORY:
                position = self._write_category(matrix, position, item.name, values)
            else:
                matrix[:, position] = _numbers(item, values)
                position += 1
        return matrix

    def _write_category(self, matrix: NDArray[np.float64], position: int, name: str, values: Sequence[Any]) -> int:
        categories = self.categories_[name]
        codes = [np.nan if value is None else categories.get(value, np.nan) for value in _texts(values)]
        if len(categories) > _MOST_INDICATORS:
            matrix[:, position] = codes
            return position + 1
        known = np.array(codes, dtype=np.float64)
        missing = np.isnan(known)
        for code in range(len(categories)):
            matrix[:, position + code] = known == code
            matrix[missing, position + code] = np.nan
        return position + len(categories)

    def _column_names(self, item: ModelFeature) -> list[str]:
        categories = self.categories_.get(item.name)
        if categories is None or len(categories) > _MOST_INDICATORS:
            return [item.name]
        return [f"{item.name}={value}" for value in categories]


def _numbers(item: ModelFeature, values: Sequence[Any]) -> NDArray[np.float64]:
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{item.name} holds a value that is not a {item.kind}: {str(error)[:200]}",
            allowed=f"{item.dtype}, or None where it is missing",
            remedy="compare the source's column with its Feast type",
        ) from error
    usable = np.isfinite(numbers) if item.kind is InputKind.NUMBER else (numbers == 0) | (numbers == 1)
    if not usable.all():
        numbers[~usable] = np.nan
    return numbers


def _texts(values: Sequence[Any]) -> list[str | None]:
    """Return categories as text, UUIDs and other objects as `str` gives them; None where missing."""
    plain = values.tolist() if hasattr(values, "tolist") else values
    return [
        value if value is None or isinstance(value, str) else None if value != value else str(value)  # noqa: PLR0124
        for value in plain
    ]
