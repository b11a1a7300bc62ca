"""The labels of a period. They are joined to the month's entities on key and period only."""

import math
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from driftgate.conditions import LEARNT
from driftgate.errors import ConfigurationError, DataError
from driftgate.features.engines import Engine
from driftgate.features.engines.engine import Rows
from driftgate.features.entities import GROUP_COLUMN, MonthSize, in_days, loaded_months, moment_of, month_entities
from driftgate.features.expected import count_expected, is_there
from driftgate.features.files import write_file
from driftgate.measures import MOST_CLASSES, LabelKind
from driftgate.monitors import Label, Monitor

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL_COLUMN = "label"
_LABEL_KEY = "_label_key"
_DAY, _LABEL_DAY = "_day", "_label_day"
# Months that a learnt share is the median of.
_FEWEST_PAST, _MOST_PAST = 3, 12


@dataclass(frozen=True)
class LabelMonth:
    """The labels of one month.

    Attributes:
        entities: all entities of the month, also where features are read of a sample only.
        labelled: how many of them have a label.
        mean: mean of the label over `labelled`, the rate for a boolean one; NaN where it is not computable, and for a
            categorical one.
        reason: why there are no labels to compare, or empty.
        kind: of the label; a number that is 0 and 1 is boolean. None where there are no labels.
        pending: whether too few labels are there yet, see `min_label_share`.
        path: Arrow IPC file of the compared entities that have a label, its columns the join key and `label`; None
            where there are no labels.
        constant: the value that every label has, in words; empty where they differ.
        classes: of a categorical label; else 0.
        class_counts: how many entities have each class, where there are at most fifty, by name; else empty.
        largest: absolute value of the largest number; 0 for any other label.
        expected: how many of the entities get a label at all, sooner or later; None where each of them does.
        grouped: whether the file has the group of each entity too, in the column `__group__`.
    """

    as_of: date
    entities: int
    labelled: int
    mean: float
    reason: str
    kind: LabelKind | None
    path: Path | None
    pending: bool = False
    constant: str = ""
    classes: int = 0
    largest: float = 0.0
    expected: int | None = None
    class_counts: tuple[tuple[str, int], ...] = ()
    grouped: bool = False

    @property
    def too_many_classes(self) -> str:
        """Why the classes are not looked at, in words; empty where they are not too many."""
        if self.classes <= MOST_CLASSES:
            return ""
        return f"the label of {self.as_of} has {self.classes} classes, and up to {MOST_CLASSES} are measured"

    @property
    def labelled_share(self) -> float:
        """Share of the entities that get a label which have it, in [0, 1]."""
        return min(1.0, self.labelled / (self.entities if self.expected is None else self.expected))


