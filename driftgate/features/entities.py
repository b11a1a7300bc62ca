"""The entities of a month, as expressions: the offline store runs them, and this process reads none of the rows."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from driftgate.errors import ConfigurationError, DataError, UnknownMonthError
from driftgate.features.engines import Engine
from driftgate.features.engines.engine import Rows
from driftgate.monitors import EntitySource, Monitor

if TYPE_CHECKING:
    import ibis.expr.types as ir

EVENT_TIMESTAMP = "event_timestamp"
GROUP_COLUMN = "__group__"
"""The group of each entity, as text, where the monitor has groups. No Feast feature has this name."""
FEWEST_GROUPS = 10
"""Of fewer groups in a month, too few ways to deal them out differ for a test to say anything."""


@dataclass(frozen=True)
class MonthSize:
    """How many entities a month has, and how many of them are in its sample: all of a month that is small enough."""

    as_of: date
    entities: int
    compared: int

    @property
    def sampled(self) -> bool:
        """Whether the sample is less than the month."""
        return self.compared < self.entities


def loaded_months(engine: Engine, monitor: Monitor) -> list[date]:
    """Return the distinct dates of the entity rows, oldest first.

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


def measure_month(engine: Engine, monitor: Monitor, as_of: date) -> MonthSize:
    """Count the entities of a month and check that each has one row.

    Raises:
        UnknownMonthError: the month has no rows.
        DataError: a key is NULL or occurs twice, so that it does not identify a row; or groups are NULL or too few.
    """
    entity = monitor.entity
    with engine.errors(f"counting the entities of {as_of}"):
        source = engine.rows(entity)
        key = source.column(entity.key)
        month = source.table.filter(in_days(moment_of(source), as_of, as_of))
        asked = {"rows": month.count(), "keyed": key.count(), "distinct": key.nunique()}
        if entity.group:
            group = _group_of(source, entity)
            asked |= {"grouped": group.count(), "groups": group.nunique()}
        rows, keyed, distinct, *grouped = (
            column[0].as_py() for column in engine.arrow(month.aggregate(**asked)).columns
        )
    if rows == 0:
        raise UnknownMonthError(f"the month {as_of} has no rows in {entity.place}", remedy="load it again")
    if keyed != rows or distinct != rows:
        raise DataError(
            f"{entity.place} has {rows} rows for {as_of}: {rows - keyed} without {entity.key}, "
            f"{keyed - distinct} repeating one",
            allowed="one row for each entity and month",
            remedy="remove the surplus rows, or set entity.key in monitors.toml to a column that is unique in a month",
        )
    if grouped:
        _require_groups(entity, as_of, rows - grouped[0], grouped[1])
    return MonthSize(as_of, rows, min(rows, monitor.max_report_rows))


def _require_groups(entity: EntitySource, as_of: date, without: int, groups: int) -> None:
    if without:
        raise DataError(
            f"{entity.place} has {without} rows for {as_of} without {entity.group}, the group of the entity",
            allowed="a group for each entity",
            remedy="fill the column, or point the entity at a view that gives such entities a group of their own",
        )
    if groups < FEWEST_GROUPS:
        raise DataError(
            f"{entity.place} has {groups} groups by {entity.group} for {as_of}",
            allowed=f"at least {FEWEST_GROUPS} groups in a month",
            remedy="set entity.group in monitors.toml to a column that divides finer, or take longer months",
        )


def require_unchanged(as_of: date, counted: int, read: int) -> None:
    """Check that a month has as many rows as its entities were counted.

    Raises:
        DataError: it changed between counting and reading.
    """
    if read != counted:
        raise DataError(
            f"the month {as_of} had {counted} entities when the run began, and {read} when it was read",
            allowed="a month that stays as it is while it is read",
            remedy="run again once the load that is under way has ended",
        )


def month_entities(engine: Engine, monitor: Monitor, size: MonthSize) -> "ir.Table":
    """Return the rows (join key, event_timestamp) of one month, or of a seeded sample of a large month.

    The sample takes the first entities in the order of a hash of key and seed. So it has the same entities in both
    months, in every order of rows, and on every engine.
    """
    month = _entities(engine, monitor, size.as_of)
    if not size.sampled:
        return month
    drawn = month[monitor.entity.feast_key]
    return month.order_by([_digest(drawn, monitor.sample_seed), drawn]).limit(size.compared)


