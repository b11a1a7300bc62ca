"""Two tables that a caller gives: how they are read, and which of their columns are features."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from driftgate.errors import DataError, UsageError, bounded
from driftgate.features.entities import FEWEST_GROUPS, GROUP_COLUMN
from driftgate.features.types import DeclaredFeature, Kind
from driftgate.profiles.build import is_number


def read_given(given: Any, which: str) -> pa.Table:
    """Return a frame, a table or a parquet file as an Arrow table; `which` names it in errors.

    Raises:
        UsageError: it is none of these.
        DataError: it has no rows, or cannot be read.
    """
    if isinstance(given, str | Path):
        table = _read_parquet(Path(given), which)
    elif isinstance(given, pa.Table):
        table = given
    elif hasattr(given, "to_pyarrow"):
        table = given.to_pyarrow()
    elif hasattr(given, "to_arrow"):
        table = given.to_arrow()
    elif hasattr(given, "columns") and hasattr(given, "iloc"):
        table = pa.Table.from_pandas(given, preserve_index=False)
    else:
        raise UsageError(
            f"{which} is of type {type(given).__name__}",
            allowed="a pandas or Polars frame, an Arrow or Ibis table, or the path of a parquet file",
        )
    if table.num_rows == 0:
        raise DataError(f"{which} has no rows", remedy="give a table with rows")
    names = table.column_names
    for at, name in enumerate(names):
        kind = table.schema.field(at).type
        if pa.types.is_dictionary(kind):
            table = table.set_column(at, name, table.column(at).cast(kind.value_type))
    return table


def _read_parquet(path: Path, which: str) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{which} cannot be read from {path}: {str(error).splitlines()[0]}",
            allowed="the path of a parquet file",
            remedy="correct the path, or read the file yourself and give the table",
        ) from error


def require_columns(tables: Sequence[pa.Table], **named: str | None) -> None:
    """Check that both tables have the columns that arguments name.

    Raises:
        UsageError: one of them lacks one; the message names the argument.
    """
    for argument, name in named.items():
        if name is not None and not all(name in table.column_names for table in tables):
            both = [item for item in tables[0].column_names if item in tables[1].column_names]
            raise UsageError(f"{argument} is {name!r}, which is not a column of both tables", allowed=bounded(both))


def with_label(tables: Sequence[pa.Table], label: str) -> list[pa.Table]:
    """Return both tables with a column of labels: one without a value where the current table has none yet.

    Raises:
        UsageError: the reference lacks it.
    """
    reference, current = tables
    if label not in reference.column_names:
        raise UsageError(
            f"label is {label!r}, which is not a column of the reference",
            allowed=f"one of {bounded(reference.column_names)}; only the current table may lack its labels",
        )
    if label not in current.column_names:
        current = current.append_column(label, pa.nulls(current.num_rows))
    return [reference, current]


def with_groups(tables: Sequence[pa.Table], group: str) -> list[pa.Table]:
    """Return both tables with a column that says the group of each row, as a run has it.

    Raises:
        UsageError: a table lacks the column, or it is of a type that names nothing.
        DataError: a row has no group, or a table has too few of them.
    """
    require_columns(tables, group=group)
    found = []
    for table, which in zip(tables, ("reference", "current"), strict=True):
        column = table.column(group)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.date32(), safe=False)
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_date(kind) or _is_text(kind) or pa.types.is_null(kind)):
            raise UsageError(
                f"group is {group!r} of type {kind}",
                allowed="a column of text, whole numbers, dates or timestamps, which count by their day",
            )
        column = column.cast(pa.string())
        groups = len(column.unique()) - bool(column.null_count)
        if column.null_count or groups < FEWEST_GROUPS:
            raise DataError(
                f"{which} has {column.null_count} rows without {group}, and {groups} groups",
                allowed=f"a group for each row, and at least {FEWEST_GROUPS} of them",
                remedy="name a column that divides finer, or give each row without a group one of its own",
            )
        found.append(table.append_column(GROUP_COLUMN, column))
    return found


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def declared_features(
    tables: Sequence[pa.Table], others: Sequence[str], *, with_ages: bool
) -> tuple[DeclaredFeature, ...]:
    """Return every column of either table that is a feature, with the type it has in the first that has it.

    Args:
        tables: both.
        others: columns that are no features.
        with_ages: whether timestamps are compared, by their age.

    Raises:
        DataError: there is none.
    """
    types: dict[str, pa.DataType] = {}
    for table in tables:
        for field in table.schema:
            # A column without a value has no type yet.
            if field.name not in types or pa.types.is_null(types[field.name]):
                types[field.name] = field.type
    found = [DeclaredFeature(name, "", *_typed(kind, with_ages)) for name, kind in types.items() if name not in others]
    if not found:
        raise DataError("there is no feature to compare", allowed="at least one column beside key and label")
    return tuple(found)


def _typed(kind: pa.DataType, with_ages: bool) -> tuple[str, Kind]:
    types = pa.types
    if types.is_boolean(kind):
        return "BOOL", Kind.CATEGORICAL
    if is_number(kind):
        return "FLOAT64", Kind.NUMERIC
    if _is_text(kind) or types.is_null(kind):
        return "STRING", Kind.CATEGORICAL
    if types.is_timestamp(kind) or types.is_date(kind):
        return "UNIX_TIMESTAMP", Kind.TIMESTAMP if with_ages else Kind.UNSUPPORTED
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = kind.value_type
        if types.is_integer(inner) or types.is_floating(inner):
            return f"Array({inner})", Kind.ARRAY
    return str(kind), Kind.UNSUPPORTED
