"""The table of checks: what each check of a served month found. All are kept; a verdict's record shows the last one."""

from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Column, Date, DateTime, Double, Engine, Integer, Table, Text, func, select, union_all
from sqlalchemy.dialects.postgresql import JSONB, insert

from driftgate.database import create_tables, database_errors, metadata
from driftgate.errors import DataError
from driftgate.features.online import online_views
from driftgate.features.skew import Skew, SkewCheck, SourceSkew
from driftgate.snapshots.unfinished import unfinished_loads

skew_checks = Table(
    "skew_checks",
    metadata,
    Column("monitor", Text, primary_key=True),
    Column("as_of", Date, primary_key=True),
    Column("checked_at", DateTime(timezone=True), primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("entities", Integer, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("sources", JSONB, nullable=False),
)

_SOURCES = TypeAdapter(tuple[SourceSkew, ...])


def save_check(engine: Engine, check: SkewCheck) -> None:
    """Append a check; one that is written twice is one row.

    Raises:
        DatabaseError: nothing was written.
    """
    create_tables(engine)
    row: dict[str, Any] = check.skew.to_dict() | {"as_of": check.skew.as_of, "checked_at": check.checked_at}
    with database_errors("saving the check of served features"), engine.begin() as connection:
        connection.execute(insert(skew_checks).on_conflict_do_nothing(), [row])


def last_check(engine: Engine, monitor: str, as_of: date) -> SkewCheck | None:
    """The last check of a month, and when the month was last written; None where there is none.

    The tables must be there, see `create_tables`.

    Raises:
        DataError: what was kept of it cannot be read.
        DatabaseError: the query fails.
    """
    table = skew_checks.c
    query = select(skew_checks).where(table.monitor == monitor, table.as_of == as_of)
    with database_errors("looking up the check of served features"), engine.connect() as connection:
        row = connection.execute(query.order_by(table.checked_at.desc()).limit(1)).mappings().first()
    if row is None:
        return None
    try:
        sources = _SOURCES.validate_python(row["sources"])
    except ValidationError as error:
        raise DataError(
            f"the check of {as_of} in the table skew_checks, of {row['checked_at']}, cannot be read: "
            f"{error.errors(include_url=False)[0]['msg']}",
            allowed="a check as this release or an earlier one writes it",
            remedy=f"check the month again: `driftgate skew --monitor {monitor}`, or delete that row",
        ) from error
    skew = Skew(monitor, as_of, row["entities"], row["threshold"], sources)
    return SkewCheck(skew, row["checked_at"], _changed_at(engine, as_of))


def _changed_at(engine: Engine, as_of: date) -> datetime | None:
    """When a month was last written to the online store, whichever the project, or to tables that it did not follow."""
    served, loaded = online_views.c, unfinished_loads.c
    written = select(served.written_at.label("at")).where(served.as_of == as_of)
    times = union_all(written, select(loaded.loaded_at).where(loaded.as_of == as_of)).subquery()
    with database_errors("looking up when served features were written"), engine.connect() as connection:
        found: datetime | None = connection.execute(select(func.max(times.c.at))).scalar_one()
        return found
