"""The evaluation model: the champion, or a probe where there is no champion.

Its training users and their scores are in Arrow files, so that one step can make it and another step use it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftgate.drift.dealing import groups_of
from driftgate.drift.ledger import read_table
from driftgate.errors import MissingSignalError, WrongScoresError
from driftgate.features.files import read_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import TRAIN_AGAIN, Scored
from driftgate.training.dataset import class_numbers, input_columns, over_classes
from driftgate.training.features import ModelFeature, model_features
from driftgate.training.model import TrainedModel
from driftgate.training.scoring import read_scores, score_month
from driftgate.training.split import key_text

_PROBE_SEED = 42


@dataclass(frozen=True)
class EvaluationModel:
    """A model, the users of its training, and its scores of its validation users.

    Attributes:
        version: version of the champion; None for a probe.
        trained_on: month of its training.
        inputs: columns that it reads, as they were declared in its training.
        seen: keys of its training entities, as text; where it was trained by groups, those that were in its training.
        validation: labels and scores of its validation entities.
        classes: those of a categorical label that it knows; else empty.
        threshold: probability from which a champion predicts a boolean label to be true; None where there is none.
    """

    version: str | None
    trained_on: date
    inputs: tuple[ModelFeature, ...]
    seen: NDArray[np.str_]
    validation: Scored
    classes: tuple[str, ...] = ()
    threshold: float | None = None

    @property
    def kind(self) -> LabelKind:
        """Of the label that it predicts."""
        return self.validation.kind

    def scored(
        self,
        keys: NDArray[np.str_],
        labels: NDArray[Any],
        scores: NDArray[np.float64],
        classes: Sequence[str] | None = None,
        groups: NDArray[np.str_] | None = None,
    ) -> Scored:
        """Put labels, as `labelled` gives them, together with the model's scores of the same entities.

        Args:
            keys, labels, scores: of n entities.
            classes: those that number a categorical label, the model's and perhaps others; by default the model's.
            groups: of the entities, where they depend on each other.
        """
        if self.kind is not LabelKind.CATEGORICAL:
            return Scored(keys, labels.astype(np.float64), scores, self.kind, groups)
        numbered = self.classes if classes is None else classes
        wide = over_classes(scores, self.classes, numbered)
        return Scored(keys, class_numbers(labels, numbered), wide, self.kind, groups)

    def scored_of(self, found: "Labelled", scores: NDArray[np.float64], classes: Sequence[str] | None = None) -> Scored:
        """Put the labels of entities of a month together with the model's scores of them, see `scored`."""
        return self.scored(found.keys, found.values, scores, classes, found.groups)

    def unseen(self, units: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Return which of these entities, or groups, were not in the model's training."""
        return ~np.isin(units, self.seen)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(item.name for item in self.inputs)


@dataclass(frozen=True)
class Entities:
    """Entities of one month, with or without a label.

    Attributes:
        keys: of n entities, as text.
        table: their features, in the same order.
        groups: of entities that depend on each other; None where each stands alone.
    """

    keys: NDArray[np.str_]
    table: pa.Table
    groups: NDArray[np.str_] | None = None

    @property
    def units(self) -> NDArray[np.str_]:
        """See `driftgate.performance.bootstrap.Scored.units`."""
        return self.keys if self.groups is None else self.groups

    def part(self, rows: NDArray[np.bool_]) -> Self:
        """The entities of a mask."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, keys=self.keys[rows], table=self.table.filter(pa.array(rows)), groups=groups)


@dataclass(frozen=True, kw_only=True)
class Labelled(Entities):
    """Entities of one month that have a label.

    Attributes:
        values: their labels: floats, or texts of classes.
    """

    values: NDArray[Any]

    def part(self, rows: NDArray[np.bool_]) -> Self:
        """The entities of a mask."""
        return replace(super().part(rows), values=self.values[rows])


@dataclass(frozen=True)
class Rows:
    """Labelled entities of one month that the model has not seen in training.

    Attributes:
        scored: n entities with their labels and the model's scores.
        table: their features, in the same order.
    """

    scored: Scored
    table: pa.Table

    @property
    def entities(self) -> Entities:
        """The same without labels and scores."""
        return Entities(self.scored.keys, self.table, self.scored.groups)

    def part(self, rows: NDArray[np.bool_]) -> "Rows":
        """The entities of a mask."""
        return Rows(self.scored.part(rows), self.table.filter(pa.array(rows)))


@dataclass(frozen=True)
class ScoredMonth:
    """A month's scores in the order of its features: a file of `driftgate.training.scoring.score_month`."""

    path: Path

    def read(self) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
        """Return keys and scores, of n rows each."""
        table = read_file(self.path)
        return texts(table.column("key")), read_scores(table)

    def of(self, keys: NDArray[np.str_]) -> NDArray[np.float64]:
        """Return the scores of these entities, in their order; each must be in the file."""
        scored_keys, scored = self.read()
        return scored[find_rows(scored_keys, keys)[0]]


def score_with(
    evaluation: EvaluationModel, model: TrainedModel, month: FeatureMonth, key: str, out: Path
) -> ScoredMonth:
    """Score every row of a month's features with the evaluation model and write the scores to `out`.

    A view without a row of the month is no error, because the ledger reports it.

    Raises:
        DataError: a feature of the model is absent or of another type.
        MissingSignalError: a score is not a probability, or not a finite number.
    """
    try:
        score_month(model, evaluation.inputs, month, key, out)
    except WrongScoresError as error:
        raise MissingSignalError(error.received, allowed=error.allowed, remedy=TRAIN_AGAIN) from error
    return ScoredMonth(out)


def labelled(month: FeatureMonth, labels: LabelMonth, key: str) -> Labelled:
    """Return the entities of a month that have a label, in their order."""
    assert labels.path is not None
    table, found = read_table(month), read_file(labels.path)
    keys, label_keys = texts(table.column(key)), texts(found.column(key))
    rows, has = find_rows(label_keys, keys)
    column = found.column(LABEL_COLUMN)
    values: NDArray[Any] = texts(column) if pa.types.is_string(column.type) else column.cast(pa.float64()).to_numpy()
    table = table.filter(pa.array(has))
    return Labelled(keys=keys[has], table=table, groups=groups_of(table), values=values[rows[has]])


def find_rows(keys: NDArray[np.str_], wanted: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the row of each wanted key, and whether it is there; the row of one that is not means nothing.

    Args:
        keys: n of them, without repetition.
        wanted: m of them.
    """
    if not len(keys):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    order = np.argsort(keys)
    rows = order[np.searchsorted(keys, wanted, sorter=order).clip(0, len(keys) - 1)]
    return rows, keys[rows] == wanted


def fit_probe(
    month: FeatureMonth,
    labels: LabelMonth,
    key: str,
    features: tuple[str, ...],
    kind: LabelKind = LabelKind.BOOLEAN,
) -> tuple[EvaluationModel, TrainedModel]:
    """Train a small model on four fifths of the month's labelled entities, and score the other fifth with it.

    Where entities depend on each other it is two thirds of the groups, and the other third.

    Args:
        month, labels: of the reference month.
        key: join key.
        features: those that can be compared.
        kind: of the label.

    Raises:
        DataError: a feature holds values of another type.
    """
    from driftgate.training.split import held_out

    found = labelled(month, labels, key)
    inputs = challenger_inputs(month, features)
    held = held_out(found.keys, found.groups, _PROBE_SEED)
    train, rest = found.part(~held), found.part(held)
    model = fit_model(train.table, train.values, inputs, kind, _PROBE_SEED)
    scores = model.scores(input_columns(rest.table, inputs))
    known = class_numbers(rest.values, model.classes) if model.classes else rest.values.astype(np.float64)
    validation = Scored(rest.keys, known, scores, kind, rest.groups)
    return EvaluationModel(None, month.as_of, inputs, train.units, validation, model.classes), model


def fit_model(
    table: pa.Table, labels: NDArray[Any], inputs: tuple[ModelFeature, ...], kind: LabelKind, seed: int
) -> TrainedModel:
    """Fit a model within a run, as a training does; it has no version.

    Args:
        table: features of n entities.
        labels: of the same, as `labelled` gives them.
        inputs: columns that it reads.
        kind: of the label.
        seed: of the trees.

    Raises:
        DataError: a feature has no value, or one of another type.
    """
    from driftgate.training.pipeline import fit_pipeline

    pipeline = fit_pipeline(input_columns(table, inputs), labels, inputs, seed, kind)
    return TrainedModel("unregistered", "", tuple(item.name for item in inputs), pipeline, kind)


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
