"""Exact decimals as doubles: what PostgreSQL's come as, so that a value is the same double on every engine.

A module of its own, because profiles and the Feast adapter both import it.
"""

import numpy as np
import pyarrow as pa


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
