"""The six source tables of a month of StreamFlow. Loading a month and making sample months both follow them.

A month is a folder with one CSV file a table, `{name}.csv`. This module imports nothing heavy.
"""

from driftgate.snapshots.schema import Column, Kind, SourceTable, SourceTables

KEY = "user_id"
AS_OF = "as_of"
PERIOD_START = "period_start"


def _key() -> Column:
    return Column(KEY, "text", nullable=False)


def _measure(name: str, kind: Kind) -> Column:
    return Column(name, kind, non_negative=True)


USERS = SourceTable(
    "users",
    (
        _key(),
        Column("signup_date", "date"),
        Column("user_gender", "text"),
        Column("user_is_senior", "boolean"),
        Column("has_family", "boolean"),
        Column("has_dependents", "boolean"),
    ),
)

SUBSCRIPTIONS = SourceTable(
    "subscriptions",
    (
        _key(),
        _measure("months_active", "integer"),
        Column("plan_stream_tv", "boolean"),
        Column("plan_stream_movies", "boolean"),
        Column("contract_type", "text"),
        Column("paperless_billing", "boolean"),
        _measure("monthly_fee", "number"),
        _measure("total_paid", "number"),
        Column("net_service", "text"),
        Column("add_on_security", "boolean", optional=True),
        Column("add_on_backup", "boolean", optional=True),
        Column("add_on_device_protect", "boolean", optional=True),
        Column("add_on_support", "boolean", optional=True),
    ),
    snapshot="subscriptions_profile_snapshots",
    timestamp=AS_OF,
)

USAGE = SourceTable(
    "usage_agg_30d",
    (
        _key(),
        _measure("watch_hours_30d", "number"),
        _measure("avg_session_mins_7d", "number"),
        _measure("unique_devices_30d", "integer"),
        _measure("skips_7d", "integer"),
        _measure("rebuffer_events_7d", "integer"),
    ),
    snapshot="usage_agg_30d_snapshots",
    timestamp=AS_OF,
)

PAYMENTS = SourceTable(
    "payments_agg_90d",
    (_key(), _measure("failed_payments_90d", "integer")),
    snapshot="payments_agg_90d_snapshots",
    timestamp=AS_OF,
)

SUPPORT = SourceTable(
    "support_agg_90d",
    (_key(), _measure("support_tickets_90d", "integer"), _measure("ticket_avg_resolution_hrs_90d", "number")),
    snapshot="support_agg_90d_snapshots",
    timestamp=AS_OF,
)

# The label period starts at the snapshot, so its period_start is the month's as_of.
LABELS = SourceTable(
    "labels",
    (_key(), Column("churn_label", "boolean", nullable=False)),
    snapshot="labels",
    timestamp=PERIOD_START,
)

SOURCE_TABLES = SourceTables((USERS, SUBSCRIPTIONS, USAGE, PAYMENTS, SUPPORT, LABELS))
"""What `driftgate.snapshots` is given to load a month of StreamFlow. Users are listed in the first table."""
