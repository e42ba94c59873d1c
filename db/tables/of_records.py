"""Tables about what was read: from where, how far, what it meant, and what could not be answered."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from db.tables.base import INSTANT, metadata

inbox = Table(
    "inbox",
    metadata,
    Column("organization", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization", "source", "command_id", name="inbox_pkey"),
    comment="Every command's id, what it meant, and where in the log its result stands.",
)

handled_records = Table(
    "handled_records",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("timestamp", INSTANT, nullable=False),
    PrimaryKeyConstraint("topic", "partition", "offset", "timestamp", name="handled_records_pkey"),
    comment="Records that were answered without claiming an id; the timestamp tells a re-created topic's apart.",
)

reading_positions = Table(
    "reading_positions",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("topic", "partition", name="reading_positions_pkey"),
    comment="How far each partition was read: all before the next offset is decided, in the same transactions.",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("timestamp", INSTANT, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("key", LargeBinary),
    Column("header_names", ARRAY(LargeBinary)),
    Column("header_values", ARRAY(LargeBinary)),
    Column("value", LargeBinary),
    Column("key_id", Text),
    Column("wrapped_key", LargeBinary),
    Column("sealed", LargeBinary),
    Column("recorded_at", INSTANT, nullable=False),
    Column("redriven_at", INSTANT),
    PrimaryKeyConstraint("topic", "partition", "offset", "timestamp", name="dead_letters_pkey"),
    CheckConstraint("value IS NULL OR sealed IS NULL", name="dead_letters_open_or_sealed"),
    Index("dead_letters_by_number", "number"),
    comment="Records that could not be answered, whole; those of the command topic sealed, since they may be personal.",
)

known_topics = Table(
    "known_topics",
    metadata,
    Column("topic", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("cluster", Text),
    Column("topic_id", Uuid),
    Column("partitions", Integer, nullable=False),
    Column("noted_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    PrimaryKeyConstraint("topic", name="known_topics_pkey"),
    comment="The topics as they were when a process first worked with them: what changed is refused at its start.",
)
