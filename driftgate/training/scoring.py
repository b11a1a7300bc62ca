"""The scores of a month by a model, and the columns that hold scores in files."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from driftgate.drift.ledger import read_table
from driftgate.errors import WrongScoresError
from driftgate.features.types import FeatureMonth
from driftgate.measures import WRONG_SCORES, Floats, LabelKind, unusable_scores
from driftgate.training.dataset import input_columns
from driftgate.training.features import ModelFeature
from driftgate.training.model import TrainedModel, predictions_of
from driftgate.training.split import key_text

_BATCH_ROWS = 100_000


def score_month(
    model: TrainedModel, features: tuple[ModelFeature, ...], month: FeatureMonth, key: str, out: Path
) -> int:
    """Score every row of a month and write an Arrow IPC file with the column `key` (text) and those of `score_columns`.

    The model scores a hundred thousand rows at a time. This function does not check whether each view has a row of the
    month; `require_features` does.

    Args:
        model: a registered version.
        features: its inputs, as they were declared in training.
        month: features of the month.
        key: join key, a column of the month.
        out: file to write.

    Returns:
        Rows scored.

    Raises:
        DataError: a feature of the model is absent or of another type.
        WrongScoresError: a score is not a probability, or not a finite number.
    """
    schema = pa.schema([("key", pa.string()), *score_fields(len(model.classes))])
    rows = 0
    with pa.OSFile(str(out), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        table = read_table(month)
        # The model itself names an absent feature in its error.
        there = [item for item in features if item.name in table.column_names]
        for start in range(0, table.num_rows, _BATCH_ROWS):
            part = table.slice(start, _BATCH_ROWS)
            scores = model.scores(input_columns(part, there))
            _require_usable(model, scores)
            keys = [key_text(value) for value in part.column(key).to_pylist()]
            writer.write_table(pa.table({"key": keys} | score_columns(scores, model.classes), schema=schema))
            rows += part.num_rows
    return rows


def score_fields(classes: int) -> list[pa.Field]:
    """The columns of scores: `score`; for a categorical label one for each class, and `class`, the likeliest."""
    if not classes:
        return [pa.field("score", pa.float64())]
    return [pa.field("score", pa.list_(pa.float64(), classes)), pa.field("class", pa.string())]


def score_columns(scores: Floats, classes: Sequence[str] = ()) -> dict[str, pa.Array]:
    """Scores, as `TrainedModel.scores` gives them, as the columns of `score_fields`."""
    if not classes:
        return {"score": pa.array(scores, pa.float64())}
    listed = pa.FixedSizeListArray.from_arrays(pa.array(scores.ravel(), pa.float64()), len(classes))
    likeliest = predictions_of(LabelKind.CATEGORICAL, scores, classes=classes).values
    return {"score": listed, "class": pa.array(likeliest, pa.string())}


def read_scores(table: pa.Table) -> Floats:
    """The scores in such a table: shape (n,), of a categorical label (n, classes).

    Raises:
        pyarrow.ArrowException, KeyError, ValueError: the column is absent or of another type.
    """
    column = table.column("score").combine_chunks()
    if not pa.types.is_fixed_size_list(column.type):
        plain: Floats = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return plain
    values: Floats = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    return values


def _require_usable(model: TrainedModel, scores: Floats) -> None:
    wrong = unusable_scores(model.kind, scores)
    if wrong.any():
        received, allowed = WRONG_SCORES[model.kind]
        raise WrongScoresError(
            f"{model.name} version {model.version} gave {int(wrong.sum())} scores that {received}, "
            f"such as {scores[wrong][0]}",
            allowed=allowed,
            remedy="train again, and promote that version",
        )
