"""Features in Spark: tables of its catalogue, queries, and files, on the master that feature_store.yaml names."""

import itertools
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import ibis
import pyarrow as pa
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from driftgate.errors import ConfigurationError, DriftgateError
from driftgate.features.engines.engine import Engine, Fold, unreadable
from driftgate.features.repository import OfflineStore
from driftgate.features.sources import Source

if TYPE_CHECKING:
    import ibis.expr.types as ir

# What spark_conf of feature_store.yaml does not say. A driver on this machine listens to this machine alone.
_LOCAL = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
_DEFAULTS = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
# Feast sets it for the session; a quoted name would be a regular expression in what Ibis writes.
_REGEX_NAMES = "spark.sql.parser.quotedRegexColumnNames"

_HASH = ibis.udf.scalar.builtin(name="xxhash64", signature=(("string",), "int64"))(lambda _text: 0)


class SparkEngine(Engine):
    """Rows and joins in a Spark session."""

    kind: ClassVar[str] = "spark"

    def __init__(self, store: OfflineStore, session: SparkSession) -> None:
        """Speak through a session."""
        super().__init__(store)
        self.session = session
        self.ibis = ibis.pyspark.connect(session)
        # NaN is a value that was written, as on every other engine; `isnull` and `notnull` of Ibis differ all the same.
        ibis.options.pyspark.treat_nan_as_null = False
        self._names = (f"driftgate_{id(self):x}_{number}" for number in count())
        self._views: list[str] = []

    def table(self, source: Source) -> "ir.Table":
        try:
            if source.sql:
                frame = self.session.sql(f"SELECT * FROM {source.sql} AS source")
            elif source.path:
                frame = self.session.read.format(source.format).load(source.path)
            else:
                raise unreadable(source.name, "it is neither table, query nor file", "a SparkSource")
        except AnalysisException as error:
            raise unreadable(source.name, str(error).splitlines()[0]) from error
        return self._named(frame)

    def _named(self, frame: DataFrame) -> "ir.Table":
        name = next(self._names)
        frame.createOrReplaceTempView(name)
        self._views.append(name)
        return self.ibis.table(name)

    def quoted(self, table: str) -> str:
        return ".".join(f"`{part.replace('`', '``')}`" for part in table.split("."))

    def hashed(self, text: "ir.StringValue") -> "ir.IntegerValue":
        return _HASH(text)

    def entities(self, query: "ir.Table") -> DataFrame:
        # A frame and not its text: Feast would parse and run a text several times.
        return self.session.sql(str(self.ibis.compile(query)))

    def joined(self, job: Any) -> "ir.Table":
        return self._named(self._frame(job))

    def _frame(self, job: Any) -> DataFrame:
        frame: DataFrame = job.to_spark_df()
        self.session.conf.set(_REGEX_NAMES, "false")
        return frame

    def arrow(self, expression: "ir.Table") -> pa.Table:
        # Ibis' own way goes through pandas, where whole numbers with gaps become floats.
        return _collected(self.session.sql(str(self.ibis.compile(expression))))

    def read(self, job: Any) -> pa.Table:
        return _collected(self._frame(job))

    def fold(self, job: Any, fold: Fold) -> list[bytes]:
        # Each partition is folded by the executor that has it: no row comes to this process.
        def folded(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            tables = (pa.Table.from_batches([batch]) for batch in batches)
            first = next(tables, None)
            if first is not None:
                yield pa.record_batch({"part": [fold(itertools.chain([first], tables))]})

        parts = self._frame(job).mapInArrow(folded, "part binary")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            return [bytes(row.part) for row in parts.collect()]

    def close(self) -> None:
        """Forget the views; the session stays, as starting one takes seconds."""
        for name in self._views:
            self.session.catalog.dropTempView(name)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except DriftgateError:
            raise
        except (PySparkException, Py4JError) as error:
            raise _spark_error(what, error) from error


def _collected(frame: DataFrame) -> pa.Table:
    with warnings.catch_warnings():
        # pyspark leaves the socket that rows come through to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        return frame.toArrow()


@contextmanager
def open_engine(store: OfflineStore) -> Iterator[SparkEngine]:
    """Take the session of this process, in UTC; start one where there is none."""
    # Feast reads the earliest and latest moment of the entities in the time zone of this process.
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        session = SparkSession.getActiveSession() or _start(store)
        session.conf.set("spark.sql.session.timeZone", "UTC")
        session.conf.set(_REGEX_NAMES, "false")
    except (PySparkException, Py4JError, OSError, RuntimeError) as error:
        raise _spark_error(f"starting the session of {store.repo}", error) from error
    engine = SparkEngine(store, session)
    try:
        yield engine
    finally:
        engine.close()


def _start(store: OfflineStore) -> SparkSession:
    given = {str(key): str(value) for key, value in (store.settings.get("spark_conf") or {}).items()}
    master = given.get("spark.master", "local[*]")
    settings = {"spark.master": master, **_DEFAULTS, **(_LOCAL if master.startswith("local") else {}), **given}
    # Pyspark itself would take the first `python3` of the path, which need not have this package.
    os.environ.setdefault("PYSPARK_PYTHON", given.get("spark.pyspark.python", sys.executable))
    builder = SparkSession.builder.appName("driftgate")
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _spark_error(what: str, error: Exception) -> ConfigurationError:
    cause = error.java_exception if isinstance(error, Py4JJavaError) else error
    lines = str(cause).strip().splitlines() or [type(error).__name__]
    return ConfigurationError(
        f"Spark failed while {what}: {lines[0][:500]}",
        remedy="check spark_conf in feature_store.yaml and the sources; Spark 4 needs Java 17 or later (JAVA_HOME)",
    )
