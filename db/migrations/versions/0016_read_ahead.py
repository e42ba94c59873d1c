"""Store which records are decided ahead of earlier ones of another organization (docs/decisions/0030)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0016"
down_revision = "0015"
oldest_code = "0016"


def upgrade() -> None:
    op.create_table(
        "read_ahead",
        sa.Column("topic", sa.Text()),
        sa.Column("partition", sa.Integer()),
        sa.Column("last_offset", sa.BigInteger()),
        sa.Column("offsets", ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "last_offset", name="read_ahead_pkey"),
        comment="Which records are decided before an earlier one of their partition, until all before them are.",
    )
