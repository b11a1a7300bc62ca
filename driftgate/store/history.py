"""Runs of the past, read back from their table as records."""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from driftgate.database import database_errors, update_tables
from driftgate.decision import NO_NEWS, Earlier, HeldBack
from driftgate.drift.past import Moves, PastPair, moves
from driftgate.drift.result import ColumnResult, ColumnState
from driftgate.errors import DataError, UnknownMonthError, bounded
from driftgate.pairs import Pair
from driftgate.store.record import RunRecord, problem
from driftgate.store.tables import monitor_columns, monitor_runs

_runs = monitor_runs.c
# Records of earlier releases lack these; the first revision gave them to the rows and left the records alone.
_CODES = (_runs.held_back_code, _runs.champion_trained_on, _runs.pending)
# A list of runs shows no features, and the record of a run may hold thousands.
_WITHOUT_COLUMNS = _runs.record.concat(literal({"columns": []}, JSONB)).label("record")


def past_runs(engine: Engine, monitor: str) -> list[RunRecord]:
    """The records of a monitor's runs, without their columns, oldest current month first.

    Raises:
        DataError: a record cannot be read.
        DatabaseError: the query fails.
    """
    query = select(_WITHOUT_COLUMNS, *_CODES).where(_runs.monitor == monitor)
    return _records(engine, query.order_by(_runs.as_of_cur, _runs.as_of_ref))


def champion_measured(engine: Engine, monitor: str) -> bool:
    """Whether a champion was measured for a verdict of the monitor that still stands.

    Raises:
        DatabaseError: the query fails.
    """
    query = select(_runs.as_of_cur).where(_runs.monitor == monitor, _runs.champion_version.is_not(None))
    return bool(_rows(engine, query.limit(1)))


def past_record(engine: Engine, monitor: str, as_of_cur: date | None, as_of_ref: date | None) -> RunRecord:
    """The record of one run: by default of the newest month, and of several with one month the last judged.

    Raises:
        UnknownMonthError: there is no such run.
        DataError: its record cannot be read.
        DatabaseError: the query fails.
    """
    query = select(_runs.record, *_CODES).where(_runs.monitor == monitor)
    if as_of_cur:
        query = query.where(_runs.as_of_cur == as_of_cur)
    if as_of_ref:
        query = query.where(_runs.as_of_ref == as_of_ref)
    found = _records(engine, query.order_by(_runs.as_of_cur.desc(), _runs.decided_at.desc()).limit(1))
    if not found:
        known = [" vs ".join(map(str, run.pair)) for run in past_runs(engine, monitor)]
        raise UnknownMonthError(
            f"the monitor {monitor!r} has no run for that month",
            allowed=bounded(known[::-1]) if known else "none yet",
            remedy="judge it with `driftgate monitor`, or a whole history with `driftgate backfill`",
        )
    return found[0]


def other_references(engine: Engine, monitor: str, pair: Pair) -> list[date]:
    """The other references that the current month of a pair was judged against, ascending.

    Raises:
        DatabaseError: the query fails.
    """
    as_of_ref, as_of_cur = pair
    query = select(_runs.as_of_ref).where(_runs.monitor == monitor, _runs.as_of_cur == as_of_cur)
    rows = _rows(engine, query.where(_runs.as_of_ref != as_of_ref).order_by(_runs.as_of_ref))
    return [row["as_of_ref"] for row in rows]


def earlier_runs(engine: Engine, monitor: str, as_of_cur: date) -> tuple[Earlier, ...]:
    """What was said of each month before `as_of_cur`, newest first; of several pairs with one month the last judged.

    Raises:
        DataError: a record cannot be read.
        DatabaseError: the query fails.
    """
    query = (
        select(_WITHOUT_COLUMNS, *_CODES)
        .where(_runs.monitor == monitor, _runs.as_of_cur < as_of_cur)
        .distinct(_runs.as_of_cur)
        .order_by(_runs.as_of_cur.desc(), _runs.decided_at.desc())
    )
    return tuple(map(_earlier, _records(engine, query)))


def past_pairs(engine: Engine, monitor: str, as_of_cur: date) -> tuple[PastPair, ...]:
    """What was found of every pair whose current month is before `as_of_cur`, oldest first.

    Raises:
        DataError: a record cannot be read.
        DatabaseError: the query fails.
    """
    query = select(_WITHOUT_COLUMNS, *_CODES).where(_runs.monitor == monitor, _runs.as_of_cur < as_of_cur)
    records = _records(engine, query.order_by(_runs.as_of_cur, _runs.as_of_ref))
    moved = _moved(engine, monitor, as_of_cur) if records else {}
    return tuple(_past_pair(record, moved.get(record.pair, {})) for record in records)


def _moved(engine: Engine, monitor: str, as_of_cur: date) -> dict[Pair, Moves]:
    """How far the columns of each pair moved that drifted."""
    columns = monitor_columns.c
    query = select(monitor_columns).where(columns.monitor == monitor, columns.as_of_cur < as_of_cur, columns.drifted)
    found: dict[Pair, list[ColumnResult]] = defaultdict(list)
    with database_errors("looking up drifted features"):
        for row in _read(engine, query):
            found[row["as_of_ref"], row["as_of_cur"]].append(_column(row))
    return {pair: moves(items) for pair, items in found.items()}


def _column(row: Mapping[str, Any]) -> ColumnResult:
    """The part of a column's result that says whether and how far it moved."""
    figures = {name: math.nan if row[name] is None else row[name] for name in ("score", "corrected_score")}
    missing = {f"missing_{side}": row[f"missing_share_{side}"] for side in ("ref", "cur")}
    fields: dict[str, Any] = {name: row[name] for name in ("name", "view", "dtype", "method", "drifted", "drifted_by")}
    return ColumnResult(state=ColumnState(row["state"]), **fields | figures | missing)


def _past_pair(record: RunRecord, moved: Moves) -> PastPair:
    target = record.target
    reached = any(signal.name == "target_drift" and signal.reached for signal in record.signals)
    far = target.abs_diff if reached and target.abs_diff is not None else math.nan
    return PastPair(*record.pair, moved, far, target.target.level_ref, target.target.level_cur)


def _earlier(record: RunRecord) -> Earlier:
    month = record.inputs.as_of_cur
    # A rerun after the retraining is held back by the champion that came of it: the trigger was there all the same.
    knows = record.held_back_code is HeldBack.CHAMPION_KNOWS
    learnt = knows and record.champion_trained_on == month
    news = record.has_signal and record.held_back_code not in NO_NEWS
    return Earlier(month, news, record.triggered or learnt)


def _records(engine: Engine, query: Any) -> list[RunRecord]:
    return [_record(row) for row in _rows(engine, query)]


def _record(row: Mapping[str, Any]) -> RunRecord:
    codes = {column.name: row[column.name] for column in _CODES}
    try:
        return RunRecord.model_validate({**row["record"], **codes})
    except ValidationError as error:
        inputs = row["record"].get("inputs", {})
        raise DataError(
            f"the record of the run {inputs.get('as_of_ref')} vs {inputs.get('as_of_cur')} in the table monitor_runs "
            f"cannot be read: {problem(error)}",
            allowed="a record as this release or an earlier one writes it",
            remedy="judge the pair again with `driftgate monitor`, or use the release that wrote it",
        ) from error


def _rows(engine: Engine, query: Any) -> list[Mapping[str, Any]]:
    """The rows of a query; none where the tables are not there yet."""
    if not update_tables(engine):
        return []
    with database_errors("looking up runs"):
        return _read(engine, query)


def _read(engine: Engine, query: Any) -> list[Mapping[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
