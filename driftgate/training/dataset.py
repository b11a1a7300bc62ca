"""The training set: the point-in-time features of a month with the labels of the same period."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftgate.drift.dealing import groups_of
from driftgate.drift.ledger import read_table
from driftgate.errors import DataError
from driftgate.features.entities import GROUP_COLUMN
from driftgate.features.files import read_file, write_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import FeatureMonth
from driftgate.measures import LARGEST_LABEL, MOST_CLASSES, LabelKind
from driftgate.training.features import InputKind, ModelFeature, model_features
from driftgate.training.split import held_out, key_text

# No Feast feature has these names, nor that of the groups.
KEY, LABEL = "__key__", "__label__"


@dataclass(frozen=True)
class TrainingSet:
    """An Arrow IPC file, sorted by key: `__key__` (text), `__label__`, and a column for each feature.

    Where the monitor has groups, `__group__` (text) is a column too.

    Attributes:
        kind: of the label: 0 or 1, a number, or a class as text.
        rows: labelled entities.
        spread: the labels in words, such as "63 of them positive".
        unlabelled: entities of the month that were left out, because they have no label.
        fingerprint: SHA-256 of the content; the order of rows does not change it.
        group: column that gave `__group__`; empty where each entity stands alone.
    """

    as_of: date
    path: Path
    kind: LabelKind
    rows: int
    spread: str
    unlabelled: int
    features: tuple[ModelFeature, ...]
    fingerprint: str
    group: str = ""


def build_training_set(
    month: FeatureMonth, labels: LabelMonth, key: str, min_rows: int, out: Path, group: str = ""
) -> TrainingSet:
    """Join a month's features with its labels, and write them to `out`.

    Args:
        month: features of every entity of the month.
        labels: of the same period.
        key: join key.
        min_rows: labelled entities that are needed.
        group: column of the entities that gave the groups in the month's features; empty where each stands alone.

    Raises:
        DataError: labels are absent, too few, all the same, or of too many classes; or a feature cannot be used.
    """
    features = model_features(month)
    if labels.path is None or labels.kind is None:
        raise DataError(
            f"the month {month.as_of} cannot be trained on: {labels.reason}",
            remedy="load its labels, or train on an earlier month by --as-of",
        )
    table, answers = read_table(month), read_file(labels.path)
    by_key = dict(zip(_key_texts(answers.column(key)), answers.column(LABEL_COLUMN).to_pylist(), strict=True))
    keys = _key_texts(table.column(key))
    found = [by_key.get(item) for item in keys]
    spread = _require_learnable([value for value in found if value is not None], labels.kind, month.as_of, min_rows)
    columns = {item.name: table.column(item.name) for item in features}
    columns |= {GROUP_COLUMN: table.column(GROUP_COLUMN)} if group else {}
    whole = pa.table({KEY: keys, LABEL: _label_column(found, labels.kind)} | columns)
    whole = whole.filter(pc.is_valid(whole.column(LABEL))).sort_by(KEY)
    write_file(out, whole)
    left_out = len(keys) - whole.num_rows
    return TrainingSet(
        month.as_of, out, labels.kind, whole.num_rows, spread, left_out, features, fingerprint(whole), group
    )


def fingerprint(table: pa.Table) -> str:
    """Return the SHA-256 over names and values of a table that is sorted by a column without repetition.

    Equal integers of different width count as equal, and so do floats; nulls and NaN differ from every value.
    """
    digest = hashlib.sha256()
    for name in sorted(table.column_names):
        column = table.column(name).combine_chunks()
        digest.update(f"{name}\0{len(column)}\0".encode())
        digest.update(np.packbits(pc.is_valid(column).to_numpy(zero_copy_only=False)).tobytes())
        for part in _canonical(column):
            digest.update(part)
    return digest.hexdigest()


def validation_rows(table: pa.Table, seed: int) -> NDArray[np.bool_]:
    """Return which rows of a training set are its validation, shape (n,)."""
    return held_out(np.asarray(table.column(KEY).to_pylist()), groups_of(table), seed)


def input_columns(table: pa.Table, features: Iterable[ModelFeature]) -> dict[str, Any]:
    """Return the columns by name as a model takes them: float arrays with NaN, lists of text with None.

    Raises:
        DataError: a column has another type than its feature.
    """
    return {item.name: _input(table.column(item.name), item) for item in features}


def labels_of(table: pa.Table) -> NDArray[Any]:
    """Return the labels of a training set, shape (n,): integers 0 and 1, floats, or texts."""
    column = table.column(LABEL)
    if pa.types.is_string(column.type):
        return np.asarray(column.to_pylist(), dtype=np.str_)
    values: NDArray[Any] = column.to_numpy()
    return values if pa.types.is_floating(column.type) else values.astype(np.int64)


def class_numbers(values: NDArray[np.str_], classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the place of each class among those that a model knows, -1 where it does not; shape (n,).

    >>> class_numbers(np.array(["b", "z", "a"]), ("a", "b"))
    array([ 1., -1.,  0.])
    """
    place = {name: float(at) for at, name in enumerate(classes)}
    return np.array([place.get(value, -1.0) for value in values.tolist()], dtype=np.float64)


