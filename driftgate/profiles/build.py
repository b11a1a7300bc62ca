"""From the rows of a month to its profile and grid: Arrow tables in, whole numbers out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from driftgate.features.files import doubles_of
from driftgate.features.types import DeclaredFeature, Kind
from driftgate.profiles.columns import (
    CategoryColumn,
    Column,
    NumberColumn,
    category_column,
    number_column,
    number_column_on,
)
from driftgate.profiles.grid import (
    MOST_OUTSIDE,
    CategoryGrid,
    ColumnGrid,
    Floats,
    Form,
    Grid,
    NumberGrid,
    category_grid,
    number_grid,
)
from driftgate.profiles.profile import Profile

_MICROSECONDS = 1_000_000


def measure(table: pa.Table, columns: Mapping[str, Form], as_of: date, grid: Grid | None = None) -> Profile:
    """The profile of a table of rows: exact, or counted on a grid.

    A column that is absent or of another type does not keep the others from being counted.

    Args:
        table: one row for each entity, in any order.
        columns: what to count, and how.
        as_of: the month; timestamps and dates are counted by their age at its midnight in UTC.
        grid: what a large month is counted on.
    """
    counted: dict[str, Column] = {}
    unmeasured: dict[str, str] = {}
    for name, form in columns.items():
        if name not in table.column_names:
            unmeasured[name] = ""
            continue
        column = count_column(table.column(name), form, as_of, grid.columns.get(name) if grid else None)
        if column is None:
            unmeasured[name] = _told(table.column(name).type)
        else:
            counted[name] = column
    profile = Profile(table.num_rows, counted, unmeasured, grid.digest if grid else "")
    return profile.on(grid) if grid else profile


def measure_features(
    table: pa.Table, declared: Sequence[DeclaredFeature], as_of: date, grid: Grid | None = None
) -> Profile:
    """The profile of the declared features; see `measure`.

    A column of another type than declared is named with its type instead of counted, one that Driftgate cannot
    compare at all is left out.
    """
    wanted = [item for item in declared if item.kind is not Kind.UNSUPPORTED]
    types = {item.name: table.column(item.name).type for item in wanted if item.name in table.column_names}
    wrong = {item.name for item in wanted if item.name in types and not _fits(item, types[item.name])}
    found = measure(table, {item.name: form_of(item) for item in wanted if item.name not in wrong}, as_of, grid)
    return replace(found, unmeasured={**found.unmeasured, **{name: _told(types[name]) for name in sorted(wrong)}})


def form_of(item: DeclaredFeature) -> Form:
    """How a feature is counted."""
    return Form.CATEGORY if item.kind is Kind.CATEGORICAL else Form.NUMBER


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers, exact decimals included; booleans are none."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _fits(item: DeclaredFeature, actual: Any) -> bool:
    types = pa.types
    if types.is_null(actual):
        return True  # the column has no value, so none of a wrong type
    if item.kind in (Kind.ARRAY, Kind.TIMESTAMP):
        return _converter(actual) is not None
    if item.kind is Kind.NUMERIC:
        return is_number(actual)
    if item.dtype == "BOOL":
        return bool(types.is_boolean(actual))
    return bool(types.is_string(actual) or types.is_large_string(actual))


def _told(kind: Any) -> str:
    return str(kind).replace("large_", "")


def count_column(column: pa.ChunkedArray, form: Form, as_of: date, grid: ColumnGrid | None = None) -> Column | None:
    """Count the values of one column, exactly or on a grid; None where its type is of another form.

    Numbers are integers, floating-point numbers, decimals (by their nearest double), timestamps (by their age in
    seconds at midnight of `as_of`, UTC), dates (by their age in days) and arrays of numbers (by their Euclidean norm,
    which is NaN where an element is missing). Categories are strings and booleans.
    """
    if pa.types.is_null(column.type):
        return number_column([], [], nulls=len(column)) if form is Form.NUMBER else category_column({}, len(column))
    if form is Form.CATEGORY:
        return _count_categories(column)
    convert = _converter(column.type)
    if convert is None:
        return None
    values = convert(column.drop_null(), as_of)
    rest = {
        "nulls": column.null_count,
        "nans": int(np.isnan(values).sum()),
        "above": int(np.isposinf(values).sum()),
        "below": int(np.isneginf(values).sum()),
    }
    finite = values[np.isfinite(values)]
    if isinstance(grid, NumberGrid):
        return number_column_on(grid, finite, **rest)
    return number_column(*np.unique(finite, return_counts=True), **rest)


def numbers_of(column: pa.ChunkedArray, as_of: date) -> pa.ChunkedArray | None:
    """Return arrays, dates and timestamps as the numbers they are counted by; None where they are something else.

    See `count_column` for what the numbers are. NULL stays NULL.
    """
    convert = _converter(column.type)
    if convert is None:
        return None
    missing = column.is_null().to_numpy()
    values = np.zeros(len(column))
    values[~missing] = convert(column.drop_null(), as_of)
    return pa.chunked_array([pa.array(values, mask=missing)])


def as_numbers(table: pa.Table, declared: Sequence[DeclaredFeature], as_of: date) -> pa.Table:
    """Return the table with arrays and timestamps as the numbers they stand for at `as_of`, see `numbers_of`."""
    for item in declared:
        if item.kind in (Kind.ARRAY, Kind.TIMESTAMP) and item.name in table.column_names:
            numbers = numbers_of(table.column(item.name), as_of)
            if numbers is not None:
                table = table.set_column(table.column_names.index(item.name), item.name, numbers)
    return table


def make_grid(profile: Profile, version: int, sampled: bool = False) -> Grid:
    """The grid of a monitor from the exact profile of its first month, or of a sample of that month.

    Raises:
        ValueError: the profile is not exact.
    """
    columns: dict[str, NumberGrid | CategoryGrid] = {}
    for name, column in profile.columns.items():
        if not column.exact:
            raise ValueError("a grid is made from exact counts")
        if isinstance(column, NumberColumn):
            columns[name] = number_grid(column.values, column.counts, sampled)
        else:
            columns[name] = category_grid(column.names, column.counts)
    return Grid(version, columns)


def must_renew(grid: Grid, columns: Mapping[str, Form], profile: Profile, most_outside: float = MOST_OUTSIDE) -> str:
    """Why the grid must be made anew and its months measured again, or nothing.

    Args:
        grid: the monitor's.
        columns: what is to be counted now.
        profile: the newest month, counted on the grid.
        most_outside: share of a column's values that may lie outside of what the grid was made for, in [0, 1].
    """
    changed = grid.changed_schema(columns)
    if changed:
        return f"the columns changed ({changed})"
    far = {name: _outside(column, grid.columns[name]) for name, column in profile.columns.items()}
    worst = max(far, key=lambda name: (far[name], name), default="")
    if worst and far[worst] > most_outside:
        return f"{far[worst]:.1%} of {worst} lie outside the grid, {most_outside:.0%} may"
    return ""


def _outside(column: Column, grid: NumberGrid | CategoryGrid) -> float:
    if isinstance(column, NumberColumn):
        return column.outside
    assert isinstance(grid, CategoryGrid)
    return max(0.0, (column.other / column.count if column.count else 0.0) - grid.other)


def _count_categories(column: pa.ChunkedArray) -> CategoryColumn | None:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_boolean(kind):
        column = pc.if_else(column, "True", "False")
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    elif kind is not column.type:
        column = column.cast(kind)
    found = pc.value_counts(column.drop_null())
    names, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
    return category_column(dict(zip(names, counts, strict=True)), column.null_count)


Convert = Callable[[pa.ChunkedArray, date], Floats]


def _converter(kind: Any) -> Convert | None:
    types = pa.types
    if types.is_integer(kind) or types.is_floating(kind):
        return _doubles
    if types.is_decimal(kind):
        return _decimals
    if types.is_timestamp(kind):
        return _ages
    if types.is_date(kind):
        return _age_days
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = kind.value_type
        return _norms if types.is_integer(inner) or types.is_floating(inner) or types.is_null(inner) else None
    return None


def _doubles(column: pa.ChunkedArray, _: date) -> Floats:
    # Beyond 2^53 an integer is rounded, which no distribution notices; a safe cast would refuse it.
    values: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def _decimals(column: pa.ChunkedArray, _: date) -> Floats:
    values: Floats = doubles_of(column).to_numpy()
    return values


def _ages(column: pa.ChunkedArray, as_of: date) -> Floats:
    zone = column.type.tz
    moments = column.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64()).to_numpy()
    midnight = int(datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC).timestamp()) * _MICROSECONDS
    ages: Floats = (midnight - moments) / _MICROSECONDS
    return ages


def _age_days(column: pa.ChunkedArray, as_of: date) -> Floats:
    days = column.cast(pa.date32(), safe=False).cast(pa.int32()).to_numpy().astype(np.int64)
    ages: Floats = ((as_of - date(1970, 1, 1)).days - days).astype(np.float64)
    return ages


def _norms(column: pa.ChunkedArray, _: date) -> Floats:
    arrays = column.combine_chunks()
    arrays = arrays.chunk(0) if isinstance(arrays, pa.ChunkedArray) and arrays.num_chunks else arrays
    lengths = pc.list_value_length(arrays).to_numpy(zero_copy_only=False).astype(np.int64)
    elements = arrays.flatten().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    squares = np.zeros(len(lengths))
    filled = lengths > 0
    starts = (np.cumsum(lengths) - lengths)[filled]
    if len(starts):
        with np.errstate(over="ignore"):
            squares[filled] = np.add.reduceat(elements * elements, starts)
    return np.sqrt(squares)
