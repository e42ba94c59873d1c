"""Which parts of the log are in the archive."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

from db.tables.base import INSTANT, metadata

archived_log = Table(
    "archived_log",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("first_instant", INSTANT, nullable=False),
    Column("last_instant", INSTANT, nullable=False),
    # The hash of the row before; null if that row was removed from the log before the archive existed.
    Column("hash_before", LargeBinary),
    Column("last_hash", LargeBinary, nullable=False),
    Column("file", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("index_size", BigInteger, nullable=False),
    Column("index_sha256", LargeBinary, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("manifest_sha256", LargeBinary, nullable=False),
    Column("archived_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    PrimaryKeyConstraint("shard", "last_position", name="archived_log_pkey"),
    CheckConstraint("first_position <= last_position", name="archived_log_has_rows"),
    comment="Rows of the log that are in files of the archive and no longer in the table, a file to a row.",
)