def known_keys(engine: Engine, monitor: Monitor, as_of: date, keys: Sequence[str]) -> set[str]:
    """Return those of the keys, as text, that a month has an entity of."""
    with engine.errors(f"looking up keys of {as_of}"):
        month = _entities(engine, monitor, as_of)
        key = month[monitor.entity.feast_key].cast("string")
        found = month.filter(key.isin(list(keys))).select(found=key)
        return set(engine.arrow(found).column("found").to_pylist())


def digest_borders(engine: Engine, monitor: Monitor, size: MonthSize, rows: int) -> list[str]:
    """Return the digest of every so manieth entity of a month in the order of the digests, without the last.

    So the entities up to the first border are so many, and so are those between two borders.
    """
    month = _entities(engine, monitor, size.as_of)
    digests = month.select(digest=_digest(month[monitor.entity.feast_key], monitor.sample_seed))
    ranked = digests.mutate(rank=_row_number(digests.digest))
    borders = ranked.filter((ranked["rank"] % rows == 0) & (ranked["rank"] < size.entities))
    return list(engine.arrow(borders.order_by("rank").select("digest")).column("digest").to_pylist())


def entity_slices(engine: Engine, monitor: Monitor, size: MonthSize, rows: int | None) -> "Iterator[ir.Table]":
    """Yield the entities of a month in parts of at most so many rows; in one part where no number is given."""
    month = _entities(engine, monitor, size.as_of)
    if rows is None or size.entities <= rows:
        yield month
        return
    digest = _digest(month[monitor.entity.feast_key], monitor.sample_seed)
    borders: list[str | None] = [None, *digest_borders(engine, monitor, size, rows), None]
    for above, upto in itertools.pairwise(borders):
        part = month.filter(digest > above) if above is not None else month
        yield part.filter(digest <= upto) if upto is not None else part


def key_digest(key: object, seed: int) -> str:
    """Return the digest that the engines compute of a key, a text or a whole number."""
    return hashlib.md5(f"{seed}:{key}".encode(), usedforsecurity=False).hexdigest()


def _entities(engine: Engine, monitor: Monitor, as_of: date) -> "ir.Table":
    entity = monitor.entity
    rows = engine.rows(entity)
    moment = moment_of(rows)
    columns = {entity.feast_key: rows.column(entity.key), EVENT_TIMESTAMP: moment.cast("timestamp('UTC')")}
    if entity.group:
        columns[GROUP_COLUMN] = _group_of(rows, entity)
    return rows.table.filter(in_days(moment, as_of, as_of)).select(**columns)


def _group_of(rows: Rows, entity: EntitySource) -> "ir.StringColumn":
    """Return the group of each entity as text, the same on every engine; of a timestamp its day.

    Raises:
        ConfigurationError: the column is absent, or of a type that names nothing.
    """
    assert entity.group is not None
    group = rows.column(entity.group)
    kind = group.type()
    if kind.is_timestamp():
        group = group.cast("date")
    elif not (kind.is_string() or kind.is_integer() or kind.is_date()):
        raise ConfigurationError(
            f"the column {entity.group!r} of {rows.name}, the group of the entities, is of type {kind}",
            allowed="text, a whole number, a date or a timestamp, which counts by its day",
            remedy="set entity.group in monitors.toml to another column",
        )
    return group.cast("string")


def _row_number(order: "ir.Column") -> "ir.Column":
    import ibis

    return ibis.row_number().over(ibis.window(order_by=order)) + 1


def moment_of(rows: Rows) -> "ir.Column":
    """Return the column of the time.

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
    """Return the condition that moment is in [first, last + 1 day); an index can serve it.

    A date begins at midnight in UTC.
    """
    # There is no day after the last that a date can be; some write it for "until further notice".
    return (moment >= first) & (moment < last + timedelta(days=1)) if last < date.max else moment >= first


def _digest(key: "ir.Column", seed: int) -> "ir.StringColumn":
    """Return the MD5 of seed and key as text, which every engine computes alike."""
    import ibis

    md5 = ibis.udf.scalar.builtin(name="md5", signature=(("string",), "string"))(lambda text: text)
    return md5(ibis.literal(f"{seed}:") + key.cast("string"))
