"""Separate the instant of a shard's last write from its last instant (docs/decisions/0021).

Until now, the last instant showed whether another process had written; now the relay raises it without a write.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
oldest_code = "0009"


def upgrade() -> None:
    op.add_column(
        "shards",
        sa.Column("written_at", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
    )
    # All rows are updated once a second: free space in their pages allows HOT updates.
    op.execute("ALTER TABLE shards SET (fillfactor = 20)")
