"""The six source tables of a month, declared once; reading, validation, the database tables and the sample follow them.

A month is a folder with one CSV file a table, `{name}.csv`. This module imports nothing heavy.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "number", "boolean", "date"]

KEY = "user_id"
AS_OF = "as_of"
PERIOD_START = "period_start"


@dataclass(frozen=True)
class Column:
    """One column of a source file.

    Attributes:
        name: as in the header of the file and in the database.
        kind: what its values are; a blank is NULL in every kind.
        optional: the file may lack the column; the database has it all the same, NULL in every row.
        non_negative: values below zero are a failure.
        nullable: blanks are allowed.
    """

    name: str
    kind: Kind
    optional: bool = False
    non_negative: bool = False
    nullable: bool = True


@dataclass(frozen=True)
class SourceTable:
    """One source file and the database tables that it fills.

    Attributes:
        name: the file without its suffix, and the table that holds the newest month (labels: every month).
        columns: in file order, the key first.
        snapshot: the table that holds every month, or None where months are not kept.
        timestamp: its date column, the day on which the month was taken, or None where months are not kept.
    """

    name: str
    columns: tuple[Column, ...]
    snapshot: str | None = None
    timestamp: str | None = None

    @property
    def file_name(self) -> str:
        """The name of its CSV file in a month folder.

        >>> SourceTable("users", ()).file_name
        'users.csv'
        """
        return f"{self.name}.csv"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all columns, optional ones included, in file order."""
        return tuple(column.name for column in self.columns)

    @property
    def has_base_table(self) -> bool:
        """Whether a table of the same name holds the newest month alone."""
        return self.snapshot != self.name


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

# The parent comes first: the users of every other table must be in it.
SOURCE_TABLES: tuple[SourceTable, ...] = (USERS, SUBSCRIPTIONS, USAGE, PAYMENTS, SUPPORT, LABELS)
