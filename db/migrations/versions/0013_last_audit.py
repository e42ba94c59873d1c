"""Store the verdict of the last audit."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
oldest_code = "0012"


def upgrade() -> None:
    op.create_table(
        "last_audit",
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("promises", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("findings", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("is_only", sa.Boolean(), server_default=sa.text("true")),
        sa.PrimaryKeyConstraint("is_only", name="last_audit_pkey"),
        sa.CheckConstraint("is_only", name="last_audit_is_one"),
        comment="At most one row: the last whole audit, the events that were there when it began, and its findings.",
    )
