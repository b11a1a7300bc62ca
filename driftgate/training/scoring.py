"""The scores of a month by a model."""

from pathlib import Path

import pyarrow as pa

from driftgate.drift.ledger import read_table
from driftgate.errors import WrongScoresError
from driftgate.features.types import FeatureMonth
from driftgate.training.dataset import input_columns
from driftgate.training.features import ModelFeature
from driftgate.training.model import TrainedModel
from driftgate.training.split import key_text

_BATCH_ROWS = 100_000


def score_month(
    model: TrainedModel, features: tuple[ModelFeature, ...], month: FeatureMonth, key: str, out: Path
) -> int:
    """Score every row of a month and write an Arrow IPC file with the columns `key` (text) and `score`.

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
        WrongScoresError: a score is not a probability.
    """
    schema = pa.schema([("key", pa.string()), ("score", pa.float64())])
    rows = 0
    with pa.OSFile(str(out), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        table = read_table(month)
        # The model itself names an absent feature in its error.
        there = [item for item in features if item.name in table.column_names]
        for start in range(0, table.num_rows, _BATCH_ROWS):
            part = table.slice(start, _BATCH_ROWS)
            scores = model.probabilities(input_columns(part, there))
            wrong = ~((scores >= 0) & (scores <= 1))
            if wrong.any():
                raise WrongScoresError(
                    f"{model.name} version {model.version} gave {int(wrong.sum())} scores that are no probabilities, "
                    f"such as {scores[wrong][0]}",
                    allowed="numbers from 0 to 1",
                    remedy="train again, and promote that version",
                )
            keys = [key_text(value) for value in part.column(key).to_pylist()]
            writer.write_table(pa.table([keys, scores], schema=schema))
            rows += part.num_rows
    return rows
