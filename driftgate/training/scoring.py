"""A month scored by a model."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from driftgate.drift.ledger import read_table
from driftgate.errors import DataError
from driftgate.features.types import FeatureMonth
from driftgate.training.dataset import input_columns
from driftgate.training.features import ModelFeature, require_features
from driftgate.training.model import TrainedModel
from driftgate.training.split import key_text

_BATCH_ROWS = 100_000


def score_month(
    model: TrainedModel, features: tuple[ModelFeature, ...], month: FeatureMonth, key: str, out: Path
) -> int:
    """Score every row of a month and write an Arrow IPC file with the columns `key` (text) and `score`.

    Rows go through the model a hundred thousand at a time.

    Args:
        model: a registered version.
        features: its inputs, as they were declared in training.
        month: features of the month.
        key: join key, a column of the month.
        out: file to write.

    Returns:
        Rows scored.

    Raises:
        DataError: a feature of the model is absent, without news of the month, or of another type; or a score is not
            a probability.
    """
    require_features(features, month, f"{model.name} version {model.version}")
    schema = pa.schema([("key", pa.string()), ("score", pa.float64())])
    rows = 0
    with pa.OSFile(str(out), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        table = read_table(month)
        for start in range(0, table.num_rows, _BATCH_ROWS):
            part = table.slice(start, _BATCH_ROWS)
            scores = model.probabilities(input_columns(part, features))
            if not ((scores >= 0) & (scores <= 1)).all():
                raise DataError(
                    f"{model.name} version {model.version} gave {int(np.isnan(scores).sum())} scores that are NaN",
                    allowed="probabilities from 0 to 1",
                    remedy="train again, and promote that version",
                )
            keys = [key_text(value) for value in part.column(key).to_pylist()]
            writer.write_table(pa.table([keys, scores], schema=schema))
            rows += part.num_rows
    return rows
