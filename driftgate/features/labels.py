"""The labels of a period. They are joined to the month's entities on key and period only."""

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine, Select, Text, cast, func, select
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.types import Date, Double, Integer

from driftgate.database import database_errors
from driftgate.errors import ConfigurationError, DataError
from driftgate.features.entities import MonthSize, absent_table, entity_query, table_clause
from driftgate.features.files import write_file
from driftgate.monitors import Label, Monitor

LABEL_COLUMN = "label"

_NUMERIC_TYPES = ("smallint", "integer", "bigint", "real", "double precision", "numeric")


@dataclass(frozen=True)
class LabelMonth:
    """The labels of one month.

    Attributes:
        entities: all entities of the month, also where features are read of a sample only.
        labelled: how many of them have a label.
        mean: mean of the label over `labelled`, the rate for a binary one; NaN where it is not computable.
        reason: why `mean` is NaN, or empty.
        binary: whether the label is boolean.
        pending: whether too few labels are there yet, see `min_label_share`.
        path: Arrow IPC file of the compared entities that have a label, its columns the join key and `label`; None
            where there are no labels.
    """

    as_of: date
    entities: int
    labelled: int
    mean: float
    reason: str
    binary: bool
    path: Path | None
    pending: bool = False


def read_labels(engine: Engine, monitor: Monitor, size: MonthSize, out: Path) -> LabelMonth:
    """Read the labels of one month and write those of the compared entities to `out`.

    Raises:
        ConfigurationError: the label table or column is absent, or neither boolean nor numeric.
        DataError: an entity has two labels for the period, or a label is NaN or infinite.
        DatabaseError: a query fails.
    """
    label = monitor.label
    if label is None:
        return _not_computable(size, "the monitor has no label")
    if label.timestamp is None:
        return _not_computable(size, f"the labels in {label.table} are not keyed by period")
    with database_errors(f"reading the labels of {size.as_of}"):
        try:
            binary = _is_binary(engine, label)
            labels = _labels_of_period(monitor, label, label.timestamp, size.as_of)
            labelled, mean = _mean_of_month(engine, monitor, size, labels, binary)
            if mean is not None:
                _require_finite(label, size, mean)
            if labelled < monitor.min_label_share * size.entities or mean is None:
                return _pending(size, label, labelled)
            if labelled < min(monitor.min_rows, size.entities):
                reason = f"{labelled} labels for the period {size.as_of} in {label.table}, {monitor.min_rows} needed"
                return _not_computable(size, reason, labelled)
            table = _compared_labels(engine, monitor, size, labels)
        except ProgrammingError as error:
            raise absent_table(error, label.table) from error
    write_file(out, table)
    return LabelMonth(size.as_of, size.entities, labelled, mean, "", binary, out)


def _not_computable(size: MonthSize, reason: str, labelled: int = 0) -> LabelMonth:
    return LabelMonth(size.as_of, size.entities, labelled, math.nan, reason, False, None)


def _pending(size: MonthSize, label: Label, labelled: int) -> LabelMonth:
    # The percentage is rounded down, so that 89.9% is not printed as 90%.
    reason = f"pending, {100 * labelled // size.entities}% labelled"
    if labelled == 0:
        reason += f": no labels for the period {size.as_of} in {label.table}"
    return replace(_not_computable(size, reason, labelled), pending=True)


def _require_finite(label: Label, size: MonthSize, mean: float) -> None:
    if not math.isfinite(mean):
        raise DataError(
            f"the labels {label.table}.{label.column} of the period {size.as_of} hold NaN or infinity",
            allowed="finite numbers, or NULL where there is no label",
            remedy="correct these rows",
        )


def _is_binary(engine: Engine, label: Label) -> bool:
    """Return whether the label is boolean. PostgreSQL is asked for the type, so that views work like tables."""
    source = table_clause(label.table, label.column)
    # A scalar subquery gives a NULL of the column's type where the table is empty.
    value = select(source.c[label.column]).limit(1).scalar_subquery()
    with engine.connect() as connection:
        kind = connection.execute(select(cast(func.pg_typeof(value), Text))).scalar_one()
    if kind != "boolean" and kind not in _NUMERIC_TYPES:
        raise ConfigurationError(
            f"the label {label.table}.{label.column} is of type {kind}",
            allowed="boolean or a number",
            remedy="point label.table at a view that casts it, for example `answer = 'yes' AS churned`",
        )
    return kind == "boolean"


def _labels_of_period(monitor: Monitor, label: Label, timestamp: str, as_of: date) -> Select[Any]:
    key = label.key or monitor.entity.key
    source = table_clause(label.table, key, label.column, timestamp)
    start, end = cast(as_of, Date), cast(as_of + timedelta(days=1), Date)
    moment = source.c[timestamp]
    return select(source.c[key].label("key"), source.c[label.column].label(LABEL_COLUMN)).where(
        moment >= start, moment < end, source.c[label.column].is_not(None)
    )


def _mean_of_month(
    engine: Engine, monitor: Monitor, size: MonthSize, labels: Select[Any], binary: bool
) -> tuple[int, float | None]:
    whole = MonthSize(size.as_of, size.entities, size.entities)
    entities, labelled = entity_query(monitor, whole).subquery("entities"), labels.subquery("labels")
    value = cast(labelled.c[LABEL_COLUMN], Integer) if binary else labelled.c[LABEL_COLUMN]
    joined = entities.join(labelled, entities.c[monitor.entity.feast_key] == labelled.c.key)
    query = select(func.count(), func.count(labelled.c.key.distinct()), cast(func.avg(value), Double))
    with engine.connect() as connection:
        rows, distinct, mean = connection.execute(query.select_from(joined)).one()
    if rows != distinct:
        raise DataError(
            f"{rows - distinct} entities have more than one label for the period {size.as_of}",
            allowed="one label for each entity and period",
            remedy="remove the surplus rows; label.timestamp in monitors.toml must name the period's column",
        )
    return rows, mean


def _compared_labels(engine: Engine, monitor: Monitor, size: MonthSize, labels: Select[Any]) -> pa.Table:
    entities, labelled = entity_query(monitor, size).subquery("entities"), labels.subquery("labels")
    key = entities.c[monitor.entity.feast_key]
    joined = entities.join(labelled, key == labelled.c.key)
    with engine.connect() as connection:
        rows = connection.execute(select(key, labelled.c[LABEL_COLUMN]).select_from(joined)).all()
    keys, values = [row[0] for row in rows], [row[1] for row in rows]
    if not (values and isinstance(values[0], bool)):
        values = [float(value) for value in values]
    return pa.table({monitor.entity.feast_key: pa.array(keys), LABEL_COLUMN: pa.array(values)})
