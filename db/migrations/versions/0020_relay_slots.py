"""Store how many slots relays divide the shards into, and which processes share them (docs/decisions/0034)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0020"
down_revision = "0019"
oldest_code = "0016"


def upgrade() -> None:
    op.create_table(
        "relay_slots",
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("unfenced", ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("is_only", sa.Boolean(), server_default=sa.text("true")),
        sa.PrimaryKeyConstraint("is_only", name="relay_slots_pkey"),
        sa.CheckConstraint("is_only", name="relay_slots_is_one"),
        sa.CheckConstraint("number > 0", name="relay_slots_number"),
        comment="Among how many slots relays divide the shards, and earlier numbers whose producers may still publish.",
    )
    op.execute("INSERT INTO relay_slots (number, change, unfenced) VALUES (1, 0, '{}')")
    op.create_table(
        "relay_processes",
        sa.Column("owner", sa.Text()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="relay_processes_pkey"),
        comment="The processes among which the slots are shared out.",
    )
