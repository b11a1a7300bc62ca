"""Features in PostgreSQL: sources are tables, views and queries, and the entities stay a query."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import ibis
import ibis.expr.datatypes as dt
import psycopg
import pyarrow as pa
from psycopg.types.string import TextLoader
from sqlalchemy.exc import DBAPIError

from driftgate.database.engine import translate
from driftgate.features.engines.engine import ROWS_AT_ONCE, Engine, unreadable
from driftgate.features.repository import OfflineStore
from driftgate.features.sources import Source

if TYPE_CHECKING:
    import ibis.expr.types as ir

# Feast declares a uuid as text, and pyarrow cannot convert the UUID objects of psycopg to text.
psycopg.adapters.register_loader("uuid", TextLoader)

_TYPES = """
SELECT CASE WHEN type.typtype = 'e' THEN 'text' WHEN type.typtype = 'd' THEN format_type(type.typbasetype, NULL)
            ELSE format_type(type.oid, NULL) END
FROM unnest(%s::oid[]) WITH ORDINALITY AS wanted (oid, position) JOIN pg_type AS type USING (oid) ORDER BY position
"""

_HASH = ibis.udf.scalar.builtin(name="hashtextextended", signature=(("string", "int64"), "int64"))(
    lambda _text, _seed: 0
)


class PostgresEngine(Engine):
    """Rows and joins in PostgreSQL."""

    kind: ClassVar[str] = "postgres"

    def __init__(self, store: OfflineStore, connection: psycopg.Connection[Any]) -> None:
        """Speak through an open connection."""
        super().__init__(store)
        self.ibis = ibis.postgres.from_connection(connection)

    def table(self, source: Source) -> "ir.Table":
        if not source.sql:
            raise unreadable(source.name, "it is a file", "a PostgreSQLSource of the Feast repository")
        text = f"SELECT * FROM {source.sql} AS source"
        try:
            return self._query(text)
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedColumn,
            psycopg.errors.InvalidSchemaName,
        ) as error:
            raise unreadable(source.name, str(error).splitlines()[0]) from error

    def _query(self, text: str) -> "ir.Table":
        """Return a query as an expression. Ibis would create a view to learn its columns, which not every role may."""
        with self.ibis.con.cursor() as cursor:
            columns = cursor.execute(f"SELECT * FROM ({text}) AS query LIMIT 0").description or []
            kinds = cursor.execute(_TYPES, ([column.type_code for column in columns],)).fetchall()
        mapper = self.ibis.compiler.type_mapper
        schema = {
            column.name: dt.string if kind == "uuid" else mapper.from_string(kind)
            for column, (kind,) in zip(columns, kinds, strict=True)
        }
        return self.ibis.sql(text, schema=schema)

    def quoted(self, table: str) -> str:
        return ".".join(f'"{part}"' for part in table.split("."))

    def hashed(self, text: "ir.StringValue") -> "ir.IntegerValue":
        return _HASH(text, 0)

    def entities(self, query: "ir.Table") -> str:
        return str(self.ibis.compile(query))

    def joined(self, job: Any) -> "ir.Table":
        return self._query(job.to_sql())

    def read(self, job: Any) -> pa.Table:
        return job.to_arrow()

    def batches(self, job: Any) -> Iterator[pa.Table]:
        # Whoever has a join has imported feast.
        from feast.type_map import pg_type_code_to_arrow

        with self.ibis.con.transaction(), self.ibis.con.cursor(name="driftgate_join") as cursor:
            cursor.execute(job.to_sql())
            columns = cursor.description or ()
            # The types of Feast's own `to_arrow`.
            schema = pa.schema([(column.name, pg_type_code_to_arrow(column.type_code)) for column in columns])
            while found := cursor.fetchmany(ROWS_AT_ONCE):
                yield pa.Table.from_arrays([pa.array(values) for values in zip(*found, strict=True)], schema=schema)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        with postgres_errors(what):
            yield


@contextmanager
def open_engine(store: OfflineStore) -> Iterator[PostgresEngine]:
    """Connect as Feast connects, in UTC."""
    what = f"opening the offline store of {store.repo}"
    with postgres_errors(what):
        connection = psycopg.connect(
            **connection_arguments(store.settings), autocommit=True, application_name="driftgate"
        )
    with connection:
        with postgres_errors(what):
            engine = PostgresEngine(store, connection)
        yield engine


def connection_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `psycopg.connect` for a PostgreSQL store of Feast, with its search path."""
    schema = str(settings.get("db_schema") or settings["user"]).strip()
    return {
        "host": settings.get("host"),
        "port": settings.get("port", 5432),
        "dbname": settings.get("database"),
        "user": settings.get("user"),
        "password": settings.get("password"),
        "sslmode": settings.get("sslmode", "require"),
        "sslkey": settings.get("sslkey_path"),
        "sslcert": settings.get("sslcert_path"),
        "sslrootcert": settings.get("sslrootcert_path"),
        "options": f"-c search_path={schema}{'' if schema == 'public' else ',public'}",
    }


@contextmanager
def postgres_errors(what: str) -> Iterator[None]:
    """Turn psycopg's errors inside the block into ours; `what` reads on after "while "."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(DBAPIError("", None, error, connection_invalidated=False), what) from error