def over_classes(scores: NDArray[np.float64], known: Sequence[str], classes: Sequence[str]) -> NDArray[np.float64]:
    """Return probabilities of the classes that a model knows as those of other classes; 0 for what it does not know.

    Args:
        scores: shape (n, known).
        known: classes of the model.
        classes: these and others, in any order.

    >>> over_classes(np.array([[0.25, 0.75]]), ("a", "c"), ("a", "b", "c"))
    array([[0.25, 0.  , 0.75]])
    """
    wide = np.zeros((len(scores), len(classes)))
    for at, name in enumerate(known):
        wide[:, classes.index(name)] = scores[:, at]
    return wide


def _input(column: pa.ChunkedArray, item: ModelFeature) -> Any:
    try:
        if item.kind is InputKind.CATEGORY:
            return column.to_pylist()
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        # Beyond 2^53 an integer is rounded; a safe cast would refuse it.
        return column.cast(pa.float64(), safe=False).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{item.name} is {column.type} in its source, and {item.dtype} in Feast: {str(error)[:200]}",
            remedy="correct the source's column or its Feast type",
        ) from error


def _key_texts(column: pa.ChunkedArray) -> list[str]:
    return [key_text(value) for value in column.to_pylist()]


def _label_column(found: list[Any], kind: LabelKind) -> pa.Array:
    if kind is LabelKind.CATEGORICAL:
        return pa.array(found, pa.string())
    number, into = (float, pa.float64()) if kind is LabelKind.NUMERIC else (int, pa.int8())
    return pa.array([None if value is None else number(value) for value in found], into)


def _require_learnable(values: list[Any], kind: LabelKind, as_of: date, min_rows: int) -> str:
    """Check that there is something to learn; return the labels in words."""
    distinct = set(values)
    if kind is LabelKind.CATEGORICAL and len(distinct) > MOST_CLASSES:
        raise DataError(
            f"the label of {as_of} has {len(distinct)} classes",
            allowed=f"up to {MOST_CLASSES} classes",
            remedy="point the label in monitors.toml at a view that puts rare classes together",
        )
    largest = max(map(abs, values), default=0.0) if kind is LabelKind.NUMERIC else 0.0
    if largest > LARGEST_LABEL:
        raise DataError(
            f"a label of {as_of} is {largest:.3g}",
            allowed=f"numbers up to {LARGEST_LABEL:g}",
            remedy="correct these rows, or give the label another unit",
        )
    words = _in_words(values, kind)
    if len(values) < min_rows or len(distinct) < 2:
        need = "of both classes" if kind is LabelKind.BOOLEAN else "whose labels differ"
        raise DataError(
            f"{len(values)} entities of {as_of} have features and a label, {words}",
            allowed=f"at least {min_rows}, {need}",
            remedy="load more of the month, or train on another by --as-of",
        )
    return words


def _in_words(values: list[Any], kind: LabelKind) -> str:
    if kind is LabelKind.BOOLEAN:
        return f"{sum(map(int, values)):,} of them positive"
    if kind is LabelKind.CATEGORICAL:
        return f"of {len(set(values))} classes"
    return f"from {min(values):g} to {max(values):g}" if values else "none"


def _canonical(column: Any) -> Iterable[bytes]:
    """Return the values as bytes, independent of the width of numbers and of the memory beneath a null."""
    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        yield b"integer"
        yield column.cast(pa.int64()).fill_null(0).to_numpy().tobytes()
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        yield b"float"
        # Adding zero makes -0.0 equal to 0.0.
        yield (column.cast(pa.float64()).fill_null(0.0).to_numpy() + 0.0).tobytes()
    else:
        texts = ["" if value is None else str(value) for value in column.to_pylist()]
        yield b"text"
        yield np.array([len(value) for value in texts], dtype=np.int64).tobytes()
        yield "".join(texts).encode()
