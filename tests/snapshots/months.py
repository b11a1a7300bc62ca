"""Tiny month folders, valid unless a test says otherwise."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Engine

from driftgate.snapshots import month_tables
from streamflow.source_tables import SOURCE_TABLES

HEADERS = {
    "users": "user_id,signup_date,user_gender,user_is_senior,has_family,has_dependents",
    "subscriptions": "user_id,months_active,plan_stream_tv,plan_stream_movies,contract_type,paperless_billing,"
    "monthly_fee,total_paid,net_service",
    "usage_agg_30d": "user_id,watch_hours_30d,avg_session_mins_7d,unique_devices_30d,skips_7d,rebuffer_events_7d",
    "payments_agg_90d": "user_id,failed_payments_90d",
    "support_agg_90d": "user_id,support_tickets_90d,ticket_avg_resolution_hrs_90d",
    "labels": "user_id,churn_label",
}


def write_month_folder(
    folder: Path,
    users: Sequence[str] = ("u1", "u2", "u3"),
    level: int = 1,
    files: Mapping[str, str | bytes | None] | None = None,
) -> Path:
    """Write a valid month and return its folder.

    Args:
        users: who is in it.
        level: sets the numbers, so that months differ.
        files: content by table name in place of the valid one; None leaves the file out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        "users": [f"{user},2023-0{1 + n % 9}-15,Female,False,True," for n, user in enumerate(users)],
        "subscriptions": [
            f"{user},{level + n},{'' if n % 2 else 'True'},False,One year,True,{level}.5,{level * n}.25,DSL"
            for n, user in enumerate(users)
        ],
        "usage_agg_30d": [f"{user},{level + n}.125,30.5,2,{n},{level}" for n, user in enumerate(users)],
        "payments_agg_90d": [f"{user},{level}" for user in users],
        "support_agg_90d": [f"{user},{n},{'' if n else '4.5'}" for n, user in enumerate(users)],
        "labels": [f"{user},{(n + level) % 2 == 0}" for n, user in enumerate(users)],
    }
    for name, header in HEADERS.items():
        content: str | bytes | None = "\n".join([header, *rows[name], ""])
        if files and name in files:
            content = files[name]
        if content is not None:
            data = content.encode() if isinstance(content, str) else content
            (folder / f"{name}.csv").write_bytes(data)
    return folder


def csv(name: str, *rows: str) -> str:
    """The text of one file: the usual header and these rows."""
    return "\n".join([HEADERS[name], *rows, ""])


def contents(database: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of months, sorted."""
    with database.connect() as connection:
        return {
            str(table): sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
            for table in month_tables(SOURCE_TABLES).all
        }
