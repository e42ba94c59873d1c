"""Add replays, and index the log by organization (docs/decisions/0022).

A record key begins with the organization on every topic except dead letters, which belong to none. Rows are filled in
page by page; their positions, bytes and hashes do not change.
"""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
oldest_code = "0010"

_PAGE_OF_EACH_SHARD = 2_000
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    connection = op.get_bind()
    report: Callable[[str], None] = context.config.attributes.get("report", lambda _: None)
    op.add_column("log", sa.Column("boundary", sa.Text(collation="C")))
    _fill(connection, report)
    op.create_index(
        "log_by_boundary", "log", ["boundary", "position"], postgresql_where=sa.text("boundary IS NOT NULL")
    )
    op.create_table(
        "replays",
        sa.Column("name", sa.Text(collation="C")),
        sa.Column("selection", postgresql.JSONB, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("target_id", sa.Uuid),
        sa.Column("partitions", sa.Integer, nullable=False),
        sa.Column("asked_partitions", sa.Integer),
        sa.Column("until", _INSTANT, nullable=False),
        sa.Column("available_from", _INSTANT),
        sa.Column("spans", postgresql.JSONB, nullable=False),
        sa.Column("rate", sa.Integer),
        sa.Column("is_detached", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("expires_at", _INSTANT),
        sa.Column("records", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("looked_at", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("begun_at", _INSTANT, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("forgotten_at", _INSTANT),
        sa.Column("manifest", sa.JSON),
        sa.PrimaryKeyConstraint("name", name="replays_pkey"),
        sa.CheckConstraint("state IN ('Running', 'Stopped', 'Failed', 'Done')", name="replays_state_known"),
        sa.CheckConstraint("(state = 'Done') = (manifest IS NOT NULL)", name="replays_done_with_manifest"),
        sa.CheckConstraint("forgotten_at IS NULL OR state = 'Done'", name="replays_forgotten_when_done"),
        comment="Replays by name, for ever: the selection, its fixed end, who works on it (for liveness), its "
        "manifest.",
    )
    op.create_index(
        "replays_by_target", "replays", ["target"], unique=True, postgresql_where=sa.text("forgotten_at IS NULL")
    )


def _fill(connection: sa.Connection, report: Callable[[str], None]) -> None:
    """Fill in the organization of each row, some positions of all shards at a time."""
    highest = connection.execute(sa.text("SELECT coalesce(max(position), 0) FROM shards")).scalar_one()
    for low in range(0, highest + 1, _PAGE_OF_EACH_SHARD):
        connection.execute(_FILL, {"low": low, "high": low + _PAGE_OF_EACH_SHARD})
        if low % (50 * _PAGE_OF_EACH_SHARD) == 0 and low:
            report(f"0010: position {low:,} of {highest:,} in each shard")


_FILL = sa.text(
    """
    UPDATE log SET boundary = split_part(convert_from(key, 'UTF8'), '/', 1)
    WHERE topic <> 'dead-letters' AND key IS NOT NULL
        AND shard IN (SELECT shard FROM shards) AND position >= :low AND position < :high
    """
)
