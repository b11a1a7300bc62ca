"""The textbook way to do what Driftgate does, for comparison only.

Written as tutorials for these packages do it: heavy imports on top, a pandas entity frame, a list of features, both
presets over every column of the merged frame, pretty-printed results. Its faults are part of the comparison.
"""

import json
import os
import sys
from pathlib import Path

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset, DataSummaryPreset
from feast import FeatureStore
from prefect import flow, task
from sqlalchemy import create_engine

FEATURES = [
    "subs_profile_fv:months_active",
    "subs_profile_fv:monthly_fee",
    "subs_profile_fv:paperless_billing",
    "subs_profile_fv:plan_stream_tv",
    "subs_profile_fv:plan_stream_movies",
    "subs_profile_fv:net_service",
    "usage_agg_30d_fv:watch_hours_30d",
    "usage_agg_30d_fv:avg_session_mins_7d",
    "usage_agg_30d_fv:unique_devices_30d",
    "usage_agg_30d_fv:skips_7d",
    "usage_agg_30d_fv:rebuffer_events_7d",
    "payments_agg_90d_fv:failed_payments_90d",
    "support_agg_90d_fv:support_tickets_90d",
    "support_agg_90d_fv:ticket_avg_resolution_hrs_90d",
]


@task
def build_dataset(as_of: str) -> pd.DataFrame:
    engine = create_engine(os.environ["FEAST_REGISTRY_URL"])
    entities = pd.read_sql(
        "SELECT user_id, as_of FROM subscriptions_profile_snapshots WHERE as_of = %(as_of)s",
        engine,
        params={"as_of": as_of},
    )
    entities = entities.rename(columns={"as_of": "event_timestamp"})
    entities["event_timestamp"] = pd.to_datetime(entities["event_timestamp"])
    store = FeatureStore(repo_path=os.environ["FEAST_REPO"])
    features = store.get_historical_features(entity_df=entities, features=FEATURES).to_df()
    labels = pd.read_sql(
        "SELECT user_id, churn_label FROM labels WHERE period_start = %(as_of)s", engine, params={"as_of": as_of}
    )
    return features.merge(labels, on="user_id", how="inner").drop(columns=["event_timestamp"])


@task
def drift_report(ref: pd.DataFrame, cur: pd.DataFrame, folder: str) -> dict:
    report = Report([DataSummaryPreset(), DataDriftPreset()])
    result = report.run(reference_data=ref, current_data=cur)
    Path(folder).mkdir(parents=True, exist_ok=True)
    result.save_html(f"{folder}/report.html")
    result.save_json(f"{folder}/report.json")
    return json.loads(result.json())


@flow
def monitor(as_of_ref: str, as_of_cur: str, folder: str) -> None:
    ref = build_dataset(as_of_ref)
    cur = build_dataset(as_of_cur)
    result = drift_report(ref, cur, folder)
    share = next(
        metric["value"]["share"] for metric in result["metrics"] if "DriftedColumnsCount" in metric["metric_name"]
    )
    target_drift = abs(cur["churn_label"].mean() - ref["churn_label"].mean())
    print(f"drift_share={share:.4f} target_drift={target_drift:.4f}")
    print("RETRAINING_TRIGGERED" if share >= 0.3 else "NO_ACTION")


if __name__ == "__main__":
    monitor(*sys.argv[1:4])
