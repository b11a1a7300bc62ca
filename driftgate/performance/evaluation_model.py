"""The evaluation model: the champion, or a probe where there is no champion.

Its training users and their scores are in Arrow files, so that one step can make it and another step use it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftgate.drift.ledger import read_table
from driftgate.errors import MissingSignalError, WrongScoresError
from driftgate.features.files import read_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import FeatureMonth, Kind
from driftgate.performance.bootstrap import TRAIN_AGAIN, Scored
from driftgate.training.dataset import input_columns
from driftgate.training.features import ModelFeature, model_features
from driftgate.training.model import TrainedModel
from driftgate.training.scoring import score_month
from driftgate.training.split import key_text

_PROBE_SEED = 42


@dataclass(frozen=True)
class EvaluationModel:
    """A model, the users of its training, and its scores of its validation users.

    Attributes:
        version: version of the champion; None for a probe.
        trained_on: month of its training.
        inputs: columns that it reads, as they were declared in its training.
        seen: keys of its training entities, as text.
        validation: labels and scores of its validation entities.
    """

    version: str | None
    trained_on: date
    inputs: tuple[ModelFeature, ...]
    seen: NDArray[np.str_]
    validation: Scored

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(item.name for item in self.inputs)


@dataclass(frozen=True)
class ScoredMonth:
    """A month's scores: an Arrow IPC file with the columns `key` (text) and `score`, in the order of the features."""

    path: Path

    def read(self) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
        """Return keys and scores, shape (n,) each."""
        table = read_file(self.path)
        return texts(table.column("key")), table.column("score").to_numpy()

    def of(self, keys: NDArray[np.str_]) -> NDArray[np.float64]:
        """Return the scores of these entities, in their order; each must be in the file."""
        scored_keys, scored = self.read()
        order = np.argsort(scored_keys)
        return scored[order][np.searchsorted(scored_keys, keys, sorter=order)]


def score_with(
    evaluation: EvaluationModel, model: TrainedModel, month: FeatureMonth, key: str, out: Path
) -> ScoredMonth:
    """Score every row of a month's features with the evaluation model and write the scores to `out`.

    A view without a row of the month is no error, because the ledger reports it.

    Raises:
        DataError: a feature of the model is absent or of another type.
        MissingSignalError: a score is not a probability.
    """
    try:
        score_month(model, evaluation.inputs, month, key, out)
    except WrongScoresError as error:
        raise MissingSignalError(error.received, allowed=error.allowed, remedy=TRAIN_AGAIN) from error
    return ScoredMonth(out)


def labelled(
    month: FeatureMonth, labels: LabelMonth, key: str
) -> tuple[pa.Table, NDArray[np.str_], NDArray[np.float64]]:
    """Return features, keys and labels (0 or 1) of the rows that have a label, in the order of the features."""
    assert labels.path is not None
    table, found = read_table(month), read_file(labels.path)
    keys, label_keys = texts(table.column(key)), texts(found.column(key))
    order = np.argsort(label_keys)
    at = np.searchsorted(label_keys, keys, sorter=order).clip(0, len(label_keys) - 1)
    has = label_keys[order][at] == keys
    values = found.column(LABEL_COLUMN).cast(pa.float64()).to_numpy()[order][at]
    return table.filter(pa.array(has)), keys[has], values[has]


def fit_probe(
    month: FeatureMonth, labels: LabelMonth, key: str, features: tuple[str, ...]
) -> tuple[EvaluationModel, TrainedModel]:
    """Train a small model on four fifths of the month's labelled entities, and score the other fifth with it.

    Raises:
        DataError: a feature holds values of another type.
    """
    from driftgate.training.pipeline import fit_pipeline
    from driftgate.training.split import validation_mask

    table, keys, values = labelled(month, labels, key)
    inputs = challenger_inputs(month, features)
    held_out = validation_mask(keys.tolist(), _PROBE_SEED)
    columns = input_columns(table.filter(pa.array(~held_out)), inputs)
    pipeline = fit_pipeline(columns, values[~held_out], inputs, _PROBE_SEED)
    model = TrainedModel("probe", "", tuple(item.name for item in inputs), pipeline)
    scores = model.probabilities(input_columns(table.filter(pa.array(held_out)), inputs))
    validation = Scored(keys[held_out], values[held_out], scores)
    return EvaluationModel(None, month.as_of, inputs, keys[~held_out], validation), model


def challenger_inputs(month: FeatureMonth, comparable: Collection[str]) -> tuple[ModelFeature, ...]:
    """Return the inputs of a model that is fitted within a run.

    Args:
        month: with its declared features.
        comparable: the features that the ledger compares; absent and all-null ones it has refused or counted before.

    Raises:
        DataError: no feature is left.
    """
    declared = tuple(item for item in month.declared if item.name in comparable and item.kind is not Kind.ARRAY)
    return model_features(replace(month, declared=declared, absent=(), stale_views=()))


def texts(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """Return keys of any type as text, so that the keys of features, labels and models are equal."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.asarray(column.to_pylist(), dtype=np.str_)
    if pa.types.is_integer(column.type):
        return np.asarray(pc.cast(column, pa.string()).to_pylist(), dtype=np.str_)
    return np.asarray([key_text(value) for value in column.to_pylist()], dtype=np.str_)
