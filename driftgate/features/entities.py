"""The entities of a month, as SQL: PostgreSQL moves them from table to table, and this process reads none of them."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Engine, bindparam, cast, column, func, literal_column, select, table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.sql import Select, TableClause
from sqlalchemy.types import Date, DateTime, Text

from driftgate.database import database_errors
from driftgate.database.sqlstates import SqlState, sqlstate
from driftgate.errors import ConfigurationError, DataError, UnknownMonthError, bounded
from driftgate.monitors import EntityTable, Monitor

EVENT_TIMESTAMP = "event_timestamp"


@dataclass(frozen=True)
class MonthSize:
    """How many entities a month has, and how many of them are compared."""

    as_of: date
    entities: int
    compared: int

    @property
    def sampled(self) -> bool:
        """Whether the comparison uses a sample."""
        return self.compared < self.entities


def table_clause(name: str, *columns: str) -> TableClause:
    """Return a table or `schema.table` with the given columns; SQLAlchemy quotes the names.

    >>> print(select(table_clause("crm.users", "user id")))
    SELECT crm.users."user id"
    FROM crm.users
    """
    schema, _, plain = name.rpartition(".")
    return table(plain, *(column(item) for item in columns), schema=schema or None)


def loaded_months(engine: Engine, entity: EntityTable) -> list[date]:
    """Return the distinct dates in the entity table, oldest first.

    Raises:
        ConfigurationError: the table or a column of it does not exist.
        DatabaseError: the query fails.
    """
    source = table_clause(entity.table, entity.key, entity.timestamp)
    day = cast(source.c[entity.timestamp], Date)
    query = select(day).where(source.c[entity.timestamp].is_not(None)).distinct().order_by(day)
    with database_errors(f"listing the months of {entity.table}"), engine.connect() as connection:
        try:
            return list(connection.execute(query).scalars())
        except ProgrammingError as error:
            raise absent_table(error, entity.table) from error


def absent_table(error: ProgrammingError, name: str) -> Exception:
    """Return a configuration error where a table or column is absent, else the driver's own error."""
    if sqlstate(error) not in (SqlState.UNDEFINED_TABLE, SqlState.UNDEFINED_COLUMN, SqlState.INVALID_SCHEMA_NAME):
        return error
    detail = str(error.orig).strip().splitlines()[0]
    return ConfigurationError(
        f"the table {name} cannot be read as monitors.toml describes it: {detail}",
        remedy="load a month first (`driftgate ingest`), or correct table, key and timestamp in monitors.toml",
    )


def choose_months(months: list[date], as_of_ref: date | None, as_of_cur: date | None) -> tuple[date, date]:
    """Return the pair to compare: the requested dates, or the two newest months.

    Raises:
        UnknownMonthError: a date is not among `months`, or fewer than two are loaded.
    """
    if as_of_ref is None and as_of_cur is None:
        if len(months) < 2:
            raise UnknownMonthError(
                f"two months are needed and {len(months)} is loaded ({bounded(months)})",
                remedy="load another month with `driftgate ingest DIR --as-of YYYY-MM-DD`",
            )
        return months[-2], months[-1]
    if as_of_cur is None:
        as_of_cur = months[-1] if months else None
    if as_of_ref is None:
        older = [month for month in months if as_of_cur and month < as_of_cur]
        as_of_ref = older[-1] if older else None
    for wanted in (as_of_cur, as_of_ref) if as_of_ref is None else (as_of_ref, as_of_cur):
        if wanted not in months:
            raise UnknownMonthError(
                f"no month is loaded for as_of {wanted}" if wanted else "there is no older month to compare with",
                allowed=bounded(months[::-1]),
                remedy="choose one of these dates, or load the month with `driftgate ingest DIR --as-of YYYY-MM-DD`",
            )
    assert as_of_ref is not None and as_of_cur is not None
    return as_of_ref, as_of_cur


def measure_month(engine: Engine, monitor: Monitor, as_of: date) -> MonthSize:
    """Count the entities of a month and check that each has one row.

    Raises:
        UnknownMonthError: the month has no rows.
        DataError: a key is NULL or occurs twice, so that it does not identify a row.
    """
    entity = monitor.entity
    source = table_clause(entity.table, entity.key, entity.timestamp)
    key = source.c[entity.key]
    query = select(func.count(), func.count(key), func.count(key.distinct())).where(_in_month(source, entity, as_of))
    with database_errors(f"counting the entities of {as_of}"), engine.connect() as connection:
        try:
            rows, keyed, distinct = connection.execute(query).one()
        except ProgrammingError as error:
            raise absent_table(error, entity.table) from error
    if rows == 0:
        raise UnknownMonthError(f"the month {as_of} has no rows in {entity.table}", remedy="load it again")
    if keyed != rows or distinct != rows:
        raise DataError(
            f"{entity.table} has {rows} rows for {as_of}: {rows - keyed} without {entity.key}, "
            f"{keyed - distinct} repeating one",
            allowed="one row for each entity and month",
            remedy="remove the surplus rows, or set entity.key in monitors.toml to a column that is unique in a month",
        )
    return MonthSize(as_of, rows, min(rows, monitor.max_report_rows))


def entity_query(monitor: Monitor, size: MonthSize) -> Select[tuple[object, ...]]:
    """Return a query for the rows (join key, event_timestamp) of one month, or of a seeded sample of a large month.

    The sample takes the first entities in the order of a hash of key and seed. So it has the same entities in both
    months, and in every order of rows.
    """
    entity = monitor.entity
    source = table_clause(entity.table, entity.key, entity.timestamp)
    key = source.c[entity.key]
    moment = cast(source.c[entity.timestamp], DateTime(timezone=True))
    query = select(key.label(entity.feast_key), moment.label(EVENT_TIMESTAMP)).where(
        _in_month(source, entity, size.as_of)
    )
    if not size.sampled:
        return query
    drawn = func.hashtextextended(cast(key, Text), literal_column(str(int(monitor.sample_seed))))
    return query.order_by(drawn, key).limit(literal_column(str(int(size.compared))))


def entity_sql(monitor: Monitor, size: MonthSize) -> str:
    """Return `entity_query` as text, because Feast takes the entity table as an SQL string.

    The only literals are two dates and two integers; SQLAlchemy quotes the identifiers.
    """
    compiled = entity_query(monitor, size).compile(
        dialect=postgresql.dialect(paramstyle="named"),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    return str(compiled)


def _in_month(source: TableClause, entity: EntityTable, as_of: date):  # type: ignore[no-untyped-def]
    """Return the condition that the timestamp is in [as_of, as_of + 1 day); an index can serve it."""
    moment = source.c[entity.timestamp]
    return (moment >= bindparam(None, as_of, Date)) & (moment < bindparam(None, as_of + timedelta(days=1), Date))
