"""The monthly snapshot tables, one row for each user and as_of: tables of PostgreSQL, or files, as the store says."""

import os
from pathlib import Path

import yaml
from feast import FileSource
from feast.data_source import DataSource

REPO = Path(__file__).resolve().parent


def _offline_store() -> str:
    """The type of the offline store that feature_store.yaml names; Feast's own default is `dask`, which reads files."""
    content = yaml.safe_load(os.path.expandvars((REPO / "feature_store.yaml").read_text(encoding="utf-8")))
    found = content.get("offline_store") or {}
    return found if isinstance(found, str) else str(found.get("type", "dask"))


def _snapshots(name: str, table: str, timestamp: str = "as_of") -> DataSource:
    store, path = _offline_store(), str(REPO / "data" / f"{table}.parquet")
    if store == "postgres":
        from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource

        return PostgreSQLSource(name=name, table=table, timestamp_field=timestamp)
    if store == "spark":
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        return SparkSource(name=name, path=path, file_format="parquet", timestamp_field=timestamp)
    return FileSource(name=name, path=path, timestamp_field=timestamp)


subs_profile = _snapshots("subs_profile", "subscriptions_profile_snapshots")
usage_agg_30d = _snapshots("usage_agg_30d", "usage_agg_30d_snapshots")
payments_agg_90d = _snapshots("payments_agg_90d", "payments_agg_90d_snapshots")
support_agg_90d = _snapshots("support_agg_90d", "support_agg_90d_snapshots")
# No view reads it: monitors.toml names it as the label.
labels = _snapshots("labels", "labels", timestamp="period_start")
