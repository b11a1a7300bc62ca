"""The tables of past runs: one row in monitor_runs, and its columns in monitor_columns, for each pair of months."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from driftgate.database import create_tables, database_errors, metadata
from driftgate.database.locks import session_lock
from driftgate.run import Run
from driftgate.store.record import decision_record

_KEY = ("monitor", "as_of_ref", "as_of_cur")

monitor_runs = Table(
    "monitor_runs",
    metadata,
    Column("monitor", Text, primary_key=True),
    Column("as_of_ref", Date, primary_key=True),
    Column("as_of_cur", Date, primary_key=True),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reasons", JSONB, nullable=False),
    Column("drift_share", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("drifted_features", Integer, nullable=False),
    Column("declared_features", Integer, nullable=False),
    Column("target_ref", Double),
    Column("target_cur", Double),
    Column("target_drift", Double),
    Column("target_threshold", Double),
    Column("target_reason", Text, nullable=False),
    Column("rows_ref", Integer, nullable=False),
    Column("rows_cur", Integer, nullable=False),
    Column("compared_rows_ref", Integer, nullable=False),
    Column("compared_rows_cur", Integer, nullable=False),
    Column("report_html", Text, nullable=False),
    Column("report_json", Text, nullable=False),
    Column("record", JSONB, nullable=False),
    Column("signalled", Boolean),
    Column("held_back", Text),
    Column("retrain", Text),
    Column("labelled_share_ref", Double),
    Column("labelled_share_cur", Double),
    Column("performance_state", Text),
    Column("performance_reason", Text),
    Column("performance_threshold", Double),
    Column("champion_version", Text),
    Column("auc_ref", Double),
    Column("auc_cur", Double),
    Column("auc_drop", Double),
    Column("auc_drop_low", Double),
    Column("auc_drop_high", Double),
    Column("prediction_score", Double),
    Column("prediction_drifted", Boolean),
    Column("held_back_code", Text),
    Column("champion_trained_on", Date),
    Column("pending", Boolean),
)

monitor_columns = Table(
    "monitor_columns",
    metadata,
    Column("monitor", Text, primary_key=True),
    Column("as_of_ref", Date, primary_key=True),
    Column("as_of_cur", Date, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("view", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("score", Double),
    Column("threshold", Double),
    Column("drifted", Boolean, nullable=False),
    Column("drifted_by", Text, nullable=False),
    Column("values_ref", Integer, nullable=False),
    Column("values_cur", Integer, nullable=False),
    Column("missing_share_ref", Double),
    Column("missing_share_cur", Double),
    Column("missing_share_change", Double),
    ForeignKeyConstraint(_KEY, [monitor_runs.c[name] for name in _KEY], ondelete="CASCADE"),
)

# Earlier releases had the words alone. This is the one place that reads them; a row without `pending` is one of theirs.
_GIVE_CODES = text(
    r"""
    UPDATE monitor_runs SET
        held_back_code = CASE
            WHEN held_back LIKE 'the champion was trained on %' THEN 'champion_knows'
            WHEN held_back LIKE '% of the last % runs signals, % needed' THEN 'confirmations'
            WHEN held_back LIKE '% triggered % days before, %' THEN 'cooldown'
        END,
        champion_trained_on = CAST(
            substring(held_back FROM '^the champion was trained on ([0-9]{4}-[0-9]{2}-[0-9]{2}) ') AS date
        ),
        pending = coalesce(performance_state = 'pending', false)
            OR strpos(target_reason, to_char(as_of_cur, 'YYYY-MM-DD') || ': pending, ') > 0
    WHERE pending IS NULL
    """
)


def create_result_tables(engine: Engine) -> None:
    """Create these two tables where they are missing, and no others; rows of earlier releases get their codes.

    Raises:
        DatabaseError: the role may not, or the database cannot be reached.
    """
    create_tables(engine, [monitor_runs, monitor_columns])
    with database_errors("giving earlier runs their codes"), engine.begin() as connection:
        connection.execute(_GIVE_CODES)


def save_run(engine: Engine, run: Run) -> None:
    """Write the run and its columns in one transaction, in place of an earlier run of the same pair.

    Raises:
        DatabaseError: nothing was written; the tables must be there, see `create_result_tables`.
    """
    record = decision_record(run)
    key = {
        "monitor": run.monitor.name,
        "as_of_ref": run.drift.as_of_ref,
        "as_of_cur": run.drift.as_of_cur,
    }
    same_pair = [monitor_runs.c[name] == value for name, value in key.items()]
    with database_errors("saving the run"), engine.begin() as connection:
        # Two runs of one pair at once: the second waits here and replaces the first.
        connection.exec_driver_sql("LOCK TABLE monitor_runs IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(delete(monitor_runs).where(*same_pair))
        connection.execute(insert(monitor_runs), [{**key, **_run_row(record, run.decided_at)}])
        connection.execute(insert(monitor_columns), [{**key, **item} for item in record["columns"]])


@contextmanager
def pair_lock(engine: Engine, monitor: str, as_of_ref: date, as_of_cur: date) -> Iterator[None]:
    """Hold a lock of the pair: of two runs at once the files would be of one and the rows of the other.

    Raises:
        DatabaseError: the lock cannot be taken.
    """
    pair = f"driftgate {monitor} {as_of_ref} {as_of_cur}"
    with database_errors("waiting for another run of the pair"), session_lock(engine, pair):
        yield


def withdraw_run(engine: Engine, monitor: str, as_of_ref: date, as_of_cur: date) -> None:
    """Remove an earlier run of the pair: it no longer holds once the pair can no longer be judged.

    Raises:
        DatabaseError: nothing was removed.
    """
    pair = (
        (monitor_runs.c.monitor, monitor),
        (monitor_runs.c.as_of_ref, as_of_ref),
        (monitor_runs.c.as_of_cur, as_of_cur),
    )
    with database_errors("withdrawing the earlier run"), engine.begin() as connection:
        connection.execute(delete(monitor_runs).where(*(column == value for column, value in pair)))


def _run_row(record: Mapping[str, Any], decided_at: datetime) -> dict[str, Any]:
    target, inputs = record["target"], record["inputs"]
    champion_month = record["champion_trained_on"]
    return {
        **_performance_row(record),
        **{
            name: record[name]
            for name in (
                "verdict",
                "reasons",
                "signalled",
                "held_back",
                "held_back_code",
                "pending",
                "retrain",
                "drift_share",
                "threshold",
                "drifted_features",
                "declared_features",
            )
        },
        **{name: target[name] for name in ("labelled_share_ref", "labelled_share_cur")},
        **{name: inputs[name] for name in ("rows_ref", "rows_cur", "compared_rows_ref", "compared_rows_cur")},
        "decided_at": decided_at,
        "champion_trained_on": date.fromisoformat(champion_month) if champion_month else None,
        "target_ref": target["ref"],
        "target_cur": target["cur"],
        "target_drift": target["abs_diff"],
        "target_threshold": target["threshold"],
        "target_reason": target["reason"],
        "report_html": record["reports"]["html"],
        "report_json": record["reports"]["json"],
        "record": record,
    }


def _performance_row(record: Mapping[str, Any]) -> dict[str, Any]:
    found, prediction = record["performance"], record["prediction"] or {}
    auc = found["measures"].get("auc")
    return {
        "performance_state": found["state"],
        "performance_reason": found["reason"],
        "performance_threshold": found["threshold"],
        "champion_version": found["champion"],
        "auc_ref": auc and auc["ref"],
        "auc_cur": auc and auc["cur"],
        "auc_drop": auc and -auc["difference"],
        "auc_drop_low": auc and -auc["high"],
        "auc_drop_high": auc and -auc["low"],
        "prediction_score": prediction.get("score"),
        "prediction_drifted": prediction.get("drifted"),
    }
