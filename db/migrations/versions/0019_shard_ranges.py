"""Allow the number of shards to change: those in use are closed, and new ones follow them.

A closed shard keeps its log for ever, and a constraint rejects further writes. Earlier code does not know a second
range: `whopays reshard` records that such code no longer works on the tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
oldest_code = "0016"


def upgrade() -> None:
    op.add_column("installation", sa.Column("first_shard", sa.SmallInteger(), server_default="0", nullable=False))
    op.create_check_constraint("installation_uses_shards", "installation", "first_shard BETWEEN 0 AND shards - 1")
    op.execute("COMMENT ON TABLE installation IS 'One row: what this installation is called, and its shards.'")
    op.add_column("shards", sa.Column("begins_after", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("shards", sa.Column("closed_at", sa.DateTime(timezone=True)))
    op.create_check_constraint("shards_closed_end", "shards", "closed_at IS NULL OR written_at <= closed_at")
    op.create_check_constraint("shards_begin", "shards", "position >= begins_after")