def read_labels(engine: Engine, monitor: Monitor, size: MonthSize, out: Path) -> LabelMonth:
    """Read the labels of one month and write those of the compared entities to `out`.

    Raises:
        ConfigurationError: the label's source or column is absent, or neither boolean nor a number nor text.
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
        expected = _expected(engine, monitor, label, rows, size)
        if expected == 0:
            return _not_computable(size, f"no entity of {size.as_of} gets a label, by {label.expected}")
        found = _found(engine, monitor, size, labels)
        labelled = found.labelled
        if labelled < monitor.min_label_share * expected or not labelled:
            return _pending(size, label, labelled, expected)
        if found.kind is not LabelKind.CATEGORICAL:
            _require_finite(label, size, found.mean)
        if labelled < min(monitor.min_rows, size.entities):
            reason = f"{labelled} labels for the period {size.as_of} in {label.place}, {monitor.min_rows} needed"
            return replace(_not_computable(size, reason, labelled), expected=expected)
        joined = _joined(month_entities(engine, monitor, size), labels, monitor)
        groups = [GROUP_COLUMN] if monitor.entity.group else []
        table = engine.arrow(joined.select(monitor.entity.feast_key, LABEL_COLUMN, *groups))
    if found.kind is LabelKind.BOOLEAN:
        # Also of a number that is 0 and 1.
        table = table.set_column(1, LABEL_COLUMN, table.column(LABEL_COLUMN).cast("bool"))
    write_file(out, table)
    return LabelMonth(
        size.as_of,
        size.entities,
        labelled,
        found.mean,
        "",
        found.kind,
        out,
        constant=found.constant,
        classes=found.classes,
        largest=found.largest,
        expected=expected,
        class_counts=found.class_counts,
        grouped=bool(groups),
    )


def _not_computable(size: MonthSize, reason: str, labelled: int = 0) -> LabelMonth:
    return LabelMonth(size.as_of, size.entities, labelled, math.nan, reason, None, None)


def _pending(size: MonthSize, label: Label, labelled: int, expected: int) -> LabelMonth:
    # The percentage is rounded down, so that 89.9% is not printed as 90%.
    reason = f"pending, {100 * labelled // expected}% labelled"
    if labelled == 0:
        reason += f": no labels for the period {size.as_of} in {label.place}"
    return replace(_not_computable(size, reason, labelled), expected=expected, pending=True)


def _expected(engine: Engine, monitor: Monitor, label: Label, labels: Rows, size: MonthSize) -> int:
    """Count the entities of the month that get a label: a flight that was cancelled has no delay, and never will."""
    if label.expected is None:
        return size.entities
    if label.expected == LEARNT:
        share = _learnt_share(engine, monitor, label, labels, size.as_of)
        return max(1, round(share * size.entities))
    return count_expected(engine, monitor, label.expected, size.as_of)


def _learnt_share(engine: Engine, monitor: Monitor, label: Label, labels: Rows, as_of: date) -> float:
    """Return the share of the entities that got a label in past months; 1 where too few of them tell.

    It is the median over the months before this one, but for the last of them, whose labels may still come: at least
    three with labels, and of more than twelve the newest. A month without any label says nothing.
    """
    past = [month for month in loaded_months(engine, monitor) if month < as_of][:-1][-_MOST_PAST:]
    if len(past) < _FEWEST_PAST:
        return 1.0
    of_entities = engine.rows(monitor.entity)
    moment, period = moment_of(of_entities), moment_of(labels)
    entities = of_entities.table.filter(in_days(moment, past[0], past[-1])).select(
        **{monitor.entity.feast_key: of_entities.column(monitor.entity.key), _DAY: moment.cast("date")}
    )
    there = labels.table.filter(in_days(period, past[0], past[-1]), is_there(labels.column(label.column))).select(
        **{_LABEL_KEY: labels.column(label.key or monitor.entity.key), _LABEL_DAY: period.cast("date")}
    )
    joined = _joined(entities, there, monitor, entities[_DAY] == there[_LABEL_DAY])
    counts = [
        dict(zip(*(column.to_pylist() for column in engine.arrow(counted).columns), strict=True))
        for counted in (
            entities.group_by(_DAY).aggregate(rows=entities.count()),
            joined.group_by(_DAY).aggregate(rows=joined[_LABEL_KEY].nunique()),
        )
    ]
    shares = [counts[1][month] / counts[0][month] for month in past if counts[1].get(month)]
    return median(shares) if len(shares) >= _FEWEST_PAST else 1.0


def _require_finite(label: Label, size: MonthSize, mean: float) -> None:
    if not math.isfinite(mean):
        raise DataError(
            f"the labels {label.place}.{label.column} of the period {size.as_of} hold NaN or infinity",
            allowed="finite numbers, or NULL where there is no label",
            remedy="correct these rows",
        )


def _labels_of_period(monitor: Monitor, label: Label, rows: Rows, as_of: date) -> "ir.Table":
    """Return the rows (label key, label) of the period whose label is not NULL; a number becomes a float."""
    value = rows.column(label.column)
    kind = value.type()
    if not (kind.is_boolean() or kind.is_numeric() or kind.is_string()):
        raise ConfigurationError(
            f"the label {label.place}.{label.column} is of type {kind}",
            allowed="boolean, a number, or text for classes",
            remedy="point the label at a view that casts it, for example `answer = 'yes' AS bought`",
        )
    key = rows.column(label.key or monitor.entity.key)
    period = rows.table.filter(in_days(moment_of(rows), as_of, as_of), is_there(value))
    return period.select(**{_LABEL_KEY: key, LABEL_COLUMN: value.cast("float64") if kind.is_numeric() else value})


def _joined(entities: "ir.Table", labels: "ir.Table", monitor: Monitor, *more: "ir.BooleanValue") -> "ir.Table":
    key, other = entities[monitor.entity.feast_key], labels[_LABEL_KEY]
    if not (key.type().is_numeric() and other.type().is_numeric()) and not key.type().castable(other.type()):
        raise ConfigurationError(
            f"the keys of {monitor.entity.place} are of type {key.type()}, those of its labels of type {other.type()}",
            allowed="two types that can be compared",
            remedy="point one of them at a view that casts its key",
        )
    return entities.inner_join(labels, [key == other, *more])


@dataclass(frozen=True)
class _Found:
    labelled: int
    mean: float
    kind: LabelKind
    constant: str
    classes: int = 0
    largest: float = 0.0
    class_counts: tuple[tuple[str, int], ...] = ()


def _found(engine: Engine, monitor: Monitor, size: MonthSize, labels: "ir.Table") -> _Found:
    """Aggregate the labels of all entities of the month, also where features are read of a sample only."""
    whole = replace(size, compared=size.entities)
    joined = _joined(month_entities(engine, monitor, whole), labels, monitor)
    value = joined[LABEL_COLUMN]
    text = value.type().is_string()
    number = value.ifelse(1, 0).cast("float64") if value.type().is_boolean() else value
    figures = {"rows": joined.count(), "distinct": joined[_LABEL_KEY].nunique(), "least": number.min()}
    figures |= {"most": number.max()}
    figures |= (
        {"classes": value.nunique()} if text else {"mean": number.mean(), "other": number.notin([0.0, 1.0]).sum()}
    )
    table = engine.arrow(joined.aggregate(**figures))
    found = {name: column[0].as_py() for name, column in zip(figures, table.columns, strict=True)}
    rows, distinct = found["rows"], found["distinct"]
    if rows != distinct:
        raise DataError(
            f"{rows - distinct} entities have more than one label for the period {size.as_of}",
            allowed="one label for each entity and period",
            remedy="remove the surplus rows; label.timestamp in monitors.toml must name the period's column",
        )
    same = rows > 0 and found["least"] == found["most"]
    if text:
        constant, classes = str(found["least"]) if same else "", found["classes"] or 0
        counts = _class_counts(engine, value, joined) if classes <= MOST_CLASSES else ()
        return _Found(rows, math.nan, LabelKind.CATEGORICAL, constant, classes, class_counts=counts)
    boolean = value.type().is_boolean() or (not same and found["other"] == 0)
    words = (("true" if found["least"] else "false") if boolean else f"{found['least']:g}") if same else ""
    mean = math.nan if found["mean"] is None else float(found["mean"])
    if boolean:
        return _Found(rows, mean, LabelKind.BOOLEAN, words)
    largest = max(abs(found["least"]), abs(found["most"])) if rows else 0.0
    return _Found(rows, mean, LabelKind.NUMERIC, words, largest=largest)


def _class_counts(engine: Engine, value: "ir.Column", joined: "ir.Table") -> tuple[tuple[str, int], ...]:
    """How many entities have each class, by name."""
    table = engine.arrow(joined.group_by(value.name("class")).aggregate(entities=joined.count()))
    names, counts = (column.to_pylist() for column in table.columns)
    return tuple(sorted(zip(map(str, names), map(int, counts), strict=True)))
