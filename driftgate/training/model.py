"""A trained model with the schema it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.errors import DataError, bounded

THRESHOLD = 0.5


@dataclass(frozen=True)
class TrainedModel:
    """A registered version, ready to score.

    Attributes:
        name: registered model.
        version: as the registry counts, "1" for the first.
        features: columns in the order of training.
        pipeline: fitted scikit-learn pipeline.
    """

    name: str
    version: str
    features: tuple[str, ...]
    pipeline: Any

    def probabilities(self, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
        """Return the probability of the positive class for each row.

        Args:
            columns: for each feature a sequence of n values, None or NaN where missing; other columns are ignored.

        Returns:
            Shape (n,), in [0, 1].

        Raises:
            DataError: a feature of the model is absent, columns differ in length, or a value is not of its type.
        """
        missing = [name for name in self.features if name not in columns]
        if missing:
            raise DataError(
                f"{self.name} version {self.version} reads features that are absent: {bounded(missing)}",
                allowed=bounded(self.features, 40),
                remedy="give every feature; None stands for a value that is missing",
            )
        # The steps are called one by one, because the pipeline's predict_proba checks its metadata routing every time.
        encoder, classifier = (step for _, step in self.pipeline.steps)
        matrix = encoder.transform(columns)
        if len(matrix) == 0:
            return np.empty(0)
        scores: NDArray[np.float64] = classifier.predict_proba(matrix)[:, 1]
        return scores


def predictions_of(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 1 where the probability is 0.5 or more, else 0; shape (n,)."""
    return (probabilities >= THRESHOLD).astype(np.int64)
