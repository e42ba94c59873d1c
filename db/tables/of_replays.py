"""Replays: the request, the range of the log, the process that works on it, and the outcome."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.tables.base import INSTANT, metadata

replays = Table(
    "replays",
    metadata,
    Column("name", Text(collation="C"), nullable=False),
    Column("selection", JSONB, nullable=False),
    Column("target", Text, nullable=False),
    Column("target_id", Uuid),
    Column("partitions", Integer, nullable=False),
    Column("asked_partitions", Integer),
    Column("until", INSTANT, nullable=False),
    Column("available_from", INSTANT),
    Column("spans", JSONB, nullable=False),
    Column("rate", Integer),
    Column("is_detached", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("trouble", Text),
    Column("owner", Text),
    Column("expires_at", INSTANT),
    Column("records", BigInteger, nullable=False, server_default=text("0")),
    Column("looked_at", BigInteger, nullable=False, server_default=text("0")),
    Column("begun_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("forgotten_at", INSTANT),
    # JSON, not JSONB: its members stay in the order in which they were written, for people to read.
    Column("manifest", JSON),
    PrimaryKeyConstraint("name", name="replays_pkey"),
    CheckConstraint("state IN ('Running', 'Stopped', 'Failed', 'Done')", name="replays_state_known"),
    CheckConstraint("(state = 'Done') = (manifest IS NOT NULL)", name="replays_done_with_manifest"),
    CheckConstraint("forgotten_at IS NULL OR state = 'Done'", name="replays_forgotten_when_done"),
    Index("replays_by_beginning", "begun_at", "name"),
    Index("replays_by_target", "target", unique=True, postgresql_where=text("forgotten_at IS NULL")),
    comment="Replays by name, for ever: the selection, its fixed end, who works on it (for liveness), its manifest.",
)
