"""The log of predictions: every score that was served or computed, and one summary row for each batch."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    any_,
    cast,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from driftgate.database import database_errors, metadata
from driftgate.measures import LabelKind

predictions = Table(
    "predictions",
    metadata,
    Column("prediction_id", Uuid, primary_key=True),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("source", Text, nullable=False, comment="api or batch"),
    Column("entity_key", Text, nullable=False),
    Column("prediction", Integer, comment="of a boolean label, 0 or 1"),
    Column("probability", Double, comment="of 1, or of the predicted class; of a numeric label none"),
    Column("model_version", Text, nullable=False),
    Column("as_of", Date, comment="of a batch"),
    Column("request_id", Text, comment="of the API"),
    Column("features", JSONB, comment="as served by the API"),
    Column("predicted_value", Double, comment="of a numeric label"),
    Column("predicted_class", Text, comment="of a categorical label"),
)
Index("predictions_by_time", predictions.c.time)

prediction_monitoring = Table(
    "prediction_monitoring",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("mean", Double, nullable=False),
    Column("p05", Double, nullable=False),
    Column("p50", Double, nullable=False),
    Column("p95", Double, nullable=False),
    Column("positive_share", Double, comment="of a boolean label"),
)


@dataclass(frozen=True)
class Prediction:
    """One score.

    Attributes:
        prediction_id: given by the code that scored, so that a prediction that is written twice is stored once.
        source: "api" or "batch".
        entity_key: the entity that was scored; its value of the monitor's join key, as text.
        prediction, probability, predicted_value, predicted_class: what was predicted, see `predicted`.
        features: as served; NaN and infinities are stored as null.
    """

    prediction_id: UUID
    time: datetime
    source: str
    entity_key: str
    prediction: int | None
    probability: float | None
    model_version: str
    as_of: date | None = None
    request_id: str | None = None
    features: Mapping[str, Any] | None = None
    predicted_value: float | None = None
    predicted_class: str | None = None


def predicted(kind: LabelKind, value: float | str, probability: float | None) -> dict[str, Any]:
    """Return what was predicted by the names of the columns that hold it, whatever the kind of the label.

    Args:
        kind: of the label.
        value: 0 or 1, a number, or a class.
        probability: of 1, or of that class; None for a number.
    """
    return {
        "prediction": value if kind is LabelKind.BOOLEAN else None,
        "probability": probability,
        "predicted_value": value if kind is LabelKind.NUMERIC else None,
        "predicted_class": value if kind is LabelKind.CATEGORICAL else None,
    }


def save_predictions(engine: Engine, rows: Sequence[Prediction]) -> None:
    """Write the rows in one transaction; existing rows stay as they are.

    Raises:
        DatabaseError: nothing was written; the tables must be there, see `create_tables`.
    """
    if not rows:
        return
    statement = insert(predictions).on_conflict_do_nothing(index_elements=["prediction_id"])
    with database_errors("logging predictions"), engine.begin() as connection:
        connection.execute(statement, [row_of(item) for item in rows])


def served_features(
    engine: Engine, as_of: date, since: datetime, keys: Sequence[str], features: Collection[str]
) -> dict[str, Mapping[str, Any]]:
    """Return the features of the newest prediction that the service logged for each key of a month.

    Rows that lack a feature were logged before it was declared, or are of another feature service; they are left out.

    Raises:
        DatabaseError: the query fails; the tables must be there, see `create_tables`.
    """
    columns = predictions.c
    query = (
        select(columns.entity_key, columns.features)
        .distinct(columns.entity_key)
        .where(
            columns.source == "api",
            columns.as_of == as_of,
            columns.time >= since,
            columns.entity_key == any_(literal(list(keys), ARRAY(Text))),
            columns.features.has_all(cast(list(features), ARRAY(Text))),
        )
        .order_by(columns.entity_key, columns.time.desc())
    )
    with database_errors("reading the log of predictions"), engine.connect() as connection:
        return {row.entity_key: row.features for row in connection.execute(query)}


def row_of(item: Prediction) -> dict[str, Any]:
    """The prediction as a row of the table; its features are JSON."""
    row = dict(vars(item))
    if item.features is not None:
        row["features"] = {name: _jsonable(value) for name, value in item.features.items()}
    return row


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        json.dumps(value)
    except TypeError:
        return str(value)
    return value
