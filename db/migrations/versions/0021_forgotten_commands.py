"""Keep digests of the commands that retention deletes (docs/decisions/0036).

A forgotten id blocks a new row of `inbox` just as its own row did, and no row can leave `inbox` without an entry here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
oldest_code = "0016"


def upgrade() -> None:
    op.create_table(
        "forgotten_commands",
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="forgotten_commands_pkey"),
        sa.CheckConstraint("octet_length(digest) = 24", name="forgotten_commands_digest_whole"),
        sa.CheckConstraint("octet_length(fingerprint) = 8", name="forgotten_commands_fingerprint_whole"),
        comment="What is left of old commands: a digest of organization, source and id, what it meant, its result.",
    )
    op.create_index("forgotten_commands_by_shard", "forgotten_commands", ["shard"])
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    for statement in _STATEMENTS:
        op.execute(statement.replace("{path}", f"SET search_path = {schema}, pg_temp"))


# The first two thirds are from organization and id, so that an id is found whatever its source.
_DIGEST = """
CREATE FUNCTION command_digest(organization text, source text, command_id text) RETURNS bytea LANGUAGE sql STABLE
RETURN substr(sha256(convert_to(organization, 'UTF8') || '\\x00' || convert_to(command_id, 'UTF8')), 1, 16)
    || substr(sha256(convert_to(organization, 'UTF8') || '\\x00' || convert_to(command_id, 'UTF8') || '\\x00'
        || convert_to(source, 'UTF8')), 1, 8)
"""
# Cached plans must not depend on how large the tables were when a session first called this.
_TAKEN = """
CREATE FUNCTION inbox_ids_are_new() RETURNS trigger LANGUAGE plpgsql {path}
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM claimed JOIN forgotten_commands AS forgotten
            ON forgotten.digest = command_digest(claimed.organization, claimed.source, claimed.command_id)
    ) THEN
        RAISE EXCEPTION 'this violates "forgotten_commands_pkey": the id of a command never gets another meaning'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'forgotten_commands_pkey', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$
"""
_KEPT = """
CREATE FUNCTION inbox_is_kept() RETURNS trigger LANGUAGE plpgsql {path}
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM gone LEFT JOIN forgotten_commands AS forgotten
            ON forgotten.digest = command_digest(gone.organization, gone.source, gone.command_id)
            AND (forgotten.shard, forgotten.position) = (gone.shard, gone.position)
            AND forgotten.fingerprint = substr(gone.fingerprint, 1, 8)
        WHERE forgotten.digest IS NULL
    ) THEN
        RAISE EXCEPTION 'this violates "inbox_is_kept": the id of a command never gets another meaning'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'inbox_is_kept', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$
"""
_STATEMENTS = (
    _DIGEST,
    _TAKEN,
    _KEPT,
    "DROP TRIGGER inbox_is_kept ON inbox",
    """
    CREATE TRIGGER inbox_cannot_be_emptied BEFORE TRUNCATE ON inbox FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_by_name('inbox_is_kept', 'the id of a command never gets another meaning')
    """,
    """
    CREATE TRIGGER inbox_is_kept AFTER DELETE ON inbox REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION inbox_is_kept()
    """,
    """
    CREATE TRIGGER inbox_ids_are_new AFTER INSERT ON inbox REFERENCING NEW TABLE AS claimed FOR EACH STATEMENT
    EXECUTE FUNCTION inbox_ids_are_new()
    """,
    """
    CREATE TRIGGER forgotten_commands_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON forgotten_commands
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_by_name('forgotten_commands_are_kept', 'the id of a command never gets another meaning')
    """,
)
