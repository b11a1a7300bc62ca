"""Which entities of a month get a label at all, by a condition on a column of theirs."""

import operator
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from driftgate.conditions import ALLOWED, Condition, parse_condition
from driftgate.errors import ConfigurationError, bounded
from driftgate.features.engines import Engine
from driftgate.features.entities import in_days, moment_of
from driftgate.monitors import Monitor

if TYPE_CHECKING:
    import ibis.expr.types as ir

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def count_expected(engine: Engine, monitor: Monitor, text: str, as_of: date) -> int:
    """Count the entities of a month of which the condition `text` holds; of a NULL only `is null` does.

    Raises:
        ConfigurationError: the entities have no such column, or it is of a type that is not compared like this.
        DatabaseError: the query fails.
    """
    rows, condition = engine.rows(monitor.entity), parse_condition(text)
    if condition.column not in rows.table.columns:
        raise ConfigurationError(
            f"label.expected is {text!r}, and {monitor.entity.place} has no column {condition.column!r}",
            allowed=f"{ALLOWED}; columns: {bounded(rows.table.columns)}",
            remedy="correct label.expected in monitors.toml",
        )
    month = rows.table.filter(in_days(moment_of(rows), as_of, as_of))
    holds = _holds(month[condition.column], condition, text, monitor)
    found = engine.arrow(month.aggregate(expected=holds.ifelse(1, 0).sum()))
    return int(found.column("expected")[0].as_py() or 0)


def is_there(value: "ir.Column") -> "ir.BooleanColumn":
    """Return whether a value is not NULL. NaN is a value; Ibis takes it for NULL on Spark, so its text is asked for."""
    return (value.cast("string") if value.type().is_floating() else value).notnull()


def _holds(value: "ir.Column", condition: Condition, text: str, monitor: Monitor) -> "ir.BooleanValue":
    if condition.operator in ("is null", "is not null"):
        there = is_there(value)
        return there if condition.operator == "is not null" else ~there
    if not _comparable(value, condition):
        raise ConfigurationError(
            f"label.expected is {text!r}, and {monitor.entity.place}.{condition.column} is of type {value.type()}",
            allowed=f"{ALLOWED}, of the type of the column",
            remedy="correct label.expected in monitors.toml, or point the entity at a view that has a boolean column, "
            "for example `NOT cancelled AS flown`",
        )
    if not condition.operator:
        return value
    return _OPERATORS[condition.operator](value, condition.value)


def _comparable(value: "ir.Column", condition: Condition) -> bool:
    """Whether the column has the type of what it is compared with; a column alone has to be boolean."""
    kind = value.type()
    if not condition.operator or isinstance(condition.value, bool):
        return bool(kind.is_boolean())
    return bool(kind.is_string() if isinstance(condition.value, str) else kind.is_numeric())
