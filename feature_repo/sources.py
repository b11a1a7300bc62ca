"""The monthly snapshot tables, one row for each user and as_of."""

from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource


def _snapshots(name: str, table: str) -> PostgreSQLSource:
    return PostgreSQLSource(name=name, table=table, timestamp_field="as_of")


subs_profile = _snapshots("subs_profile", "subscriptions_profile_snapshots")
usage_agg_30d = _snapshots("usage_agg_30d", "usage_agg_30d_snapshots")
payments_agg_90d = _snapshots("payments_agg_90d", "payments_agg_90d_snapshots")
support_agg_90d = _snapshots("support_agg_90d", "support_agg_90d_snapshots")
