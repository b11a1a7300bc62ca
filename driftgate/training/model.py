"""A trained model with the schema it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        """Probability of the positive class for each row.

        Args:
            columns: for each feature a sequence of n values, None or NaN where missing; other columns are ignored.

        Returns:
            Shape (n,), in [0, 1].

        Raises:
            DataError: a feature of the model is absent.
        """
        raise NotImplementedError
