"""Tables about organizations: accounts, payment profiles, projects, who pays, and what is pending.

Every key starts with the organization.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.tables.base import INSTANT, metadata

# Byte order, as the rules compare names: a fan-out remembers the last name it notified.
_NAME_IN_BYTE_ORDER = Text(collation="C")

accounts = Table(
    "accounts",
    metadata,
    Column("organization", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("phases", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("phase", Text, nullable=False),
    Column("conditions", JSONB, nullable=False),
    Column("display_name", Text),
    Column("currency_code", Text),
    Column("payment_terms", JSONB),
    Column("preferences", JSONB),
    Column("payment_profile", Text),
    Column("holds", JSONB, nullable=False),
    Column("closure", JSONB),
    Column("activated_at", INSTANT),
    Column("outstanding", Numeric(24, 6)),
    Column("outstanding_currency_code", Text),
    Column("outstanding_as_of", INSTANT),
    PrimaryKeyConstraint("organization", "account", name="accounts_pkey"),
    CheckConstraint(
        "phase IN ('Provisioning', 'Incomplete', 'Ready', 'Suspended', 'Archived')", name="accounts_phase_known"
    ),
    CheckConstraint(
        "phase NOT IN ('Ready', 'Incomplete') OR (currency_code IS NOT NULL AND payment_terms IS NOT NULL)",
        name="accounts_configured_beyond_provisioning",
    ),
    CheckConstraint("phase <> 'Ready' OR payment_profile IS NOT NULL", name="accounts_ready_with_profile"),
    CheckConstraint("phase <> 'Ready' OR activated_at IS NOT NULL", name="accounts_ready_is_activated"),
    CheckConstraint(
        "phase = 'Archived' OR (phase = 'Suspended') = (holds <> '[]'::jsonb)", name="accounts_suspended_by_holds"
    ),
    Index(
        "accounts_by_payment_profile",
        "organization",
        "payment_profile",
        postgresql_where=text("payment_profile IS NOT NULL"),
    ),
    # Names in byte order here (migration 0012): the column itself has the server's collation.
    Index("accounts_by_phase", "organization", "phase", "account"),
)

organizations = Table(
    "organizations",
    metadata,
    Column("organization", Text, nullable=False),
    Column("default_account", Text),
    PrimaryKeyConstraint("organization", name="organizations_pkey"),
    comment="What is chosen for a whole organization.",
)

account_contacts = Table(
    "account_contacts",
    metadata,
    Column("organization", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("wrapped_key", LargeBinary),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("organization", "account", name="account_contacts_pkey"),
    comment="Contacts, each sealed under a data key of its own; without its wrapped key a contact is erased.",
)

account_phases = Table(
    "account_phases",
    metadata,
    Column("organization", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("previous_phase", Text),
    Column("phase", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("caused_by", Text, nullable=False),
    Column("entered_at", INSTANT, nullable=False),
    # The place of its event; may be unknown for phases older than migration 0012.
    Column("shard", SmallInteger),
    Column("position", BigInteger),
    PrimaryKeyConstraint("organization", "account", "number", name="account_phases_pkey"),
    ForeignKeyConstraint(
        ["organization", "account"],
        ["accounts.organization", "accounts.account"],
        name="account_phases_of_account",
        deferrable=True,
        initially="DEFERRED",
    ),
    CheckConstraint("(number = 1) = (previous_phase IS NULL)", name="account_phases_first_has_no_previous"),
    CheckConstraint("phase <> previous_phase", name="account_phases_change"),
    comment="The history of each account's phases.",
)

payment_profiles = Table(
    "payment_profiles",
    metadata,
    Column("organization", Text, nullable=False),
    Column("payment_profile", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("reference", Text),
    Column("country", Text),
    Column("expires_at", INSTANT),
    Column("reason", Text),
    Column("due_at", INSTANT),
    Column("origin", JSONB, nullable=False),
    PrimaryKeyConstraint("organization", "payment_profile", name="payment_profiles_pkey"),
    CheckConstraint("state IN ('Valid', 'Invalid', 'Removed')", name="payment_profiles_state_known"),
    CheckConstraint("version >= 1", name="payment_profiles_version"),
    Index("payment_profiles_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
)

projects = Table(
    "projects",
    metadata,
    Column("organization", Text, nullable=False),
    Column("project", _NAME_IN_BYTE_ORDER, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("uid", Text),
    Column("display_name", Text),
    # From its last binding: only the database itself can write these four (migration 0008).
    Column("number", BigInteger, nullable=False, server_default=text("0")),
    Column("account", Text),
    Column("payer_since", INSTANT),
    Column("legacy_id", Text),
    PrimaryKeyConstraint("organization", "project", name="projects_pkey"),
    CheckConstraint("state IN ('Active', 'Inactive', 'Deleted')", name="projects_state_known"),
    CheckConstraint("version >= 1", name="projects_version"),
    Index("projects_by_account", "organization", "account", "project", postgresql_where=text("account IS NOT NULL")),
    # Partial indexes, which a rebinding does not touch.
    Index(
        "projects_unbound",
        "organization",
        "project",
        postgresql_where=text("account IS NULL AND state <> 'Deleted'"),
    ),
    Index("projects_inactive", "organization", "project", postgresql_where=text("state = 'Inactive'")),
    Index("projects_deleted", "organization", "project", postgresql_where=text("state = 'Deleted'")),
    comment="Projects as last reported, and who pays for each now: account since payer_since, or nobody.",
)

retired_uids = Table(
    "retired_uids",
    metadata,
    Column("organization", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("uid", Text, nullable=False),
    PrimaryKeyConstraint("organization", "project", "uid", name="retired_uids_pkey"),
    comment="Uids that gave their project's name to another, and never come back.",
)

bindings = Table(
    "bindings",
    metadata,
    Column("organization", Text, nullable=False),
    Column("project", _NAME_IN_BYTE_ORDER, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("account", Text),
    Column("from_instant", INSTANT, nullable=False),
    Column("legacy_id", Text),
    PrimaryKeyConstraint("organization", "project", "number", name="bindings_pkey"),
    CheckConstraint("number > 1 OR account IS NOT NULL", name="bindings_first_has_a_payer"),
    CheckConstraint("number >= 1", name="bindings_number_from_one"),
    # A trigger checks what must hold between rows (migration 0008): the number is the next one, the instant is later,
    # the payer differs, the account exists. It also moves the head of the project.
    Index("bindings_by_account", "organization", "account", "project", "number"),
    comment="Changes of payer, append-only: account pays (or nobody) from from_instant until the next number begins.",
)

former_payers = Table(
    "former_payers",
    metadata,
    Column("organization", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("last_ended_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("organization", "account", name="former_payers_pkey"),
    comment="Accounts of which a binding has ended, and when the latest that ended did.",
)

pending_bindings = Table(
    "pending_bindings",
    metadata,
    Column("organization", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("account", Text, nullable=False),
    Column("command", JSONB, nullable=False),
    Column("source", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("origin", JSONB, nullable=False),
    PrimaryKeyConstraint("organization", "project", "number", name="pending_bindings_pkey"),
    CheckConstraint("kind IN ('Scheduled', 'Waiting')", name="pending_bindings_kind_known"),
    Index(
        "pending_bindings_one_scheduled",
        "organization",
        "project",
        unique=True,
        postgresql_where=text("kind = 'Scheduled'"),
    ),
    Index("pending_bindings_by_account", "organization", "account"),
    Index("pending_bindings_due", "due_at"),
    comment="BindProject commands whose final result is yet to come.",
)

fan_outs = Table(
    "fan_outs",
    metadata,
    Column("organization", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("instant", INSTANT, nullable=False),
    Column("told", Text, nullable=False),
    Column("origin", JSONB, nullable=False),
    PrimaryKeyConstraint("organization", "account", "number", name="fan_outs_pkey"),
    comment="Notices that are yet to be given to the projects bound at an instant, past the name told.",
)
