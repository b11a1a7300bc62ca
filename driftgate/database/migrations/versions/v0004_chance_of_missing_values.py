"""Two columns for what chance explains of a change of missing values.

Of runs that are kept already it is not known, and stays NULL. The page is short because the change is.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, empty."""
    for name in ("missing_p_value", "missing_chance"):
        # A database whose revision was forgotten has them.
        op.add_column("monitor_columns", sa.Column(name, sa.Double()), if_not_exists=True)
