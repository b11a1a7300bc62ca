"""Runs of the past, read back from their tables."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.exc import ProgrammingError

from driftgate.database import database_errors
from driftgate.database.sqlstates import SqlState, sqlstate
from driftgate.decision import Decision, Earlier, HeldBack, Signal, Verdict
from driftgate.errors import UnknownMonthError, bounded
from driftgate.pairs import Pair
from driftgate.store.tables import create_result_tables, monitor_runs


@dataclass(frozen=True)
class PastRun:
    """A row of the list of runs; NaN where a figure is not there."""

    monitor: str
    as_of_ref: date
    as_of_cur: date
    decided_at: datetime
    verdict: str
    drift_share: float
    target_drift: float
    auc_drop: float
    reasons: tuple[str, ...]
    pending: bool

    @property
    def pair(self) -> Pair:
        """Reference and current month."""
        return self.as_of_ref, self.as_of_cur


def past_runs(engine: Engine, monitor: str) -> list[PastRun]:
    """The runs of a monitor, oldest current month first.

    Raises:
        DatabaseError: the query fails.
    """
    runs = monitor_runs.c
    query = select(monitor_runs).where(runs.monitor == monitor).order_by(runs.as_of_cur, runs.as_of_ref)
    return [_past_run(row) for row in _rows(engine, query)]


def past_record(engine: Engine, monitor: str, as_of_cur: date | None, as_of_ref: date | None) -> Mapping[str, Any]:
    """The record of one run: by default of the newest month, and of several with one month the last judged.

    Raises:
        UnknownMonthError: there is no such run.
        DatabaseError: the query fails.
    """
    runs = monitor_runs.c
    query = select(monitor_runs).where(runs.monitor == monitor)
    if as_of_cur:
        query = query.where(runs.as_of_cur == as_of_cur)
    if as_of_ref:
        query = query.where(runs.as_of_ref == as_of_ref)
    found = _rows(engine, query.order_by(runs.as_of_cur.desc(), runs.decided_at.desc()).limit(1))
    if not found:
        known = [" vs ".join(map(str, run.pair)) for run in past_runs(engine, monitor)]
        raise UnknownMonthError(
            f"the monitor {monitor!r} has no run for that month",
            allowed=bounded(known[::-1]) if known else "none yet",
            remedy="judge it with `driftgate monitor`, or a whole history with `driftgate backfill`",
        )
    record: Mapping[str, Any] = found[0]["record"]
    return record


def earlier_runs(engine: Engine, monitor: str, as_of_cur: date) -> tuple[Earlier, ...]:
    """What was said of each month before `as_of_cur`, newest first; of several pairs with one month the last judged.

    Raises:
        DatabaseError: the query fails.
    """
    runs = monitor_runs.c
    query = (
        select(
            runs.as_of_cur, runs.signalled, runs.verdict, runs.held_back_code, runs.champion_trained_on, runs.pending
        )
        .where(runs.monitor == monitor, runs.as_of_cur < as_of_cur)
        .distinct(runs.as_of_cur)
        .order_by(runs.as_of_cur.desc(), runs.decided_at.desc())
    )
    found = []
    for row in _rows(engine, query):
        triggered = row["verdict"].startswith(Verdict.RETRAINING_TRIGGERED)
        signalled = triggered if row["signalled"] is None else row["signalled"]
        # A rerun after the retraining is held back by the champion that came of it: the trigger was there all the same.
        knows = row["held_back_code"] == HeldBack.CHAMPION_KNOWS
        learnt = knows and row["champion_trained_on"] == row["as_of_cur"]
        found.append(Earlier(row["as_of_cur"], signalled, triggered or learnt))
    return tuple(found)


def decision_of(record: Mapping[str, Any]) -> Decision:
    """The decision of a record."""
    signals = [
        Signal(**{**signal, "value": math.nan if signal["value"] is None else signal["value"]})
        for signal in record.get("signals", [])
    ]
    triggered = record["verdict"].startswith(Verdict.RETRAINING_TRIGGERED)
    verdict = Verdict.RETRAINING_TRIGGERED if triggered else Verdict.NO_ACTION
    code, champion_month = record.get("held_back_code"), record.get("champion_trained_on")
    return Decision(
        verdict,
        tuple(signals),
        record.get("held_back", ""),
        record.get("retrain", "simulated"),
        HeldBack(code) if code else None,
        date.fromisoformat(champion_month) if champion_month else None,
    )


def _rows(engine: Engine, query: Any) -> list[Mapping[str, Any]]:
    """The rows of a query; none where the tables are not there yet."""
    with database_errors("looking up runs"):
        try:
            found = _read(engine, query)
        except ProgrammingError as error:
            code = sqlstate(error)
            if code == SqlState.UNDEFINED_TABLE:
                return []
            if code != SqlState.UNDEFINED_COLUMN:
                raise
        else:
            if all(row["pending"] is not None for row in found):
                return found
    # The tables of an earlier release lack columns, or its rows their values.
    create_result_tables(engine)
    with database_errors("looking up runs"):
        return _read(engine, query)


def _read(engine: Engine, query: Any) -> list[Mapping[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _past_run(row: Mapping[str, Any]) -> PastRun:
    figures = {name: math.nan if row[name] is None else row[name] for name in ("target_drift", "auc_drop")}
    return PastRun(
        monitor=row["monitor"],
        as_of_ref=row["as_of_ref"],
        as_of_cur=row["as_of_cur"],
        decided_at=row["decided_at"],
        verdict=row["verdict"],
        drift_share=row["drift_share"],
        reasons=tuple(row["reasons"]),
        pending=row["pending"],
        **figures,
    )
