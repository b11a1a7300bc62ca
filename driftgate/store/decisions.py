"""The table of decisions: every decision of a pair of months is kept, numbered in the order in which they were made.

A run that finds what the newest decision of its pair found is the same decision: nothing is appended, and only
`confirmed_at` moves. Time, versions of packages, places of reports and the check of served features, which decides
nothing, are no part of a decision. Figures may differ by rounding, because trees add up in threads.
"""

import math
from datetime import date
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    Integer,
    RowMapping,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import ProgrammingError

from driftgate.database import database_errors, metadata
from driftgate.database.sqlstates import SqlState, sqlstate
from driftgate.decision import PastDecision
from driftgate.run import Run
from driftgate.store.record import RunRecord

monitor_decisions = Table(
    "monitor_decisions",
    metadata,
    Column("monitor", Text, primary_key=True),
    Column("as_of_ref", Date, primary_key=True),
    Column("as_of_cur", Date, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("confirmed_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("verdict", Text, nullable=False),
    Column("reason_codes", JSONB, nullable=False),
    Column("champion_version", Text),
    Column("champion_trained_on", Date),
    Column("record", JSONB, nullable=False),
)

_table = monitor_decisions.c
_NO_PART = {"decided_at", "versions", "reports", "earlier", "skew"}
_ROUNDING = 1e-9


def append_decision(connection: Connection, record: RunRecord) -> None:
    """Append the decision of a run, or confirm the newest of its pair where that is the same.

    The caller holds the lock of the table of runs, so that numbers follow one another.
    """
    pair = (record.monitor, *record.pair)
    newest = connection.execute(_of(*pair).order_by(_table.number.desc()).limit(1)).mappings().first()
    if newest is not None and _confirms(newest, record):
        same = update(monitor_decisions).where(*_is(*pair), _table.number == newest["number"])
        connection.execute(same.values(confirmed_at=record.decided_at))
        return
    row = {
        "monitor": record.monitor,
        "as_of_ref": record.inputs.as_of_ref,
        "as_of_cur": record.inputs.as_of_cur,
        "number": newest["number"] + 1 if newest is not None else 1,
        "decided_at": record.decided_at,
        "confirmed_at": record.decided_at,
        "verdict": record.verdict,
        "reason_codes": list(record.reason_codes),
        "champion_version": record.champion,
        "champion_trained_on": record.champion_trained_on,
        "record": record.content,
    }
    connection.execute(insert(monitor_decisions), [row])


def earlier_decisions(engine: Engine, run: Run) -> tuple[PastDecision, ...]:
    """The other decisions of the run's pair before it, oldest first; none where there is no table yet.

    Raises:
        DatabaseError: the query fails.
    """
    record = RunRecord.of(run)
    with database_errors("looking up earlier decisions"):
        try:
            with engine.connect() as connection:
                found = connection.execute(_of(record.monitor, *record.pair).order_by(_table.number)).mappings().all()
        except ProgrammingError as error:
            if sqlstate(error) != SqlState.UNDEFINED_TABLE:
                raise
            return ()
    if found and _confirms(found[-1], record):
        found = found[:-1]
    return tuple(
        PastDecision(
            row["decided_at"],
            row["verdict"],
            row["champion_version"],
            tuple(row["reason_codes"]),
            row["withdrawn_at"] is not None,
            row["record"].get("pending"),
        )
        for row in found
    )


def is_news(engine: Engine, run: Run) -> bool:
    """Whether the decision of a run that was kept says something that the decision before it did not.

    A run that confirms a decision is no news, and neither is one with other figures that says the same: verdict,
    reasons, champion, and whether labels are awaited.

    Raises:
        DatabaseError: the query fails.
    """
    record = RunRecord.of(run)
    with database_errors("looking up earlier decisions"), engine.connect() as connection:
        newest = _of(record.monitor, *record.pair).order_by(_table.number.desc()).limit(2)
        found = connection.execute(newest).mappings().all()
    if not found or found[0]["confirmed_at"] != found[0]["decided_at"]:
        return False
    if len(found) == 1 or found[1]["withdrawn_at"] is not None:
        return True
    return _said(found[0]) != _said(found[1])


def _said(row: RowMapping) -> tuple[Any, ...]:
    return row["verdict"], row["reason_codes"], row["champion_version"], row["record"].get("pending")


def withdraw_decisions(connection: Connection, monitor: str, as_of_ref: date, as_of_cur: date) -> None:
    """Mark the decisions of a pair whose data can no longer be judged."""
    marked = update(monitor_decisions).where(*_is(monitor, as_of_ref, as_of_cur), _table.withdrawn_at.is_(None))
    connection.execute(marked.values(withdrawn_at=func.now()))


def _of(monitor: str, as_of_ref: date, as_of_cur: date) -> Any:
    return select(monitor_decisions).where(*_is(monitor, as_of_ref, as_of_cur))


def _is(monitor: str, as_of_ref: date, as_of_cur: date) -> tuple[Any, ...]:
    return _table.monitor == monitor, _table.as_of_ref == as_of_ref, _table.as_of_cur == as_of_cur


def _confirms(newest: RowMapping, record: RunRecord) -> bool:
    if newest["withdrawn_at"] is not None:
        return False
    content = {key: value for key, value in record.content.items() if key not in _NO_PART}
    return _same(newest["record"], content)


def _same(earlier: Any, later: Any) -> bool:
    """Whether two records say the same; a key that one lacks, as that of another release does, is not compared."""
    if isinstance(earlier, dict) and isinstance(later, dict):
        return all(_same(earlier[key], later[key]) for key in earlier.keys() & later.keys())
    if isinstance(earlier, list) and isinstance(later, list):
        return len(earlier) == len(later) and all(map(_same, earlier, later))
    if isinstance(earlier, float) or isinstance(later, float):
        numbers = isinstance(earlier, int | float) and isinstance(later, int | float)
        return numbers and math.isclose(earlier, later, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    return bool(earlier == later)
