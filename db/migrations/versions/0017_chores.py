"""Store which process does which maintenance chore, and when it was last done (workers/maintenance.py)."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
oldest_code = "0016"


def upgrade() -> None:
    op.create_table(
        "chores",
        sa.Column("chore", sa.Text()),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("chore", name="chores_pkey"),
        comment="Which process does a chore of maintenance (for liveness), and when nothing was left of it to do.",
    )
