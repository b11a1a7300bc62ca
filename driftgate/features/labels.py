"""The labels of a period. They are joined to the month's entities on key and period only."""

import math
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from driftgate.errors import ConfigurationError, DataError
from driftgate.features.engines import Engine
from driftgate.features.engines.engine import Rows
from driftgate.features.entities import MonthSize, in_days, moment_of, month_entities
from driftgate.features.files import write_file
from driftgate.monitors import Label, Monitor

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL_COLUMN = "label"
_LABEL_KEY = "_label_key"


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
        ConfigurationError: the label's source or column is absent, or neither boolean nor numeric.
        DataError: an entity has two labels for the period, or a label is NaN or infinite.
        DatabaseError: a query fails.
    """
    label = monitor.label
    if label is None:
        return _not_computable(size, "the monitor has no label")
    with engine.errors(f"reading the labels of {size.as_of}"):
        rows = engine.rows(label)
        if rows.timestamp is None:
            return _not_computable(size, f"the labels in {label.place} are not keyed by period")
        labels = _labels_of_period(monitor, label, rows, size.as_of)
        binary = labels[LABEL_COLUMN].type().is_boolean()
        labelled, mean = _mean_of_month(engine, monitor, size, labels)
        if mean is not None:
            _require_finite(label, size, mean)
        if labelled < monitor.min_label_share * size.entities or mean is None:
            return _pending(size, label, labelled)
        if labelled < min(monitor.min_rows, size.entities):
            reason = f"{labelled} labels for the period {size.as_of} in {label.place}, {monitor.min_rows} needed"
            return _not_computable(size, reason, labelled)
        joined = _joined(month_entities(engine, monitor, size), labels, monitor)
        table = engine.arrow(joined.select(monitor.entity.feast_key, LABEL_COLUMN))
    write_file(out, table)
    return LabelMonth(size.as_of, size.entities, labelled, mean, "", binary, out)


def _not_computable(size: MonthSize, reason: str, labelled: int = 0) -> LabelMonth:
    return LabelMonth(size.as_of, size.entities, labelled, math.nan, reason, False, None)


def _pending(size: MonthSize, label: Label, labelled: int) -> LabelMonth:
    # The percentage is rounded down, so that 89.9% is not printed as 90%.
    reason = f"pending, {100 * labelled // size.entities}% labelled"
    if labelled == 0:
        reason += f": no labels for the period {size.as_of} in {label.place}"
    return replace(_not_computable(size, reason, labelled), pending=True)


def _require_finite(label: Label, size: MonthSize, mean: float) -> None:
    if not math.isfinite(mean):
        raise DataError(
            f"the labels {label.place}.{label.column} of the period {size.as_of} hold NaN or infinity",
            allowed="finite numbers, or NULL where there is no label",
            remedy="correct these rows",
        )


def _labels_of_period(monitor: Monitor, label: Label, rows: Rows, as_of: date) -> "ir.Table":
    """Return the rows (label key, label) of the period; a number that is no float becomes one."""
    value = rows.column(label.column)
    kind = value.type()
    if not (kind.is_boolean() or kind.is_numeric()):
        raise ConfigurationError(
            f"the label {label.place}.{label.column} is of type {kind}",
            allowed="boolean or a number",
            remedy="point the label at a view that casts it, for example `answer = 'yes' AS bought`",
        )
    key = rows.column(label.key or monitor.entity.key)
    period = rows.table.filter(in_days(moment_of(rows), as_of, as_of), _is_there(value))
    return period.select(**{_LABEL_KEY: key, LABEL_COLUMN: value if kind.is_boolean() else value.cast("float64")})


def _is_there(value: "ir.Column") -> "ir.BooleanColumn":
    """Return whether a value is not NULL. NaN is a value; Ibis takes it for NULL on Spark, so its text is asked for."""
    return (value.cast("string") if value.type().is_floating() else value).notnull()


def _joined(entities: "ir.Table", labels: "ir.Table", monitor: Monitor) -> "ir.Table":
    key, other = entities[monitor.entity.feast_key], labels[_LABEL_KEY]
    if not (key.type().is_numeric() and other.type().is_numeric()) and not key.type().castable(other.type()):
        raise ConfigurationError(
            f"the keys of {monitor.entity.place} are of type {key.type()}, those of its labels of type {other.type()}",
            allowed="two types that can be compared",
            remedy="point one of them at a view that casts its key",
        )
    return entities.inner_join(labels, key == other)


def _mean_of_month(engine: Engine, monitor: Monitor, size: MonthSize, labels: "ir.Table") -> tuple[int, float | None]:
    whole = replace(size, compared=size.entities)
    joined = _joined(month_entities(engine, monitor, whole), labels, monitor)
    value = joined[LABEL_COLUMN]
    number = value.ifelse(1, 0).cast("float64") if value.type().is_boolean() else value
    found = joined.aggregate(rows=joined.count(), distinct=joined[_LABEL_KEY].nunique(), mean=number.mean())
    rows, distinct, mean = (column[0].as_py() for column in engine.arrow(found).columns)
    if rows != distinct:
        raise DataError(
            f"{rows - distinct} entities have more than one label for the period {size.as_of}",
            allowed="one label for each entity and period",
            remedy="remove the surplus rows; label.timestamp in monitors.toml must name the period's column",
        )
    return rows, mean
