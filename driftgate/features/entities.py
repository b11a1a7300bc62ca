"""The entities of a month, as expressions: they go from table to table without passing through this process."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from driftgate.errors import ConfigurationError, DataError, UnknownMonthError, bounded
from driftgate.features.engines import Engine
from driftgate.features.engines.engine import Rows
from driftgate.monitors import Monitor

if TYPE_CHECKING:
    import ibis.expr.types as ir

EVENT_TIMESTAMP = "event_timestamp"


@dataclass(frozen=True)
class MonthSize:
    """How many entities a month has, and how many of them are compared."""

    as_of: date
    entities: int
    compared: int

    @property
    def sampled(self) -> bool:
        """Whether the comparison looks at a sample."""
        return self.compared < self.entities


def loaded_months(engine: Engine, monitor: Monitor) -> list[date]:
    """The distinct dates of the entity rows, oldest first.

    Raises:
        ConfigurationError: the source or a column of it does not exist.
        DatabaseError: the query fails.
    """
    with engine.errors(f"listing the months of {monitor.entity.place}"):
        rows = engine.rows(monitor.entity)
        rows.column(monitor.entity.key)
        moment = moment_of(rows)
        days = rows.table.filter(moment.notnull()).select(day=moment.cast("date")).distinct().order_by("day")
        return list(engine.arrow(days).column("day").to_pylist())


def choose_months(months: list[date], as_of_ref: date | None, as_of_cur: date | None) -> tuple[date, date]:
    """The pair to compare: the dates asked for, or the two newest months.

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
        DataError: a key is NULL or occurs twice, so that rows could not be told apart.
    """
    entity = monitor.entity
    with engine.errors(f"counting the entities of {as_of}"):
        source = engine.rows(entity)
        key = source.column(entity.key)
        month = source.table.filter(in_days(moment_of(source), as_of, as_of))
        counts = month.aggregate(rows=month.count(), keyed=key.count(), distinct=key.nunique())
        rows, keyed, distinct = (column[0].as_py() for column in engine.arrow(counts).columns)
    if rows == 0:
        raise UnknownMonthError(f"the month {as_of} has no rows in {entity.place}", remedy="load it again")
    if keyed != rows or distinct != rows:
        raise DataError(
            f"{entity.place} has {rows} rows for {as_of}: {rows - keyed} without {entity.key}, "
            f"{keyed - distinct} repeating one",
            allowed="one row for each entity and month",
            remedy="remove the surplus rows, or set entity.key in monitors.toml to a column that is unique in a month",
        )
    return MonthSize(as_of, rows, min(rows, monitor.max_report_rows))


def month_entities(engine: Engine, monitor: Monitor, size: MonthSize) -> "ir.Table":
    """Rows (join key, event_timestamp) of one month; a seeded sample of them where the month is larger than that.

    The sample orders entities by a hash of key and seed, so the same entities are drawn from both months, from every
    row order, and by every engine.
    """
    entity = monitor.entity
    rows = engine.rows(entity)
    key, moment = rows.column(entity.key), moment_of(rows)
    month = rows.table.filter(in_days(moment, size.as_of, size.as_of)).select(
        **{entity.feast_key: key, EVENT_TIMESTAMP: moment.cast("timestamp('UTC')")}
    )
    if not size.sampled:
        return month
    drawn = month[entity.feast_key]
    return month.order_by([_digest(drawn, monitor.sample_seed), drawn]).limit(size.compared)


def moment_of(rows: Rows) -> "ir.Column":
    """The column of the time.

    Raises:
        ConfigurationError: it is absent, or neither a date nor a timestamp.
    """
    if rows.timestamp is None:
        raise ConfigurationError(
            f"nothing says which column of {rows.name} is the time",
            remedy="set timestamp in monitors.toml, or timestamp_field of the data source",
        )
    moment = rows.column(rows.timestamp)
    if not (moment.type().is_date() or moment.type().is_timestamp()):
        raise ConfigurationError(
            f"the column {rows.timestamp!r} of {rows.name} is of type {moment.type()}",
            allowed="a date or a timestamp",
            remedy="point at a view that casts it, or write the column as a date",
        )
    return moment


def in_days(moment: "ir.Column", first: date, last: date) -> "ir.BooleanColumn":
    """The condition moment in [first, last + 1 day), which an index can serve. A date begins at midnight in UTC."""
    return (moment >= first) & (moment < last + timedelta(days=1))


def _digest(key: "ir.Column", seed: int) -> "ir.StringColumn":
    """MD5 of seed and key as text, which every engine computes alike."""
    import ibis

    md5 = ibis.udf.scalar.builtin(name="md5", signature=(("string",), "string"))(lambda text: text)
    return md5(ibis.literal(f"{seed}:") + key.cast("string"))
