"""The fit of a model and its evaluation. Each reads its input from files and writes its output to files."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from driftgate.errors import DataError
from driftgate.features.entities import GROUP_COLUMN
from driftgate.features.files import read_file, write_file
from driftgate.measures import LabelKind
from driftgate.training.dataset import KEY, LABEL, TrainingSet, class_numbers, input_columns, labels_of, validation_rows
from driftgate.training.metrics import CalibrationBin, calibration, metrics_of
from driftgate.training.model import TrainedModel
from driftgate.training.registry.versions import Training
from driftgate.training.scoring import score_columns
from driftgate.training.split import GROUP_SHARE, VALIDATION_SHARE
from driftgate.training.threshold import best_threshold

EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class FittedModel:
    """A pickled pipeline, with the seed of its split and its trees."""

    path: Path
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model on entities that it has not seen in training.

    Attributes:
        training: everything that is recorded with the model.
        calibration: reliability table of the validation entities; empty where the label is not boolean.
        judged: Arrow IPC file of all labelled entities: `key` (text), `label`, `validation`, and the columns of
            `driftgate.training.scoring.score_columns`; with groups also `group` (text).
    """

    training: Training
    calibration: tuple[CalibrationBin, ...]
    judged: Path


def fit_model(data: TrainingSet, seed: int, out: Path) -> FittedModel:
    """Fit the pipeline on the training entities and pickle it to `out`.

    Raises:
        DataError: all training entities have the same label, or a value is not of its feature's type.
    """
    from driftgate.training.pipeline import fit_pipeline

    table = read_file(data.path)
    train = table.filter(pa.array(~validation_rows(table, seed)))
    labels = labels_of(train)
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"the {len(labels)} training entities of {data.as_of} all have the label {labels[0]}",
            allowed="entities whose labels differ",
            remedy="take a month with more labelled entities, or another seed",
        )
    pipeline = fit_pipeline(input_columns(train, data.features), labels, data.features, seed, data.kind)
    out.write_bytes(pickle.dumps(pipeline))
    return FittedModel(out, seed)


def evaluate_model(data: TrainingSet, fitted: FittedModel, monitor: str, out: Path) -> Evaluation:
    """Score all entities, measure on the validation entities, and write the scores to `out`.

    Raises:
        DataError: all validation entities have the same label.
    """
    import sklearn

    from driftgate.training.pipeline import PARAMETERS

    table = read_file(data.path)
    keys, labels = table.column(KEY), labels_of(table)
    model = TrainedModel("", "", tuple(item.name for item in data.features), read_pipeline(fitted), data.kind)
    scores = model.scores(input_columns(table, data.features))
    held_out = validation_rows(table, fitted.seed)
    judged = {"key": keys, "label": table.column(LABEL), "validation": held_out}
    if data.group:
        judged["group"] = table.column(GROUP_COLUMN)
    write_file(out, pa.table(judged | score_columns(scores, model.classes)))
    known = class_numbers(labels, model.classes) if model.classes else labels.astype(np.float64)
    validation = known[held_out], scores[held_out]
    boolean = data.kind is LabelKind.BOOLEAN
    threshold = best_threshold(*validation) if boolean else None
    training = Training(
        monitor=monitor,
        as_of=data.as_of,
        seed=fitted.seed,
        validation_share=GROUP_SHARE if data.group else VALIDATION_SHARE,
        fingerprint=data.fingerprint,
        features=data.features,
        parameters=PARAMETERS,
        metrics=metrics_of(data.kind, *validation, threshold),
        train_rows=int((~held_out).sum()),
        validation_rows=int(held_out.sum()),
        unlabelled_rows=data.unlabelled,
        sklearn=sklearn.__version__,
        label_kind=data.kind,
        classes=model.classes,
        threshold=threshold,
        group=data.group,
    )
    return Evaluation(training, tuple(calibration(*validation)) if boolean else (), out)


def read_pipeline(fitted: FittedModel) -> Any:
    """Return the pipeline that `fit_model` wrote in the same run."""
    return pickle.loads(fitted.path.read_bytes())  # noqa: S301  a file of this run


def example_of(data: TrainingSet) -> dict[str, Any]:
    """Return the first rows of the training set without keys, as the registry's input example."""
    return input_columns(read_file(data.path).slice(0, EXAMPLE_ROWS), data.features)
