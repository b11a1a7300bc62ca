"""The tables of past runs: one row in monitor_runs, and its columns in monitor_columns, for each pair of months.

They hold the current decision of a pair; `driftgate.store.decisions` keeps every decision.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    delete,
    insert,
)
from sqlalchemy.dialects.postgresql import JSONB

from driftgate.database import database_errors, metadata
from driftgate.database.locks import session_lock
from driftgate.run import Run
from driftgate.store.decisions import append_decision, withdraw_decisions
from driftgate.store.record import RUN_COLUMNS, RunRecord
from driftgate.store.record_parts import ColumnRecord

_KEY = ("monitor", "as_of_ref", "as_of_cur")
_SQL_TYPES: dict[type, Any] = {
    str: Text,
    bool: Boolean,
    int: Integer,
    float: Double,
    date: Date,
    datetime: DateTime(timezone=True),
    tuple: JSONB,
    dict: JSONB,
}


def _column(name: str, path: str, model: type[BaseModel] = RunRecord, key: Sequence[str] = _KEY) -> Column[Any]:
    """The column for the figure at a path of the model; null where a record may lack the figure or a part above it."""
    kind: Any = model
    nullable = False
    for part in path.split("."):
        field = kind.model_fields.get(part)
        annotation = field.annotation if field else get_type_hints(getattr(kind, part).fget)["return"]
        kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
        nullable |= NoneType in kinds or (field is not None and not field.is_required())
        (kind,) = (each for each in kinds if each is not NoneType)
    kind = get_origin(kind) or (str if issubclass(kind, StrEnum) else kind)
    return Column(name, _SQL_TYPES[kind], primary_key=name in key, nullable=nullable)


monitor_runs = Table("monitor_runs", metadata, *(_column(name, path) for name, path in RUN_COLUMNS.items()))

monitor_columns = Table(
    "monitor_columns",
    metadata,
    *(_column(name, RUN_COLUMNS[name]) for name in _KEY),
    *(_column(name, name, ColumnRecord, key=("name",)) for name in ColumnRecord.model_fields),
    ForeignKeyConstraint(_KEY, [monitor_runs.c[name] for name in _KEY], ondelete="CASCADE"),
)


def save_run(engine: Engine, run: Run) -> None:
    """Write the run and its columns in place of an earlier run of the same pair, and append its decision.

    Raises:
        DatabaseError: nothing was written; the tables must be there, see `create_tables`.
    """
    record = RunRecord.of(run)
    row = record.row
    same_pair = [monitor_runs.c[name] == row[name] for name in _KEY]
    with database_errors("saving the run"), engine.begin() as connection:
        # Two runs of one pair at once: the second waits here and replaces the first.
        connection.exec_driver_sql("LOCK TABLE monitor_runs IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(delete(monitor_runs).where(*same_pair))
        connection.execute(insert(monitor_runs), [row])
        connection.execute(insert(monitor_columns), record.column_rows)
        append_decision(connection, record)


@contextmanager
def pair_lock(engine: Engine, monitor: str, as_of_ref: date, as_of_cur: date) -> Iterator[None]:
    """Hold a lock of the pair: of two runs at once the files would be of one and the rows of the other.

    Raises:
        DatabaseError: the lock cannot be taken.
    """
    pair = f"driftgate {monitor} {as_of_ref} {as_of_cur}"
    with database_errors("waiting for another run of the pair"), session_lock(engine, pair):
        yield


def delete_run(engine: Engine, monitor: str, as_of_ref: date, as_of_cur: date) -> None:
    """Remove an earlier run of the pair, which can no longer be judged; its decisions stay, marked as withdrawn.

    Raises:
        DatabaseError: nothing was removed.
    """
    pair = (
        (monitor_runs.c.monitor, monitor),
        (monitor_runs.c.as_of_ref, as_of_ref),
        (monitor_runs.c.as_of_cur, as_of_cur),
    )
    with database_errors("removing the earlier run"), engine.begin() as connection:
        connection.execute(delete(monitor_runs).where(*(column == value for column, value in pair)))
        withdraw_decisions(connection, monitor, as_of_ref, as_of_cur)
