"""The rows that are kept beside a profile: the whole month where it is small enough, else some of its entities."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from driftgate.errors import DataError
from driftgate.features.files import doubles_of


def sample_rows(table: pa.Table, key: str) -> pa.Table:
    """The rows in a form that does not depend on who joined them: sorted by key, with the plainest types.

    Numbers become doubles (the key stays a whole number), decimals their nearest double, strings stay strings, and
    timestamps count microseconds in UTC.

    Args:
        table: one row for each entity, in any order.
        key: the column that identifies the entity.

    Raises:
        DataError: the key is missing or repeated in some row, or a column has a type that no feature has.
    """
    keys = table.column(key)
    distinct = pc.count_distinct(keys).as_py()
    if keys.null_count or distinct != len(keys):
        raise DataError(
            f"{len(keys)} rows have {distinct} distinct values of {key}, {keys.null_count} of them NULL",
            allowed="one row for each entity",
            remedy="remove the surplus rows, or name another key",
        )
    names = [key, *sorted(name for name in table.column_names if name != key)]
    plain = pa.table({name: _plain(name, table.column(name), name == key) for name in names})
    order = pc.sort_indices(plain.column(key))
    return pa.table({name: _rewritten(plain.column(name).take(order)) for name in names})


def sample_to_bytes(sample: pa.Table) -> bytes:
    """A sample as an Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, sample.schema) as writer:
        writer.write_table(sample)
    return sink.getvalue()


def sample_from_bytes(data: bytes) -> pa.Table:
    """Read what `sample_to_bytes` wrote."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def _plain(name: str, column: pa.ChunkedArray, is_key: bool) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        return doubles_of(column)
    target = _plain_type(column.type, is_key)
    if target is None:
        raise DataError(
            f"the column {name} has the type {column.type}",
            allowed="numbers, strings, booleans, times and arrays of numbers",
            remedy="leave it out of the feature service",
        )
    if pa.types.is_timestamp(target):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column.cast(target, safe=False)


def _plain_type(kind: pa.DataType, is_key: bool) -> pa.DataType | None:
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = _plain_type(kind.value_type, is_key=False)
        return pa.large_list(inner) if inner is not None else None
    for holds, plain in (
        (types.is_null, kind),
        (types.is_boolean, pa.bool_()),
        (types.is_integer, pa.int64() if is_key else pa.float64()),
        (types.is_floating, pa.float64()),
        (types.is_string, pa.large_string()),
        (types.is_large_string, pa.large_string()),
        (types.is_timestamp, pa.timestamp("us", "UTC")),
        (types.is_date, pa.date32()),
    ):
        if holds(kind):
            return plain
    return None


def _rewritten(column: pa.ChunkedArray) -> pa.Array:
    """One array without an offset, with nothing but zeros below its NULLs, one NaN and one zero."""
    if not pa.types.is_floating(column.type):
        return pa.array(column.to_pylist(), column.type)
    valid = column.is_valid().to_numpy()
    numbers = column.to_numpy(zero_copy_only=False) + 0.0
    numbers[np.isnan(numbers)] = np.nan
    numbers[~valid] = 0.0
    return pa.array(numbers, mask=None if valid.all() else ~valid)
