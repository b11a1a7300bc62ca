"""The table of loads that have not ended.

Of loads before it nothing is known, so it begins empty. The page is short because the change is.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "unfinished_loads",
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("as_of"),
        # A database whose revision was forgotten has it.
        if_not_exists=True,
    )
