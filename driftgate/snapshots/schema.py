"""How the source tables of a month are described; reading, validation and the database tables follow the description.

A month is a folder with one CSV file a table, `{name}.csv`. This module imports nothing heavy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from driftgate.errors import ConfigurationError, bounded

Kind = Literal["text", "integer", "number", "boolean", "date"]


@dataclass(frozen=True)
class Column:
    """One column of a source file.

    Attributes:
        name: as in the header of the file and in the database.
        kind: what its values are; a blank is NULL in every kind.
        optional: the file may lack the column; the database has it all the same, NULL in every row.
        non_negative: values below zero are a failure.
        nullable: blanks are allowed.
    """

    name: str
    kind: Kind
    optional: bool = False
    non_negative: bool = False
    nullable: bool = True


@dataclass(frozen=True)
class SourceTable:
    """One source file and the database tables that it fills.

    Attributes:
        name: the file without its suffix, and the table that holds the newest month (labels: every month).
        columns: in file order, the key first.
        snapshot: the table that holds every month, or None where months are not kept.
        timestamp: its date column, the day on which the month was taken, or None where months are not kept.
    """

    name: str
    columns: tuple[Column, ...]
    snapshot: str | None = None
    timestamp: str | None = None

    @property
    def file_name(self) -> str:
        """The name of its CSV file in a month folder.

        >>> SourceTable("clients", ()).file_name
        'clients.csv'
        """
        return f"{self.name}.csv"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all columns, optional ones included, in file order."""
        return tuple(column.name for column in self.columns)

    @property
    def has_base_table(self) -> bool:
        """Whether a table of the same name holds the newest month alone."""
        return self.snapshot != self.name

    @property
    def key(self) -> str:
        """The name of the column that identifies an entity: the first."""
        return self.columns[0].name


@dataclass(frozen=True)
class SourceTables:
    """All source tables of a month, which `driftgate.snapshots` takes as an argument.

    Attributes:
        tables: the parent first: the entities of every other table must be in it.
    """

    tables: tuple[SourceTable, ...]

    def __post_init__(self) -> None:
        faults = list(_faults(self.tables))
        if faults:
            raise ConfigurationError(
                "the description of the source tables is not usable: " + "; ".join(faults),
                allowed="tables of different names with one key, at least one of them with a snapshot table",
                remedy="correct the SourceTables that is given to driftgate.snapshots",
            )

    @property
    def parent(self) -> SourceTable:
        """The table that lists the entities of the month."""
        return self.tables[0]

    @property
    def key(self) -> str:
        """The column that identifies an entity in every table."""
        return self.parent.key

    @property
    def snapshots(self) -> tuple[str, ...]:
        """The names of the tables that hold every month."""
        return tuple(source.snapshot for source in self.tables if source.snapshot)


def _faults(tables: tuple[SourceTable, ...]) -> Iterator[str]:
    """What is wrong with a description, in words."""
    names = [name for source in tables for name in dict.fromkeys((source.name, source.snapshot)) if name]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        yield f"there are two tables called {bounded(repeated)}"
    if empty := [source.name for source in tables if not source.columns]:
        yield f"no column in {bounded(empty)}"
    elif len(keys := sorted({source.key for source in tables})) > 1:
        yield f"the first columns, which are the keys, have different names: {bounded(keys)}"
    if half := [source.name for source in tables if (source.snapshot is None) != (source.timestamp is None)]:
        yield f"a snapshot table without a timestamp, or the reverse, in {bounded(half)}"
    if not any(source.snapshot for source in tables):
        yield "no table keeps its months"
