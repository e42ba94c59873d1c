"""Complete the tables for the full contract."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
oldest_code = "0002"

_NOBODY = """'{"caused_by": "", "sender": "", "passed_on": {}}'::jsonb"""


def upgrade() -> None:
    op.create_table(
        "account_contacts",
        sa.Column("organization", sa.Text()),
        sa.Column("account", sa.Text()),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization", "account", name="account_contacts_pkey"),
        comment="Contacts, each sealed under a data key of its own; without its wrapped key a contact is erased.",
    )
    op.create_table(
        "fan_outs",
        sa.Column("organization", sa.Text()),
        sa.Column("account", sa.Text()),
        sa.Column("number", sa.Integer()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("instant", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("origin", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("organization", "account", "number", name="fan_outs_pkey"),
        comment="Notices that are yet to be given to the projects bound at an instant, past the name told.",
    )
    op.create_table(
        "organizations",
        sa.Column("organization", sa.Text()),
        sa.Column("default_account", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("organization", name="organizations_pkey"),
        comment="What is chosen for a whole organization.",
    )
    op.create_table(
        "pending_bindings",
        sa.Column("organization", sa.Text()),
        sa.Column("project", sa.Text()),
        sa.Column("number", sa.BigInteger()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("command", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("origin", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("kind IN ('Scheduled', 'Waiting')", name="pending_bindings_kind_known"),
        sa.PrimaryKeyConstraint("organization", "project", "number", name="pending_bindings_pkey"),
        comment="BindProject commands whose final result is yet to come.",
    )
    op.create_index("pending_bindings_by_account", "pending_bindings", ["organization", "account"], unique=False)
    op.create_index("pending_bindings_due", "pending_bindings", ["due_at"], unique=False)
    op.create_index(
        "pending_bindings_one_scheduled",
        "pending_bindings",
        ["organization", "project"],
        unique=True,
        postgresql_where=sa.text("kind = 'Scheduled'"),
    )
    op.add_column("accounts", sa.Column("outstanding", sa.Numeric(precision=24, scale=6), nullable=True))
    op.add_column("accounts", sa.Column("outstanding_currency_code", sa.Text(), nullable=True))
    op.add_column("accounts", sa.Column("outstanding_as_of", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "bindings_ended_by_account",
        "bindings",
        ["organization", "account", "ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.add_column("dead_letters", sa.Column("key_id", sa.Text(), nullable=True))
    op.add_column("dead_letters", sa.Column("wrapped_key", sa.LargeBinary(), nullable=True))
    op.add_column("dead_letters", sa.Column("sealed", sa.LargeBinary(), nullable=True))
    op.create_check_constraint("dead_letters_open_or_sealed", "dead_letters", "value IS NULL OR sealed IS NULL")
    op.create_table_comment(
        "dead_letters",
        "Records that could not be answered, whole; those of the command topic sealed, since they may be personal.",
        existing_comment=None,
        schema=None,
    )
    op.add_column("payment_profiles", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "payment_profiles",
        sa.Column("origin", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default=sa.text(_NOBODY)),
    )
    op.alter_column("payment_profiles", "origin", server_default=None)
    op.execute("UPDATE payment_profiles SET due_at = expires_at WHERE state = 'Valid'")
    op.create_index(
        "payment_profiles_due",
        "payment_profiles",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.add_column(
        "shards",
        sa.Column("last_instant", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
    )
    # From now on all of a shard's subjects share its last instant, which starts from their latest one.
    op.execute(
        """
        UPDATE shards SET last_instant = coalesce(
            greatest((SELECT max(last_instant) FROM accounts), (SELECT max(last_instant) FROM projects)), '-infinity'
        )
        """
    )
    op.drop_column("accounts", "last_instant")
    op.drop_column("projects", "last_instant")
    op.create_table_comment(
        "shards",
        "The only lock: who holds a shard's row is its single writer. The head of its log, and its latest instant.",
        existing_comment="The only lock: who holds a shard's row is its single writer. The head of its log.",
        schema=None,
    )
