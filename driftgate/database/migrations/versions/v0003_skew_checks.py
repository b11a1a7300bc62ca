"""The table of checks: what each check of the features that are served found.

Earlier checks were not kept. The page is short because the change is.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "skew_checks",
        sa.Column("monitor", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("entities", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("sources", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "as_of", "checked_at"),
        # A database whose revision was forgotten has it.
        if_not_exists=True,
    )
