"""The model that months are held against: the champion, or a probe where there is none.

What it needs to know of its own training lies in Arrow files, so that one step can make it and another use it.
"""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftgate.drift.ledger import read_table
from driftgate.features.files import read_file, write_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import FeatureMonth
from driftgate.performance.bootstrap import Scored
from driftgate.training.model import TrainedModel
from driftgate.training.split import key_text

_PROBE_SEED = 42


@dataclass(frozen=True)
class Judge:
    """A model, whom it has seen in training, and how it did on those it had not.

    Attributes:
        version: the champion's; None for a probe.
        trained_on: month of its training.
        features: columns it reads.
        seen: keys of its training users, as text.
        validation: labels and scores of its validation users.
    """

    version: str | None
    trained_on: date
    features: tuple[str, ...]
    seen: NDArray[np.str_]
    validation: Scored


@dataclass(frozen=True)
class ScoredMonth:
    """A month's scores: an Arrow IPC file with the columns `key` (text) and `score`, in the order of the features."""

    path: Path

    def read(self) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
        """Keys and scores, shape (n,) each."""
        table = read_file(self.path)
        return texts(table.column("key")), table.column("score").to_numpy()


def score_month(model: TrainedModel, month: FeatureMonth, key: str, out: Path) -> ScoredMonth:
    """Score every row of a month's features and write the scores to `out`.

    Raises:
        DataError: a feature of the model is absent or of another type.
    """
    table = read_table(month)
    scores = model.probabilities(
        {name: table.column(name).to_pylist() for name in model.features if name in table.column_names}
    )
    write_file(out, pa.table({"key": texts(table.column(key)), "score": scores}))
    return ScoredMonth(out)


def labelled(
    month: FeatureMonth, labels: LabelMonth, key: str
) -> tuple[pa.Table, NDArray[np.str_], NDArray[np.float64]]:
    """The rows of a month that have a label: their features, keys and labels (0 or 1), in the order of the features."""
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
) -> tuple[Judge, TrainedModel]:
    """A small model trained on four fifths of the month's labelled users, and held against the others.

    Raises:
        DataError: a feature holds values of another type.
    """
    from driftgate.training.features import model_features
    from driftgate.training.pipeline import fit_pipeline
    from driftgate.training.split import validation_mask

    table, keys, values = labelled(month, labels, key)
    # Only what is comparable: what is absent or all null elsewhere has been dealt with by then.
    declared = tuple(item for item in month.declared if item.name in features)
    inputs = model_features(replace(month, declared=declared, absent=(), stale_views=()))
    held_out = validation_mask(keys.tolist(), _PROBE_SEED)
    columns = {item.name: table.column(item.name).filter(pa.array(~held_out)).to_pylist() for item in inputs}
    pipeline = fit_pipeline(columns, values[~held_out], inputs, _PROBE_SEED)
    model = TrainedModel("probe", "", tuple(item.name for item in inputs), pipeline)
    scores = model.probabilities(
        {name: table.column(name).filter(pa.array(held_out)).to_pylist() for name in model.features}
    )
    validation = Scored(keys[held_out], values[held_out], scores)
    return Judge(None, month.as_of, model.features, keys[~held_out], validation), model


def texts(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """Keys as text, whatever their type, so that those of features, labels and models meet."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.asarray(column.to_pylist(), dtype=np.str_)
    if pa.types.is_integer(column.type):
        return np.asarray(pc.cast(column, pa.string()).to_pylist(), dtype=np.str_)
    return np.asarray([key_text(value) for value in column.to_pylist()], dtype=np.str_)
