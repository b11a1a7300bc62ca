"""Features in files: Feast's FileSources, read and joined by DuckDB in this process."""

import contextlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import ibis
import pandas as pd
import pyarrow as pa

from driftgate.errors import ConfigurationError, DataError, DriftgateError
from driftgate.features.engines.engine import ROWS_AT_ONCE, Engine, unreadable
from driftgate.features.repository import OfflineStore
from driftgate.features.sources import Source

if TYPE_CHECKING:
    import ibis.expr.types as ir

# Strings that stay in Arrow's memory: a Python object for each would take ten times the room.
_PANDAS_TYPES = {pa.string(): pd.ArrowDtype(pa.string()), pa.large_string(): pd.ArrowDtype(pa.large_string())}

_HASH = ibis.udf.scalar.builtin(name="hash", signature=(("string",), "uint64"))(lambda _text: 0)


MEMORY_LIMIT = "1GB"
"""Of DuckDB's own memory; what is more goes to temporary files."""


class DuckdbEngine(Engine):
    """Rows and joins of files."""

    # Each part reads every file: ten parts of a million took three times the CPU time of one of ten millions.
    entities_at_once: ClassVar[int | None] = 10_000_000
    kind: ClassVar[str] = "duckdb"
    has_tables: ClassVar[bool] = False
    picks_one_of_repeated: ClassVar[bool] = True

    def table(self, source: Source) -> "ir.Table":
        if not source.path:
            raise unreadable(source.name, "it is no file", "a FileSource of the Feast repository")
        try:
            if source.format == "delta":
                return ibis.read_delta(source.path)
            return ibis.read_parquet(source.path)
        except (duckdb.IOException, OSError) as error:
            raise unreadable(source.name, str(error).splitlines()[0]) from error

    def quoted(self, table: str) -> str:
        return f'"{table}"'

    def hashed(self, text: "ir.StringValue") -> "ir.IntegerValue":
        return _HASH(text)

    def entities(self, query: "ir.Table") -> pd.DataFrame:
        frame: pd.DataFrame = self.arrow(query).to_pandas(types_mapper=_PANDAS_TYPES.get)
        return frame

    def joined(self, job: Any) -> "ir.Table":
        return job.table

    def batches(self, job: Any) -> Iterator[pa.Table]:
        for batch in self.joined(job).to_pyarrow_batches(chunk_size=ROWS_AT_ONCE):
            yield pa.Table.from_batches([batch])

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except DriftgateError:
            raise
        except duckdb.OutOfMemoryException as error:
            raise DataError(
                f"DuckDB ran out of memory while {what}: {str(error).splitlines()[0]}",
                remedy="give the machine more memory, or keep the features in PostgreSQL or Spark",
            ) from error
        except duckdb.Error as error:
            raise ConfigurationError(
                f"DuckDB failed while {what}: {str(error).splitlines()[0]}",
                remedy="check the files that the sources of the Feast repository name",
            ) from error


@contextmanager
def open_engine(store: OfflineStore) -> Iterator[DuckdbEngine]:
    """Open a DuckDB in this process, in UTC and as the default of Ibis, so that Feast joins there as well.

    Paths of a FileSource begin at the repository, and Feast gives them to DuckDB as they are: the block runs there.
    """
    # Ibis about itself, which Feast's import makes Python show.
    warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)
    before = ibis.options.default_backend
    # By default it would write beside the repository, and only once most of the machine's memory is full.
    with TemporaryDirectory(prefix="duckdb-", ignore_cleanup_errors=True) as spilled:
        connection = ibis.duckdb.connect(temp_directory=spilled, memory_limit=MEMORY_LIMIT)
        try:
            with contextlib.chdir(store.repo):
                ibis.set_backend(connection)
                yield DuckdbEngine(store)
        finally:
            ibis.options.default_backend = before
            connection.disconnect()
