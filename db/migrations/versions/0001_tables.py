"""Create the tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
oldest_code = "0001"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("organization", sa.Text()),
        sa.Column("account", sa.Text()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("phases", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_instant", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("currency_code", sa.Text(), nullable=True),
        sa.Column("payment_terms", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("preferences", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("payment_profile", sa.Text(), nullable=True),
        sa.Column("holds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("closure", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("phase <> 'Ready' OR activated_at IS NOT NULL", name="accounts_ready_is_activated"),
        sa.CheckConstraint("phase <> 'Ready' OR payment_profile IS NOT NULL", name="accounts_ready_with_profile"),
        sa.CheckConstraint(
            "phase = 'Archived' OR (phase = 'Suspended') = (holds <> '[]'::jsonb)", name="accounts_suspended_by_holds"
        ),
        sa.CheckConstraint(
            "phase IN ('Provisioning', 'Incomplete', 'Ready', 'Suspended', 'Archived')", name="accounts_phase_known"
        ),
        sa.CheckConstraint(
            "phase NOT IN ('Ready', 'Incomplete') OR (currency_code IS NOT NULL AND payment_terms IS NOT NULL)",
            name="accounts_configured_beyond_provisioning",
        ),
        sa.PrimaryKeyConstraint("organization", "account", name="accounts_pkey"),
    )
    op.create_index(
        "accounts_by_payment_profile",
        "accounts",
        ["organization", "payment_profile"],
        unique=False,
        postgresql_where=sa.text("payment_profile IS NOT NULL"),
    )
    op.create_table(
        "bindings",
        sa.Column("organization", sa.Text()),
        sa.Column("project", sa.Text()),
        sa.Column("number", sa.BigInteger()),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("established_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("previous_ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "previous_number",
            sa.BigInteger(),
            sa.Computed("CASE WHEN number > 1 THEN number - 1 END", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "successor_number",
            sa.BigInteger(),
            sa.Computed("CASE WHEN ended_at IS NOT NULL AND NOT released THEN number + 1 END", persisted=True),
            nullable=True,
        ),
        sa.CheckConstraint("(number = 1) = (previous_ended_at IS NULL)", name="bindings_first_has_no_previous"),
        sa.CheckConstraint("NOT released OR ended_at IS NOT NULL", name="bindings_released_is_ended"),
        sa.CheckConstraint("ended_at > established_at", name="bindings_interval_not_empty"),
        sa.CheckConstraint("previous_ended_at <= established_at", name="bindings_follow_the_previous"),
        sa.ForeignKeyConstraint(
            ["organization", "project", "previous_number", "previous_ended_at"],
            ["bindings.organization", "bindings.project", "bindings.number", "bindings.ended_at"],
            name="bindings_touch_the_previous",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["organization", "project", "successor_number", "ended_at"],
            ["bindings.organization", "bindings.project", "bindings.number", "bindings.established_at"],
            name="bindings_superseded_have_a_successor",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("organization", "project", "number", name="bindings_pkey"),
        sa.UniqueConstraint("organization", "project", "number", "ended_at", name="bindings_end"),
        sa.UniqueConstraint("organization", "project", "number", "established_at", name="bindings_beginning"),
        comment="Who pays for a project in [established_at, ended_at); never updated beyond its end, never deleted.",
    )
    op.create_index(
        "bindings_by_account",
        "bindings",
        ["organization", "account", "project"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "bindings_one_payer",
        "bindings",
        ["organization", "project"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text()),
        sa.Column("partition", sa.Integer()),
        sa.Column("offset", sa.BigInteger()),
        sa.Column("timestamp", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("header_names", sa.ARRAY(sa.LargeBinary()), nullable=True),
        sa.Column("header_values", sa.ARRAY(sa.LargeBinary()), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "offset", "timestamp", name="dead_letters_pkey"),
    )
    op.create_table(
        "handled_records",
        sa.Column("topic", sa.Text()),
        sa.Column("partition", sa.Integer()),
        sa.Column("offset", sa.BigInteger()),
        sa.Column("timestamp", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("topic", "partition", "offset", "timestamp", name="handled_records_pkey"),
        comment="Records that were answered without claiming an id; the timestamp tells a re-created topic's apart.",
    )
    op.create_table(
        "inbox",
        sa.Column("organization", sa.Text()),
        sa.Column("source", sa.Text()),
        sa.Column("command_id", sa.Text()),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization", "source", "command_id", name="inbox_pkey"),
        comment="Every command's id, what it meant, and where in the log its result stands.",
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shards", sa.SmallInteger(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("is_only", sa.Boolean(), server_default=sa.text("true")),
        sa.CheckConstraint("is_only", name="installation_is_one"),
        sa.CheckConstraint("shards > 0", name="installation_has_shards"),
        sa.PrimaryKeyConstraint("is_only", name="installation_pkey"),
        comment="One row: what this installation is called, and how many shards it was made with, for ever.",
    )
    op.create_table(
        "log",
        sa.Column("shard", sa.SmallInteger()),
        sa.Column("position", sa.BigInteger()),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("shard", "position", name="log_pkey"),
        comment="Outbox, history and audit trail: append-only, gapless per shard, each hash covers the row before.",
        postgresql_partition_by="RANGE (position)",
    )
    op.create_table(
        "payment_profiles",
        sa.Column("organization", sa.Text()),
        sa.Column("payment_profile", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('Valid', 'Invalid', 'Removed')", name="payment_profiles_state_known"),
        sa.CheckConstraint("version >= 1", name="payment_profiles_version"),
        sa.PrimaryKeyConstraint("organization", "payment_profile", name="payment_profiles_pkey"),
    )
    op.create_table(
        "projects",
        sa.Column("organization", sa.Text()),
        sa.Column("project", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("bindings", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_instant", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('Active', 'Inactive', 'Deleted')", name="projects_state_known"),
        sa.CheckConstraint("version >= 1", name="projects_version"),
        sa.PrimaryKeyConstraint("organization", "project", name="projects_pkey"),
    )
    op.create_table(
        "relay_leases",
        sa.Column("slot", sa.SmallInteger()),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("slot", name="relay_leases_pkey"),
        comment="Which relay works on a slot: for liveness only; Kafka's fencing is what keeps others out.",
    )
    op.create_table(
        "retired_uids",
        sa.Column("organization", sa.Text()),
        sa.Column("project", sa.Text()),
        sa.Column("uid", sa.Text()),
        sa.PrimaryKeyConstraint("organization", "project", "uid", name="retired_uids_pkey"),
        comment="Uids that gave their project's name to another, and never come back.",
    )
    op.create_table(
        "shards",
        sa.Column("shard", sa.SmallInteger()),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), server_default=sa.text("'\\x'::bytea"), nullable=False),
        sa.PrimaryKeyConstraint("shard", name="shards_pkey"),
        comment="The only lock: who holds a shard's row is its single writer. The head of its log.",
    )
    op.create_table(
        "account_phases",
        sa.Column("organization", sa.Text()),
        sa.Column("account", sa.Text()),
        sa.Column("number", sa.Integer()),
        sa.Column("previous_phase", sa.Text(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("caused_by", sa.Text(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(number = 1) = (previous_phase IS NULL)", name="account_phases_first_has_no_previous"),
        sa.CheckConstraint("phase <> previous_phase", name="account_phases_change"),
        sa.ForeignKeyConstraint(
            ["organization", "account"],
            ["accounts.organization", "accounts.account"],
            name="account_phases_of_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("organization", "account", "number", name="account_phases_pkey"),
        comment="The history of each account's phases.",
    )
