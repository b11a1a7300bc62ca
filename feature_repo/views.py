"""The feature views of StreamFlow."""

from datetime import timedelta

from entities import user
from feast import FeatureView, Field
from feast.data_source import DataSource
from feast.types import Bool, FeastType, Float64, Int64, String
from sources import payments_agg_90d, subs_profile, support_agg_90d, usage_agg_30d

# Shorter than the shortest month: where a month's table was not loaded, its features come back empty and the monitor
# says so. A longer life would silently fill the gap with last month's values, which never drift.
SNAPSHOT_LIFE = timedelta(days=27)


def _view(name: str, source: DataSource, features: dict[str, FeastType]) -> FeatureView:
    return FeatureView(
        name=name,
        entities=[user],
        ttl=SNAPSHOT_LIFE,
        schema=[Field(name=feature, dtype=dtype) for feature, dtype in features.items()],
        source=source,
        online=True,
    )


subs_profile_fv = _view(
    "subs_profile_fv",
    subs_profile,
    {
        "months_active": Int64,
        "monthly_fee": Float64,
        "paperless_billing": Bool,
        "plan_stream_tv": Bool,
        "plan_stream_movies": Bool,
        "net_service": String,
    },
)
usage_agg_30d_fv = _view(
    "usage_agg_30d_fv",
    usage_agg_30d,
    {
        "watch_hours_30d": Float64,
        "avg_session_mins_7d": Float64,
        "unique_devices_30d": Int64,
        "skips_7d": Int64,
        "rebuffer_events_7d": Int64,
    },
)
payments_agg_90d_fv = _view("payments_agg_90d_fv", payments_agg_90d, {"failed_payments_90d": Int64})
support_agg_90d_fv = _view(
    "support_agg_90d_fv",
    support_agg_90d,
    {"support_tickets_90d": Int64, "ticket_avg_resolution_hrs_90d": Float64},
)
