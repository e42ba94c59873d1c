"""Store the topics that the installation works with, and a lower bound of what is published."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
oldest_code = "0006"


def upgrade() -> None:
    op.create_table(
        "known_topics",
        sa.Column("topic", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=True),
        sa.Column("topic_id", sa.Uuid(), nullable=True),
        sa.Column("partitions", sa.Integer(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("topic", name="known_topics_pkey"),
        comment="The topics as they were when a process first worked with them: what changed is refused at its start.",
    )
    op.create_table(
        "published",
        sa.Column("shard", sa.SmallInteger()),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", name="published_pkey"),
        comment="How far each log is published at least: positions on Kafka that are less have lost records.",
    )
    # A few rows, rewritten every second.
    op.execute("ALTER TABLE published SET (fillfactor = 50)")
