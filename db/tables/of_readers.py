"""Which organizations' rows each bound reader sees, beyond PostgreSQL's own privileges."""

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text

from db.tables.base import metadata

bound_readers = Table(
    "bound_readers",
    metadata,
    Column("reader", Text, nullable=False),
    Column("organization", Text, nullable=False),
    PrimaryKeyConstraint("reader", "organization", name="bound_readers_pkey"),
    comment="Which organizations a bound reader sees, by the name of the role that logs in.",
)
