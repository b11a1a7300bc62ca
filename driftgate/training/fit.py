"""The fit of a model and its evaluation. Each reads its input from files and writes its output to files."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from driftgate.errors import DataError
from driftgate.features.files import read_file, write_file
from driftgate.training.dataset import KEY, TrainingSet, input_columns, labels_of
from driftgate.training.metrics import CalibrationBin, all_metrics, calibration
from driftgate.training.model import TrainedModel
from driftgate.training.registry.versions import Training
from driftgate.training.split import VALIDATION_SHARE, validation_mask

EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class FittedModel:
    """A pickled pipeline, with the seed of its split and its trees."""

    path: Path
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model on users that it has not seen in training.

    Attributes:
        training: everything that is recorded with the model.
        calibration: reliability table of the validation users.
        judged: Arrow IPC file of all labelled users: `key` (text), `label`, `score`, `validation`.
    """

    training: Training
    calibration: tuple[CalibrationBin, ...]
    judged: Path


def fit_model(data: TrainingSet, seed: int, out: Path) -> FittedModel:
    """Fit the pipeline on the training users and pickle it to `out`.

    Raises:
        DataError: all training users have the same label, or a value is not of its feature's type.
    """
    from driftgate.training.pipeline import fit_pipeline

    table = read_file(data.path)
    train = table.filter(pa.array(~validation_mask(table.column(KEY).to_pylist(), seed)))
    labels = labels_of(train)
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"the {len(labels)} training users of {data.as_of} are all of one class",
            allowed="users of both classes",
            remedy="take a month with more labelled users, or another seed",
        )
    pipeline = fit_pipeline(input_columns(train, data.features), labels, data.features, seed)
    out.write_bytes(pickle.dumps(pipeline))
    return FittedModel(out, seed)


def evaluate_model(data: TrainingSet, fitted: FittedModel, monitor: str, out: Path) -> Evaluation:
    """Score all users, measure on the validation users, and write the scores to `out`.

    Raises:
        DataError: all validation users have the same label.
    """
    import sklearn

    from driftgate.training.pipeline import PARAMETERS

    table = read_file(data.path)
    keys, labels = table.column(KEY).to_pylist(), labels_of(table)
    model = TrainedModel("", "", tuple(item.name for item in data.features), read_pipeline(fitted))
    scores = model.probabilities(input_columns(table, data.features))
    held_out = validation_mask(keys, fitted.seed)
    judged = pa.table({"key": keys, "label": labels.astype(np.int8), "score": scores, "validation": held_out})
    write_file(out, judged)
    training = Training(
        monitor=monitor,
        as_of=data.as_of,
        seed=fitted.seed,
        validation_share=VALIDATION_SHARE,
        fingerprint=data.fingerprint,
        features=data.features,
        parameters=PARAMETERS,
        metrics=all_metrics(labels[held_out], scores[held_out]),
        train_rows=int((~held_out).sum()),
        validation_rows=int(held_out.sum()),
        unlabelled_rows=data.unlabelled,
        sklearn=sklearn.__version__,
    )
    return Evaluation(training, tuple(calibration(labels[held_out], scores[held_out])), out)


def read_pipeline(fitted: FittedModel) -> Any:
    """Return the pipeline that `fit_model` wrote in the same run."""
    return pickle.loads(fitted.path.read_bytes())  # noqa: S301  a file of this run


def example_of(data: TrainingSet) -> dict[str, Any]:
    """Return the first rows of the training set without keys, as the registry's input example."""
    return input_columns(read_file(data.path).slice(0, EXAMPLE_ROWS), data.features)
