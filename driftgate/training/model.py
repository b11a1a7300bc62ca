"""A trained model with the schema it was trained on, and what its scores are for each kind of label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from driftgate.errors import DataError, bounded
from driftgate.measures import Floats, LabelKind
from driftgate.training.threshold import EARLIER_THRESHOLD, positives_of


@dataclass(frozen=True)
class TrainedModel:
    """A registered version, ready to score.

    Attributes:
        name: registered model.
        version: as the registry counts, "1" for the first.
        features: columns in the order of training.
        pipeline: fitted scikit-learn pipeline.
        kind: of the label that it predicts.
        threshold: probability from which it predicts a boolean label to be true; of no use for any other.
    """

    name: str
    version: str
    features: tuple[str, ...]
    pipeline: Any
    kind: LabelKind = LabelKind.BOOLEAN
    threshold: float | None = EARLIER_THRESHOLD

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of a categorical label that it knows, in the order of its probabilities; else empty."""
        if self.kind is not LabelKind.CATEGORICAL:
            return ()
        return tuple(self.pipeline.steps[-1][1].classes_.tolist())

    def scores(self, columns: Mapping[str, Sequence[Any]]) -> Floats:
        """Return what the model says of each row.

        Args:
            columns: for each feature a sequence of n values, None or NaN where missing; other columns are ignored.

        Returns:
            Of a boolean label the probability of true, shape (n,), in [0, 1]; of a numeric one the predicted number,
            shape (n,); of a categorical one the probability of each class, shape (n, classes).

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
        encoder, trees = (step for _, step in self.pipeline.steps)
        matrix = encoder.transform(columns)
        if len(matrix) == 0:
            return np.empty((0, len(self.classes)) if self.classes else 0)
        found: Floats
        if self.kind is LabelKind.NUMERIC:
            found = trees.predict(matrix)
        elif self.kind is LabelKind.CATEGORICAL:
            found = trees.predict_proba(matrix)
        else:
            found = trees.predict_proba(matrix)[:, 1]
        return found

    def predictions(self, scores: Floats) -> "Predictions":
        """Return the predictions behind what `scores` gave."""
        return predictions_of(self.kind, scores, self.threshold, self.classes)


@dataclass(frozen=True)
class Predictions:
    """What a model predicts for n rows.

    Attributes:
        values: 0 or 1; of a numeric label numbers; of a categorical one classes.
        probabilities: of 1, or of the class that is predicted; None for a numeric label.
    """

    values: list[int] | list[float] | list[str]
    probabilities: list[float] | None


def predictions_of(
    kind: LabelKind, scores: Floats, threshold: float | None = None, classes: Sequence[str] = ()
) -> Predictions:
    """Return the predictions behind scores: 1 from the threshold on, the number, or the likeliest class.

    Args:
        kind: of the label.
        scores: as `TrainedModel.scores` gives them.
        threshold: of the version that gave them; a boolean label needs one.
        classes: those of the model, where the label is categorical.
    """
    if kind is LabelKind.NUMERIC:
        return Predictions(scores.tolist(), None)
    if kind is LabelKind.CATEGORICAL:
        likeliest = scores.argmax(axis=1) if len(scores) else np.empty(0, np.int64)
        return Predictions([classes[at] for at in likeliest.tolist()], scores.max(axis=1, initial=0.0).tolist())
    assert threshold is not None
    return Predictions(positives_of(scores, threshold).tolist(), scores.tolist())
