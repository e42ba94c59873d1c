"""Store reading positions of the input topics' partitions with the decisions (docs/decisions/0013).

There are no rows yet: a worker that finds none reads from the beginning, which does not change earlier decisions.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
oldest_code = "0007"


def upgrade() -> None:
    op.create_table(
        "reading_positions",
        sa.Column("topic", sa.Text),
        sa.Column("partition", sa.Integer),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="reading_positions_pkey"),
        comment="How far each partition was read: all before the next offset is decided, in the same transactions.",
    )
