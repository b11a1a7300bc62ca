"""The tables which one step gives to the next: Arrow IPC files, with doubles in place of exact decimals."""

from pathlib import Path

import numpy as np
import pyarrow as pa


def read_file(path: Path) -> pa.Table:
    """Return an Arrow IPC file as a table, memory-mapped."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def write_file(path: Path, table: pa.Table) -> None:
    """Write a table as an Arrow IPC file."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def doubles_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the nearest double of each decimal; NULL stays NULL.

    Python finds the nearest one, as a database does. Arrow's own cast is sometimes one step beside it.
    """
    coded = column.combine_chunks().dictionary_encode()
    nearest = np.array([float(value) for value in coded.dictionary.to_pylist()])
    return pa.chunked_array([pa.array(nearest, pa.float64()).take(coded.indices)])


def with_doubles(table: pa.Table) -> pa.Table:
    """Return the table with doubles in place of exact decimals."""
    for number, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(number, field.name, doubles_of(table.column(number)))
    return table
