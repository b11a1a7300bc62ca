"""Where rows are, in the words of a data source of the Feast repository. Plain values, which go between processes.

A module of its own, because the engines and what describes the sources to them both import it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A data source that Feast knows, or a table that monitors.toml names; it has `sql` or `path`.

    Attributes:
        name: for messages.
        sql: what stands after FROM, without an alias: a table, or a query in parentheses.
        path: file or folder, as Feast was told it; a relative path begins at the repository.
        format: of the file.
        timestamp: column of the event's time; None where no one said.
        created: column of the time at which the row was written, where the source has one.
        mapping: pairs (column of the source, name in Feast).
    """

    name: str
    sql: str = ""
    path: str = ""
    format: str = "parquet"
    timestamp: str | None = None
    created: str | None = None
    mapping: tuple[tuple[str, str], ...] = ()
