"""Tables about the input: topics, reading positions, claimed commands and dead letters; and about audits."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from db.tables.base import INSTANT, metadata

_IN_BYTE_ORDER = Text(collation="C")

inbox = Table(
    "inbox",
    metadata,
    Column("organization", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    # From that result; may be unknown for commands older than migration 0012.
    Column("outcome", _IN_BYTE_ORDER),
    Column("project", _IN_BYTE_ORDER),
    Column("account", _IN_BYTE_ORDER),
    PrimaryKeyConstraint("organization", "source", "command_id", name="inbox_pkey"),
    Index("inbox_by_outcome", "organization", "outcome", "position"),
    Index(
        "inbox_by_project",
        "organization",
        "project",
        "outcome",
        "position",
        postgresql_where=text("project IS NOT NULL"),
    ),
    Index(
        "inbox_by_account",
        "organization",
        "account",
        "outcome",
        "position",
        postgresql_where=text("account IS NOT NULL"),
    ),
    comment="Every command's id, what it meant, and where in the log its result stands.",
)

forgotten_commands = Table(
    "forgotten_commands",
    metadata,
    Column("position", BigInteger, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    # 16 bytes from organization and id, then 8 from these and the source (the database's function command_digest).
    Column("digest", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    PrimaryKeyConstraint("digest", name="forgotten_commands_pkey"),
    CheckConstraint("octet_length(digest) = 24", name="forgotten_commands_digest_whole"),
    CheckConstraint("octet_length(fingerprint) = 8", name="forgotten_commands_fingerprint_whole"),
    # For audits, which go shard by shard.
    Index("forgotten_commands_by_shard", "shard"),
    comment="What is left of old commands: a digest of organization, source and id, what it meant, its result.",
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

read_ahead = Table(
    "read_ahead",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("last_offset", BigInteger, nullable=False),
    Column("offsets", ARRAY(BigInteger), nullable=False),
    PrimaryKeyConstraint("topic", "partition", "last_offset", name="read_ahead_pkey"),
    comment="Which records are decided before an earlier one of their partition, until all before them are.",
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
    Column("organization", Text),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary),
    # The place of its event; may be unknown for dead letters older than migration 0011.
    Column("shard", SmallInteger),
    Column("position", BigInteger),
    # The first dead letter that its record was redriven from, if any.
    Column("origin", BigInteger),
    # The sender and its rights, or that it is unknown; sealed with the value.
    Column("asker", LargeBinary),
    PrimaryKeyConstraint("topic", "partition", "offset", "timestamp", name="dead_letters_pkey"),
    UniqueConstraint("number", name="dead_letters_number_key"),
    CheckConstraint("value IS NULL OR sealed IS NULL", name="dead_letters_open_or_sealed"),
    CheckConstraint("asker IS NULL OR wrapped_key IS NOT NULL", name="dead_letters_asker_is_sealed"),
    CheckConstraint("origin < number", name="dead_letters_origin_before"),
    Index("dead_letters_by_organization", "organization", "number"),
    Index("dead_letters_by_position", "shard", "position"),
    Index("dead_letters_by_topic", "topic", "number"),
    Index("dead_letters_by_reason", "reason", "number"),
    comment="Records that could not be answered, whole; those of the command topic sealed, since they may be personal.",
)

dead_letter_actions = Table(
    "dead_letter_actions",
    metadata,
    Column("number", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("reason", Text),
    Column("redrive_id", Uuid),
    Column("sent_at", INSTANT),
    # The record's place; the timestamp is set once a worker has read it there.
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("timestamp", INSTANT),
    PrimaryKeyConstraint("number", "ordinal", name="dead_letter_actions_pkey"),
    ForeignKeyConstraint(["number"], ["dead_letters.number"], name="dead_letter_actions_of_dead_letter"),
    UniqueConstraint("redrive_id", name="dead_letter_actions_redrive_id_key"),
    CheckConstraint("ordinal >= 1", name="dead_letter_actions_ordinal_from_one"),
    CheckConstraint(
        "CASE action WHEN 'Redriven' THEN reason IS NULL AND redrive_id IS NOT NULL WHEN 'Discarded' THEN reason "
        "IS NOT NULL AND redrive_id IS NULL AND sent_at IS NULL AND partition IS NULL ELSE false END",
        name="dead_letter_actions_known",
    ),
    CheckConstraint(
        '(partition IS NULL) = ("offset" IS NULL) AND (timestamp IS NULL OR partition IS NOT NULL) '
        "AND (partition IS NULL OR sent_at IS NOT NULL)",
        name="dead_letter_actions_place",
    ),
    comment="Who redrove or discarded which dead letter; a redriven record is known by its redrive_id, and taken once.",
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

last_audit = Table(
    "last_audit",
    metadata,
    Column("begun_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("promises", ARRAY(Text), nullable=False),
    Column("findings", ARRAY(Integer), nullable=False),
    Column("is_only", Boolean, nullable=False, server_default=text("true")),
    PrimaryKeyConstraint("is_only", name="last_audit_pkey"),
    CheckConstraint("is_only", name="last_audit_is_one"),
    comment="At most one row: the last whole audit, the events that were there when it began, and its findings.",
)
