"""Where profiles are kept: one row for each monitor and month, replaced as a whole, and the grids they were counted on.

A profile and a sample are compressed; their digests are of the bytes before that, so that the same month has the same
digest whoever measured it, and a row that was damaged is an error when it is read.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from driftgate.database import database_errors, metadata
from driftgate.database.locks import session_lock
from driftgate.errors import DataError
from driftgate.features.state import MeasuredFrom
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from driftgate.profiles.grid import Grid
from driftgate.profiles.profile import Profile
from driftgate.profiles.sample import sample_from_bytes, sample_to_bytes

profile_grids = Table(
    "profile_grids",
    metadata,
    Column("monitor", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("grid", Text, nullable=False),
    Column("digest", Text, nullable=False),
)

month_profiles = Table(
    "month_profiles",
    metadata,
    Column("monitor", Text, primary_key=True),
    Column("as_of", Date, primary_key=True),
    Column("grid_version", Integer),
    Column("measured_from", JSONB, nullable=False),
    Column("profile", LargeBinary, nullable=False),
    Column("profile_digest", Text, nullable=False),
    Column("sample", LargeBinary, nullable=False),
    Column("sample_digest", Text, nullable=False),
    Column("measured_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["monitor", "grid_version"], [profile_grids.c.monitor, profile_grids.c.version]),
)


@dataclass(frozen=True)
class MonthProfile:
    """A measured month, as it is kept.

    Attributes:
        grid_version: of the grid that the profile is counted on; None where it is exact.
        sample: the rows that are kept beside it; all of them where the profile is exact. None where it was not read.
        measured_at: when, with a time zone.
    """

    monitor: str
    as_of: date
    measured_from: MeasuredFrom
    profile: Profile
    measured_at: datetime
    sample: pa.Table | None = None
    grid_version: int | None = None


def has_profiles(engine: Engine) -> bool:
    """Whether any month was ever kept here.

    Raises:
        DatabaseError: the database cannot be reached.
    """
    with database_errors("looking for profiles"), engine.connect() as connection:
        if not inspect(connection).has_table(month_profiles.name):
            return False
        return connection.execute(select(month_profiles.c.as_of).limit(1)).first() is not None


@contextmanager
def profile_lock(engine: Engine, monitor: str) -> Iterator[None]:
    """Hold a lock of the monitor's profiles: of two who measure at once, the second finds what the first has measured.

    Raises:
        DatabaseError: the lock cannot be taken.
    """
    with (
        database_errors("waiting for another measurement of the monitor"),
        session_lock(engine, f"driftgate profiles {monitor}"),
    ):
        yield


def save_months(engine: Engine, months: Sequence[MonthProfile], grid: Grid | None = None) -> None:
    """Write months in place of earlier ones of the same monitor, all of them or none.

    Args:
        engine: where to.
        months: of one monitor, with their samples.
        grid: the grid that they are counted on, where it is new.

    Raises:
        DataError: another grid of that version is there already.
        DatabaseError: nothing was written; the tables must be there, see `create_tables`.
    """
    with database_errors("saving profiles"), engine.begin() as connection:
        for monitor in sorted({month.monitor for month in months}) if grid else ():
            assert grid is not None
            _save_grid(connection, monitor, grid)
        for month in months:
            row = _row(month)
            key = ("monitor", "as_of")
            changed = {name: value for name, value in row.items() if name not in key}
            connection.execute(
                insert(month_profiles).values(row).on_conflict_do_update(index_elements=key, set_=changed)
            )


def read_month(engine: Engine, monitor: str, as_of: date, *, with_sample: bool = False) -> MonthProfile | None:
    """A measured month, or None where it has not been measured.

    Raises:
        DataError: what is stored is damaged, or another release wrote it.
        DatabaseError: the query fails.
    """
    columns = [column for column in month_profiles.c if with_sample or not column.name.startswith("sample")]
    joined = month_profiles.outerjoin(profile_grids)
    query = (
        select(*columns, profile_grids.c.grid, profile_grids.c.digest)
        .select_from(joined)
        .where(month_profiles.c.monitor == monitor, month_profiles.c.as_of == as_of)
    )
    with database_errors(f"reading the profile of {as_of}"), engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    what = f"the profile of {monitor} at {as_of}"
    grid = _grid(row.grid, row.digest, what) if row.grid is not None else None
    sample = sample_from_bytes(_checked(row.sample, row.sample_digest, what)) if with_sample else None
    return MonthProfile(
        monitor=monitor,
        as_of=as_of,
        measured_from=MeasuredFrom.from_dict(row.measured_from),
        profile=profile_from_bytes(_checked(row.profile, row.profile_digest, what), grid),
        measured_at=row.measured_at,
        sample=sample,
        grid_version=row.grid_version,
    )


def measured_months(engine: Engine, monitor: str) -> dict[date, tuple[MeasuredFrom, int | None]]:
    """What each month of a monitor was measured from, and on which version of the grid, oldest first.

    Raises:
        DatabaseError: the query fails.
    """
    columns = month_profiles.c
    query = select(columns.as_of, columns.measured_from, columns.grid_version).where(columns.monitor == monitor)
    with database_errors(f"listing the profiles of {monitor}"), engine.connect() as connection:
        rows: Sequence[Row[Any]] = connection.execute(query.order_by(columns.as_of)).all()
    return {row.as_of: (MeasuredFrom.from_dict(row.measured_from), row.grid_version) for row in rows}


def newest_grid(engine: Engine, monitor: str) -> Grid | None:
    """The monitor's grid of the highest version, or None where it has none.

    Raises:
        DataError: what is stored is damaged, or another release wrote it.
        DatabaseError: the query fails.
    """
    columns = profile_grids.c
    query = select(columns.grid, columns.digest).where(columns.monitor == monitor)
    with database_errors(f"reading the grid of {monitor}"), engine.connect() as connection:
        row = connection.execute(query.order_by(columns.version.desc()).limit(1)).one_or_none()
    return _grid(row.grid, row.digest, f"the grid of {monitor}") if row else None


def newest_version(engine: Engine, monitor: str) -> int | None:
    """The highest version of the monitor's grids, or None where it has none.

    Raises:
        DatabaseError: the query fails.
    """
    query = select(func.max(profile_grids.c.version)).where(profile_grids.c.monitor == monitor)
    with database_errors(f"looking for the grid of {monitor}"), engine.connect() as connection:
        found: int | None = connection.execute(query).scalar_one()
    return found


def _save_grid(connection: Connection, monitor: str, grid: Grid) -> None:
    values = {"monitor": monitor, "version": grid.version, "grid": grid.to_json(), "digest": grid.digest}
    connection.execute(insert(profile_grids).values(values).on_conflict_do_nothing())
    same = (profile_grids.c.monitor == monitor) & (profile_grids.c.version == grid.version)
    if connection.execute(select(profile_grids.c.digest).where(same)).scalar_one() != grid.digest:
        raise DataError(
            f"there is another grid of version {grid.version} for the monitor {monitor}",
            allowed="a version of its own for each grid",
            remedy="measure again; another process has renewed the grid meanwhile",
        )


def _row(month: MonthProfile) -> dict[str, Any]:
    assert month.sample is not None, "a month is saved with its sample"
    profile, sample = profile_to_bytes(month.profile), sample_to_bytes(month.sample)
    return {
        "monitor": month.monitor,
        "as_of": month.as_of,
        "grid_version": month.grid_version,
        "measured_from": month.measured_from.to_dict(),
        "profile": _compressed(profile),
        "profile_digest": hashlib.sha256(profile).hexdigest(),
        "sample": _compressed(sample),
        "sample_digest": hashlib.sha256(sample).hexdigest(),
        "measured_at": month.measured_at,
    }


def _compressed(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    result: bytes = sink.getvalue().to_pybytes()
    return result


def _checked(stored: Any, digest: str, what: str) -> bytes:
    try:
        with pa.CompressedInputStream(pa.BufferReader(bytes(stored)), "zstd") as stream:
            data: bytes = stream.read()
    except OSError as error:
        raise _damaged(what) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(what)
    return data


def _grid(text: str, digest: str, what: str) -> Grid:
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise _damaged(what)
    return Grid.from_json(text)


def _damaged(what: str) -> DataError:
    return DataError(
        f"{what} is not as it was written: its digest is another",
        remedy="measure the months again: `driftgate profile --all --again`",
    )
