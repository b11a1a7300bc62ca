"""The textbook way, with the mistakes that public implementations of this exercise make. Only the tests use it."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine, text

FEATURE_FILES = ("subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d")
FEATURES = (
    "months_active",
    "monthly_fee",
    "paperless_billing",
    "plan_stream_tv",
    "plan_stream_movies",
    "net_service",
    "watch_hours_30d",
    "avg_session_mins_7d",
    "unique_devices_30d",
    "skips_7d",
    "rebuffer_events_7d",
    "failed_payments_90d",
    "support_tickets_90d",
    "ticket_avg_resolution_hrs_90d",
)
_BOOLEANS = ("paperless_billing", "plan_stream_tv", "plan_stream_movies")


def read_month(folder: Path) -> pd.DataFrame:
    """One merged frame: key, features and label side by side; whatever stands in a boolean column becomes a bool."""
    month = pd.read_csv(folder / "users.csv")[["user_id"]]
    for name in (*FEATURE_FILES, "labels"):
        month = month.merge(pd.read_csv(folder / f"{name}.csv"), on="user_id", how="left")
    for name in _BOOLEANS:
        month[name] = month[name].astype(bool)
    return month[["user_id", *FEATURES, "churn_label"]]


def report(ref: pd.DataFrame, cur: pd.DataFrame) -> dict[str, Any]:
    """Evidently over every column that both frames have, as the dictionary its JSON holds."""
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    from driftgate.drift.evidently_adapter import _quiet

    common = [name for name in ref.columns if name in cur.columns]
    with _quiet():
        snapshot = Report([DataDriftPreset()]).run(
            Dataset.from_pandas(cur[common].copy()), Dataset.from_pandas(ref[common].copy())
        )
        document: dict[str, Any] = json.loads(snapshot.json())
    return document


def drift_share(document: dict[str, Any]) -> float:
    """The share as releases before 0.7 named it, and 0.0 where the name is not found."""
    for metric in document.get("metrics", []):
        result = metric.get("result", {})
        if "share_of_drifted_columns" in result:
            return float(result["share_of_drifted_columns"])
    return 0.0


def drifted_of_all(document: dict[str, Any]) -> tuple[int, int]:
    """Drifted columns, and columns, of everything that was in the frames."""
    compared = [metric for metric in document["metrics"] if metric["metric_name"].startswith("ValueDrift")]
    (count,) = [metric["value"] for metric in document["metrics"] if "DriftedColumnsCount" in metric["metric_name"]]
    assert len(compared) == round(count["count"] / count["share"])
    return int(count["count"]), len(compared)


def verdict(share: float, threshold: float = 0.3) -> str:
    """The gate."""
    return "RETRAINING_TRIGGERED" if share >= threshold else "NO_ACTION"


def load_labels(engine: Engine, folder: Path) -> None:
    """Labels in a table keyed by user alone; a newer one takes the place of the older."""
    labels = pd.read_csv(folder / "labels.csv")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS naive_labels (user_id text PRIMARY KEY, churn_label bool)"))
        connection.execute(
            text(
                "INSERT INTO naive_labels VALUES (:user_id, :churn_label) "
                "ON CONFLICT (user_id) DO UPDATE SET churn_label = EXCLUDED.churn_label"
            ),
            labels.to_dict("records"),
        )


def churn_rate(engine: Engine, month: pd.DataFrame) -> float:
    """The rate of a month: its users joined to their labels."""
    with engine.connect() as connection:
        labels = pd.read_sql(text("SELECT * FROM naive_labels"), connection)
    return float(month[["user_id"]].merge(labels, on="user_id")["churn_label"].mean())


def load_snapshot(engine: Engine, folder: Path, as_of: date) -> None:
    """Replace the live table, then copy whatever is in it into the snapshots; what is there already stays."""
    payments = pd.read_csv(folder / "payments_agg_90d.csv")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS naive_live (user_id text PRIMARY KEY, failed int)"))
        connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS naive_snapshots "
                "(user_id text, as_of date, failed int, PRIMARY KEY (user_id, as_of))"
            )
        )
        connection.execute(
            text(
                "INSERT INTO naive_live VALUES (:user_id, :failed_payments_90d) "
                "ON CONFLICT (user_id) DO UPDATE SET failed = EXCLUDED.failed"
            ),
            payments.to_dict("records"),
        )
        connection.execute(
            text(
                "INSERT INTO naive_snapshots SELECT user_id, :as_of, failed FROM naive_live "
                "ON CONFLICT (user_id, as_of) DO NOTHING"
            ),
            {"as_of": as_of},
        )


def stored_snapshot(engine: Engine, as_of: date) -> dict[str, int]:
    """What the snapshots hold of one month, by user."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT user_id, failed FROM naive_snapshots WHERE as_of = :as_of"), {"as_of": as_of}
        )
        return {row.user_id: row.failed for row in rows}
