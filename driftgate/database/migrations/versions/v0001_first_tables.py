"""The first tables, and what a database has that is older than revisions: such a database is brought to them.

This page is never changed. A change of the tables is a revision after it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

revision = "0001"
down_revision = None

# The runs of the first releases had the words alone. A row without `pending` is one of theirs.
_GIVE_CODES = sa.text(
    r"""
    UPDATE monitor_runs SET
        held_back_code = CASE
            WHEN held_back LIKE 'the champion was trained on %' THEN 'champion_knows'
            WHEN held_back LIKE '% of the last % runs signals, % needed' THEN 'confirmations'
            WHEN held_back LIKE '% triggered % days before, %' THEN 'cooldown'
        END,
        champion_trained_on = CAST(
            substring(held_back FROM '^the champion was trained on ([0-9]{4}-[0-9]{2}-[0-9]{2}) ') AS date
        ),
        pending = coalesce(performance_state = 'pending', false)
            OR strpos(target_reason, to_char(as_of_cur, 'YYYY-MM-DD') || ': pending, ') > 0
    WHERE pending IS NULL
    """
)

# They measured the AUC alone, in columns of its own.
_GIVE_MEASURES = sa.text(
    """
    UPDATE monitor_runs SET
        performance_measure = 'auc', performance_ref = auc_ref, performance_cur = auc_cur, performance_drop = auc_drop,
        performance_drop_low = auc_drop_low, performance_drop_high = auc_drop_high
    WHERE performance_measure IS NULL AND performance_state IS NOT NULL
    """
)

# They kept the last run of a pair alone; it becomes the first decision of its pair.
_GIVE_DECISIONS = sa.text(
    """
    INSERT INTO monitor_decisions
    SELECT run.monitor, run.as_of_ref, run.as_of_cur, 1, run.decided_at, run.decided_at, NULL, run.verdict,
        to_jsonb(array_remove(run.held_back_code || ARRAY(
            SELECT signal ->> 'name'
            FROM jsonb_array_elements(coalesce(run.record -> 'signals', '[]')) signal
            WHERE (signal ->> 'reached')::boolean
        ), NULL)),
        coalesce(run.record -> 'performance' -> 'passed_over' ->> 'version', run.champion_version),
        run.champion_trained_on, run.record
    FROM monitor_runs run
    WHERE NOT EXISTS (
        SELECT FROM monitor_decisions known
        WHERE (known.monitor, known.as_of_ref, known.as_of_cur) = (run.monitor, run.as_of_ref, run.as_of_cur)
    )
    ON CONFLICT DO NOTHING
    """
)


def upgrade() -> None:
    """Make the tables; of those that are there keep the rows, and give them the columns and values that they lack."""
    present = sa.inspect(op.get_bind()).get_table_names()
    if "predictions" in present:
        _rename_key()
    for name, items in _tables().items():
        if name in present:
            _complete(name, items)
        else:
            op.create_table(name, *items)
    op.create_index("predictions_by_time", "predictions", ["time"], if_not_exists=True)
    if "monitor_runs" in present:
        for statement in (_GIVE_CODES, _GIVE_MEASURES, _GIVE_DECISIONS):
            op.execute(statement)


def _rename_key() -> None:
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("predictions")}
    if "entity_key" not in columns:
        op.alter_column("predictions", "user_id", new_column_name="entity_key")


def _complete(table: str, items: Sequence[SchemaItem]) -> None:
    """Add the columns that a table lacks, without a value in its rows, and allow NULL where it may be."""
    known = {column["name"]: column for column in sa.inspect(op.get_bind()).get_columns(table)}
    for column in items:
        if not isinstance(column, sa.Column):
            continue
        if column.name not in known:
            op.add_column(table, sa.Column(column.name, column.type, comment=column.comment))
        elif column.nullable and not known[column.name]["nullable"]:
            op.alter_column(table, column.name, nullable=True)


def _tables() -> dict[str, list[SchemaItem]]:
    """Columns and constraints of each table, in an order in which they can be made."""
    return {
        "feast_applied": [
            sa.Column("project", sa.Text(), nullable=False),
            sa.Column("repo", sa.Text(), nullable=False),
            sa.Column("fingerprint", sa.Text(), nullable=False),
            sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("project"),
        ],
        "feast_descriptions": [
            sa.Column("repo", sa.Text(), nullable=False),
            sa.Column("fingerprint", sa.Text(), nullable=False),
            sa.Column("description", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("repo"),
        ],
        "monitor_decisions": [
            sa.Column("monitor", sa.Text(), nullable=False),
            sa.Column("as_of_ref", sa.Date(), nullable=False),
            sa.Column("as_of_cur", sa.Date(), nullable=False),
            sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
            sa.Column("verdict", sa.Text(), nullable=False),
            sa.Column("reason_codes", JSONB(), nullable=False),
            sa.Column("champion_version", sa.Text()),
            sa.Column("champion_trained_on", sa.Date()),
            sa.Column("record", JSONB(), nullable=False),
            sa.PrimaryKeyConstraint("monitor", "as_of_ref", "as_of_cur", "number"),
        ],
        "monitor_runs": [
            sa.Column("monitor", sa.Text(), nullable=False),
            sa.Column("as_of_ref", sa.Date(), nullable=False),
            sa.Column("as_of_cur", sa.Date(), nullable=False),
            sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("verdict", sa.Text(), nullable=False),
            sa.Column("reasons", JSONB(), nullable=False),
            sa.Column("drift_share", sa.Double(), nullable=False),
            sa.Column("threshold", sa.Double(), nullable=False),
            sa.Column("drifted_features", sa.Integer(), nullable=False),
            sa.Column("declared_features", sa.Integer(), nullable=False),
            sa.Column("target_ref", sa.Double()),
            sa.Column("target_cur", sa.Double()),
            sa.Column("target_drift", sa.Double()),
            sa.Column("target_threshold", sa.Double()),
            sa.Column("target_reason", sa.Text(), nullable=False),
            sa.Column("rows_ref", sa.Integer(), nullable=False),
            sa.Column("rows_cur", sa.Integer(), nullable=False),
            sa.Column("compared_rows_ref", sa.Integer(), nullable=False),
            sa.Column("compared_rows_cur", sa.Integer(), nullable=False),
            sa.Column("report_html", sa.Text(), nullable=False),
            sa.Column("report_json", sa.Text(), nullable=False),
            sa.Column("record", JSONB(), nullable=False),
            sa.Column("signalled", sa.Boolean()),
            sa.Column("held_back", sa.Text()),
            sa.Column("retrain", sa.Text()),
            sa.Column("labelled_share_ref", sa.Double()),
            sa.Column("labelled_share_cur", sa.Double()),
            sa.Column("performance_state", sa.Text()),
            sa.Column("performance_reason", sa.Text()),
            sa.Column("performance_threshold", sa.Double()),
            sa.Column("champion_version", sa.Text()),
            sa.Column("auc_ref", sa.Double()),
            sa.Column("auc_cur", sa.Double()),
            sa.Column("auc_drop", sa.Double()),
            sa.Column("auc_drop_low", sa.Double()),
            sa.Column("auc_drop_high", sa.Double()),
            sa.Column("prediction_score", sa.Double()),
            sa.Column("prediction_drifted", sa.Boolean()),
            sa.Column("held_back_code", sa.Text()),
            sa.Column("champion_trained_on", sa.Date()),
            sa.Column("pending", sa.Boolean()),
            sa.Column("gain", sa.Double()),
            sa.Column("gain_low", sa.Double()),
            sa.Column("gain_high", sa.Double()),
            sa.Column("no_gain_code", sa.Text()),
            sa.Column("performance_measure", sa.Text()),
            sa.Column("performance_ref", sa.Double()),
            sa.Column("performance_cur", sa.Double()),
            sa.Column("performance_drop", sa.Double()),
            sa.Column("performance_drop_low", sa.Double()),
            sa.Column("performance_drop_high", sa.Double()),
            sa.Column("target_in_spreads", sa.Double()),
            sa.Column("drop_by_entities", sa.Double()),
            sa.Column("drop_by_meaning", sa.Double()),
            sa.PrimaryKeyConstraint("monitor", "as_of_ref", "as_of_cur"),
        ],
        "online_views": [
            sa.Column("project", sa.Text(), nullable=False),
            sa.Column("view", sa.Text(), nullable=False),
            sa.Column("as_of", sa.Date(), nullable=False),
            sa.Column("users", sa.Integer(), nullable=False),
            sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("project", "view"),
        ],
        "prediction_monitoring": [
            sa.Column("batch_id", sa.Uuid(), nullable=False),
            sa.Column("time", sa.DateTime(timezone=True), nullable=False),
            sa.Column("as_of", sa.Date(), nullable=False),
            sa.Column("model_version", sa.Text(), nullable=False),
            sa.Column("count", sa.Integer(), nullable=False),
            sa.Column("mean", sa.Double(), nullable=False),
            sa.Column("p05", sa.Double(), nullable=False),
            sa.Column("p50", sa.Double(), nullable=False),
            sa.Column("p95", sa.Double(), nullable=False),
            sa.Column("positive_share", sa.Double(), comment="of a boolean label"),
            sa.PrimaryKeyConstraint("batch_id"),
        ],
        "predictions": [
            sa.Column("prediction_id", sa.Uuid(), nullable=False),
            sa.Column("time", sa.DateTime(timezone=True), nullable=False),
            sa.Column("source", sa.Text(), nullable=False, comment="api or batch"),
            sa.Column("entity_key", sa.Text(), nullable=False),
            sa.Column("prediction", sa.Integer(), comment="of a boolean label, 0 or 1"),
            sa.Column("probability", sa.Double(), comment="of 1, or of the predicted class; of a numeric label none"),
            sa.Column("model_version", sa.Text(), nullable=False),
            sa.Column("as_of", sa.Date(), comment="of a batch"),
            sa.Column("request_id", sa.Text(), comment="of the API"),
            sa.Column("features", JSONB(), comment="as served by the API"),
            sa.Column("predicted_value", sa.Double(), comment="of a numeric label"),
            sa.Column("predicted_class", sa.Text(), comment="of a categorical label"),
            sa.PrimaryKeyConstraint("prediction_id"),
        ],
        "profile_grids": [
            sa.Column("monitor", sa.Text(), nullable=False),
            sa.Column("version", sa.Integer(), nullable=False),
            sa.Column("grid", sa.Text(), nullable=False),
            sa.Column("digest", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("monitor", "version"),
        ],
        "monitor_columns": [
            sa.Column("monitor", sa.Text(), nullable=False),
            sa.Column("as_of_ref", sa.Date(), nullable=False),
            sa.Column("as_of_cur", sa.Date(), nullable=False),
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column("view", sa.Text(), nullable=False),
            sa.Column("dtype", sa.Text(), nullable=False),
            sa.Column("state", sa.Text(), nullable=False),
            sa.Column("detail", sa.Text(), nullable=False),
            sa.Column("method", sa.Text(), nullable=False),
            sa.Column("score", sa.Double()),
            sa.Column("threshold", sa.Double()),
            sa.Column("drifted", sa.Boolean(), nullable=False),
            sa.Column("drifted_by", sa.Text(), nullable=False),
            sa.Column("values_ref", sa.Integer(), nullable=False),
            sa.Column("values_cur", sa.Integer(), nullable=False),
            sa.Column("missing_share_ref", sa.Double()),
            sa.Column("missing_share_cur", sa.Double()),
            sa.Column("missing_share_change", sa.Double()),
            sa.Column("corrected_score", sa.Double()),
            sa.Column("p_value", sa.Double()),
            sa.Column("chance", sa.Double()),
            sa.ForeignKeyConstraint(
                ["monitor", "as_of_ref", "as_of_cur"],
                ["monitor_runs.monitor", "monitor_runs.as_of_ref", "monitor_runs.as_of_cur"],
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint("monitor", "as_of_ref", "as_of_cur", "name"),
        ],
        "month_profiles": [
            sa.Column("monitor", sa.Text(), nullable=False),
            sa.Column("as_of", sa.Date(), nullable=False),
            sa.Column("grid_version", sa.Integer()),
            sa.Column("measured_from", JSONB(), nullable=False),
            sa.Column("profile", sa.LargeBinary(), nullable=False),
            sa.Column("profile_digest", sa.Text(), nullable=False),
            sa.Column("sample", sa.LargeBinary(), nullable=False),
            sa.Column("sample_digest", sa.Text(), nullable=False),
            sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
            sa.ForeignKeyConstraint(["monitor", "grid_version"], ["profile_grids.monitor", "profile_grids.version"]),
            sa.PrimaryKeyConstraint("monitor", "as_of"),
        ],
    }
