"""What a run estimates before its labels come, and what waiting costs: columns of `monitor_runs`.

Earlier runs have neither, and NULL says so. The page is short because the change is.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COLUMNS = (
    "estimated_performance",
    "estimated_performance_low",
    "estimated_performance_high",
    "waiting_cost",
    "waiting_cost_low",
    "waiting_cost_high",
)


def upgrade() -> None:
    """Add the columns, without a value in the rows that are there."""
    for name in _COLUMNS:
        # A database that is older than revisions may have them: a commit between two releases added them by itself.
        op.add_column("monitor_runs", sa.Column(name, sa.Double()), if_not_exists=True)
