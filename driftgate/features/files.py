"""The Arrow IPC files that hold the tables which one step gives to the next.

A module of its own, because the steps from features to performance all import it.
"""

from pathlib import Path

import pyarrow as pa


def read_file(path: Path) -> pa.Table:
    """Return an Arrow IPC file as a table, memory-mapped."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def write_file(path: Path, table: pa.Table) -> None:
    """Write a table as an Arrow IPC file."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
