"""The log, and how far it has been published."""

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

from db.tables.base import INSTANT, metadata

installation = Table(
    "installation",
    metadata,
    Column("name", Text, nullable=False),
    Column("shards", SmallInteger, nullable=False),
    Column("first_shard", SmallInteger, nullable=False, server_default=text("0")),
    Column("created_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("is_only", Boolean, nullable=False, server_default=text("true")),
    # The head revision of the oldest code that works on these tables (docs/decisions/0033).
    Column("oldest_code", Text),
    PrimaryKeyConstraint("is_only", name="installation_pkey"),
    CheckConstraint("is_only", name="installation_is_one"),
    CheckConstraint("shards > 0", name="installation_has_shards"),
    CheckConstraint("first_shard BETWEEN 0 AND shards - 1", name="installation_uses_shards"),
    # `shards` counts all shards ever, including those before the first in use.
    comment="One row: what this installation is called, and its shards.",
)

shards = Table(
    "shards",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False, server_default=text("0")),
    Column("hash", LargeBinary, nullable=False, server_default=text(r"'\x'::bytea")),
    Column("last_instant", INSTANT, nullable=False, server_default=text("'-infinity'")),
    Column("written_at", INSTANT, nullable=False, server_default=text("'-infinity'")),
    # The position before its first one: not below any position of earlier shards.
    Column("begins_after", BigInteger, nullable=False, server_default=text("0")),
    # When the shard was closed (db/resharding.py); the constraint rejects later writes.
    Column("closed_at", INSTANT),
    PrimaryKeyConstraint("shard", name="shards_pkey"),
    CheckConstraint("closed_at IS NULL OR written_at <= closed_at", name="shards_closed_end"),
    CheckConstraint("position >= begins_after", name="shards_begin"),
    comment="The only lock: who holds a shard's row is its single writer. The head of its log, and its latest instant.",
)

log = Table(
    "log",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("recorded_at", INSTANT, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("boundary", Text(collation="C")),
    # Only for results, and as text: the hash covers it.
    Column("asked", JSON),
    PrimaryKeyConstraint("shard", "position", name="log_pkey"),
    Index("log_by_boundary", "boundary", "position", postgresql_where=text("boundary IS NOT NULL")),
    # For an account's state at a position. Only the accounts' topic, so that a rebinding does not touch it.
    Index("log_by_account", "boundary", "key", "position", postgresql_where=text("topic = 'accounts'")),
    Index(
        "log_by_asker",
        "boundary",
        text("(asked ->> 'person')"),
        "position",
        postgresql_where=text("asked IS NOT NULL"),
    ),
    postgresql_partition_by="RANGE (position)",
    comment="Outbox, history and audit trail: append-only, gapless per shard, each hash covers the row before.",
)

published = Table(
    "published",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("shard", name="published_pkey"),
    comment="How far each log is published at least: positions on Kafka that are less have lost records.",
)

chores = Table(
    "chores",
    metadata,
    Column("chore", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("done_at", INSTANT),
    PrimaryKeyConstraint("chore", name="chores_pkey"),
    comment="Which process does a chore of maintenance (for liveness), and when nothing was left of it to do.",
)

relay_leases = Table(
    "relay_leases",
    metadata,
    Column("slot", SmallInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("slot", name="relay_leases_pkey"),
    comment="Which relay works on a slot: for liveness only; Kafka's fencing is what keeps others out.",
)

relay_slots = Table(
    "relay_slots",
    metadata,
    Column("number", SmallInteger, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("unfenced", ARRAY(SmallInteger), nullable=False),
    Column("is_only", Boolean, nullable=False, server_default=text("true")),
    PrimaryKeyConstraint("is_only", name="relay_slots_pkey"),
    CheckConstraint("is_only", name="relay_slots_is_one"),
    CheckConstraint("number > 0", name="relay_slots_number"),
    comment="Among how many slots relays divide the shards, and earlier numbers whose producers may still publish.",
)

relay_processes = Table(
    "relay_processes",
    metadata,
    Column("owner", Text, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("owner", name="relay_processes_pkey"),
    comment="The processes among which the slots are shared out.",
)
