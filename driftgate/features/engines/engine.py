"""What every engine can do. Adding an offline store means writing one more of these."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from driftgate.errors import ConfigurationError, bounded
from driftgate.features.repository import OfflineStore
from driftgate.features.sources import Source
from driftgate.monitors import EntitySource, Label

if TYPE_CHECKING:
    import ibis.expr.types as ir


# Of a large month, in this process.
ROWS_AT_ONCE = 100_000

# Rows of a month, table by table, to bytes. It goes to other processes, so it is made of functions of modules.
Fold = Callable[[Iterator[pa.Table]], bytes]


@dataclass(frozen=True)
class Rows:
    """The rows of a source as an expression.

    Attributes:
        name: of the source, for messages.
        timestamp: column of the time; None where there is none.
    """

    table: "ir.Table"
    name: str
    timestamp: str | None

    def column(self, name: str) -> "ir.Column":
        """Return a column by its name.

        Raises:
            ConfigurationError: there is none of that name.
        """
        if name not in self.table.columns:
            raise unreadable(self.name, f"it has no column {name!r}", f"its columns: {bounded(self.table.columns)}")
        return self.table[name]


class Engine(ABC):
    """Rows and joins of one offline store, as Ibis expressions that run there.

    Attributes:
        kind: name of the engine.
        has_tables: whether monitors.toml may name a table of it.
        entities_at_once: how many entities of a large month are joined at a time; None where the join streams.
        picks_one_of_repeated: whether Feast's join keeps any one of several feature rows with the same key and time.
    """

    kind: ClassVar[str]
    has_tables: ClassVar[bool] = True
    picks_one_of_repeated: ClassVar[bool] = False
    entities_at_once: ClassVar[int | None] = None

    def __init__(self, store: OfflineStore) -> None:
        """Keep which store it is."""
        self.store = store
        self._described: dict[str, Source] = {}

    def rows(self, described: EntitySource | Label) -> Rows:
        """Return the rows that a monitor's entity or label names.

        Raises:
            ConfigurationError: there is no such table, source or column.
        """
        if described.source is not None:
            source = self.describe(described.source)
        elif self.has_tables:
            assert described.table is not None
            source = Source(described.table, sql=self.quoted(described.table))
        else:
            raise ConfigurationError(
                f"monitors.toml names a table {described.table!r}, and the features are in files",
                allowed='source = "NAME" of a data source of the Feast repository',
                remedy=f"declare a FileSource in {self.store.repo}, apply it, and name it",
            )
        rows = self.source_rows(source)
        timestamp = described.timestamp or rows.timestamp
        return Rows(rows.table, source.name, timestamp)

    def describe(self, name: str) -> Source:
        """Return where the rows of a data source of the repository are.

        Raises:
            ConfigurationError: the registry has no such source.
        """
        from driftgate.features.described import source_of

        # Each question makes sure that the registry is as it was; once is enough while this is open.
        if name not in self._described:
            self._described[name] = source_of(self.store.repo, name)
        return self._described[name]

    def source_rows(self, source: Source) -> Rows:
        """Return the rows of a source, its columns called as Feast calls them.

        Raises:
            ConfigurationError: it cannot be read.
        """
        table = self.table(source)
        renamed = {new: old for old, new in source.mapping if old in table.columns}
        timestamp = source.timestamp
        if timestamp is not None and timestamp not in renamed:
            timestamp = dict(source.mapping).get(timestamp, timestamp)
        return Rows(table.rename(renamed) if renamed else table, source.name, timestamp)

    @abstractmethod
    def table(self, source: Source) -> "ir.Table":
        """Return the rows of a source as they are stored.

        Raises:
            ConfigurationError: it cannot be read.
        """

    @abstractmethod
    def quoted(self, table: str) -> str:
        """Return a table or `schema.table` of monitors.toml as SQL."""

    @abstractmethod
    def hashed(self, text: "ir.StringValue") -> "ir.IntegerValue":
        """Return a hash of a text, the same each time on this store."""

    @abstractmethod
    def entities(self, query: "ir.Table") -> Any:
        """Return what Feast takes as its entity table."""

    @abstractmethod
    def joined(self, job: Any) -> "ir.Table":
        """Return Feast's point-in-time join as an expression, which has not run."""

    @abstractmethod
    def errors(self, what: str) -> AbstractContextManager[None]:
        """Turn the store's errors inside the block into ours; `what` reads on after "while "."""

    def arrow(self, expression: "ir.Table") -> pa.Table:
        """Run an expression."""
        return expression.to_pyarrow()

    def read(self, job: Any) -> pa.Table:
        """Run Feast's point-in-time join."""
        return self.arrow(self.joined(job))

    def batches(self, job: Any) -> Iterator[pa.Table]:
        """Run Feast's point-in-time join and yield its rows, at most `ROWS_AT_ONCE` at a time."""
        table = self.read(job)
        for start in range(0, table.num_rows, ROWS_AT_ONCE):
            yield table.slice(start, ROWS_AT_ONCE)

    def fold(self, job: Any, fold: Fold) -> list[bytes]:
        """Run Feast's point-in-time join and fold its rows: here all of them, one batch after the other."""
        return [fold(self.batches(job))]


def unreadable(name: str, why: str, allowed: str = "") -> ConfigurationError:
    """Return the error for a table or source that is not as monitors.toml says."""
    return ConfigurationError(
        f"{name} cannot be read: {why}",
        allowed=allowed,
        remedy="correct table, source, key, timestamp and group in monitors.toml; "
        "the tables of the worked case are made by `driftgate ingest`",
    )
