"""Make the payer a column of the project, and `bindings` an append-only list of changes (docs/decisions/0014).

Both tables are rewritten in one pass over the old ones, a page of rows at a time. A project's changes are numbered from
1, releases included. Bindings keep the ids under which they were published. If rows break a promise, the migration is
refused with examples.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.util import await_only

from db.migrations.payers_of_0008 import Payers
from db.refusal import BrokenPromises

revision = "0008"
down_revision = "0007"
oldest_code = "0008"

_PAGE = 10_000
_REPORT_EVERY = 100_000
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    connection = op.get_bind()
    report: Callable[[str], None] = context.config.attributes.get("report", lambda _: None)
    connection.execute(sa.text("LOCK TABLE bindings, projects, accounts IN ACCESS EXCLUSIVE MODE"))
    op.rename_table("bindings", "bindings_before")
    op.rename_table("projects", "projects_before")
    _create_tables()
    _copy_payers(connection, report)
    _copy_projects_without_payers(connection)
    op.execute(
        """
        INSERT INTO former_payers
        SELECT organization, account, max(ended_at) FROM bindings_before WHERE ended_at IS NOT NULL GROUP BY 1, 2
        """
    )
    op.drop_table("bindings_before")
    op.drop_table("projects_before")
    # Left in databases that stopped at 0005 to 0007 for a while.
    op.execute("DROP FUNCTION IF EXISTS bindings_touch, bindings_refuse_change")
    _create_keys()
    for statement in (_REFUSE, _MOVE_HEADS, *_TRIGGERS):
        op.execute(statement)
    op.execute("ANALYZE projects, bindings, former_payers")


def _create_tables() -> None:
    op.create_table(
        "projects",
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("project", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("uid", sa.Text),
        sa.Column("display_name", sa.Text),
        sa.Column("number", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("account", sa.Text),
        sa.Column("payer_since", _INSTANT),
        sa.Column("legacy_id", sa.Text),
        sa.CheckConstraint("state IN ('Active', 'Inactive', 'Deleted')", name="projects_state_known"),
        sa.CheckConstraint("version >= 1", name="projects_version"),
        comment="Projects as last reported, and who pays for each now: account since payer_since, or nobody.",
    )
    # Rows that are updated repeatedly.
    op.execute("ALTER TABLE projects SET (fillfactor = 80)")
    op.create_table(
        "bindings",
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("project", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("account", sa.Text),
        sa.Column("from_instant", _INSTANT, nullable=False),
        sa.Column("legacy_id", sa.Text),
        sa.CheckConstraint("number > 1 OR account IS NOT NULL", name="bindings_first_has_a_payer"),
        sa.CheckConstraint("number >= 1", name="bindings_number_from_one"),
        comment="Changes of payer, append-only: account pays (or nobody) from from_instant until the next number "
        "begins.",
    )
    op.create_table(
        "former_payers",
        sa.Column("organization", sa.Text),
        sa.Column("account", sa.Text),
        sa.Column("last_ended_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("organization", "account", name="former_payers_pkey"),
        comment="Accounts of which a binding has ended, and when the latest that ended did.",
    )
    op.execute("ALTER TABLE former_payers SET (fillfactor = 50)")


def _create_keys() -> None:
    op.create_primary_key("projects_pkey", "projects", ["organization", "project"])
    op.create_index(
        "projects_by_account",
        "projects",
        ["organization", "account", "project"],
        postgresql_where=sa.text("account IS NOT NULL"),
    )
    op.create_primary_key("bindings_pkey", "bindings", ["organization", "project", "number"])
    op.create_index("bindings_by_account", "bindings", ["organization", "account", "project", "number"])


def _copy_payers(connection: sa.Connection, report: Callable[[str], None]) -> None:
    """Write all changes of payer, and the projects that had any. Raises BrokenPromises."""
    expected = connection.execute(sa.text("SELECT count(*) FROM bindings_before")).scalar_one()
    payers, read = Payers(), 0
    connection.execute(_BINDINGS)
    while page := connection.execute(sa.text(f"FETCH {_PAGE} FROM old_bindings")).all():
        payers.hear(page)
        _write(connection, payers)
        read += len(page)
        if read % _REPORT_EVERY < len(page):
            report(f"0008: {read:,} of {expected:,} bindings")
    if read:
        report(f"0008: all {read:,} bindings; building the indexes")
    connection.execute(sa.text("CLOSE old_bindings"))
    payers.end()
    _write(connection, payers)
    if payers.broken:
        raise BrokenPromises(
            f"The bindings of {payers.broken:,} projects break a promise, so the tables were left unchanged: "
            f"{'; '.join(payers.examples)}. Run whopays verify of the previous version, and repair what it reports."
        )


def _write(connection: sa.Connection, payers: Payers) -> None:
    driver: Any = connection.connection.driver_connection
    await_only(driver.copy_records_to_table("bindings", records=payers.changes))
    await_only(driver.copy_records_to_table("projects", records=payers.heads))
    payers.changes.clear()
    payers.heads.clear()


def _copy_projects_without_payers(connection: sa.Connection) -> None:
    connection.execute(_NEVER_PAID)
    for what, statement in _NOT_KEPT.items():
        found = connection.execute(statement).all()
        if found:
            names = ", ".join("/".join(row) for row in found)
            raise BrokenPromises(f"{what}: {names}. The tables were left unchanged.")


_BINDINGS = sa.text(
    """
    DECLARE old_bindings CURSOR FOR
    SELECT bindings.organization, bindings.project, bindings.number, account, established_at, ended_at, released,
        state, version, uid, display_name, bindings, sequence
    FROM bindings_before AS bindings LEFT JOIN projects_before AS projects
        ON projects.organization = bindings.organization
        -- In the order that the index of the old projects has, or each binding would scan them all.
        AND projects.project = bindings.project COLLATE "default"
    ORDER BY bindings.organization, bindings.project, bindings.number
    """
)
_NEVER_PAID = sa.text(
    """
    INSERT INTO projects (organization, project, state, version, uid, display_name)
    SELECT organization, project, state, version, uid, display_name FROM projects_before
    WHERE (bindings, sequence) = (0, 0)
    """
)
_NOT_KEPT = {
    "These projects count changes of payer, but have no bindings": sa.text(
        """
        SELECT organization, project FROM projects_before WHERE (bindings, sequence) <> (0, 0) AND NOT EXISTS (
            SELECT FROM bindings_before AS kept
            WHERE (kept.organization, kept.project) = (projects_before.organization, projects_before.project)
        ) LIMIT 5
        """
    ),
    "These accounts pay, or paid, but are missing": sa.text(
        """
        SELECT organization, account FROM (SELECT DISTINCT organization, account FROM bindings_before) AS named
        WHERE NOT EXISTS (
            SELECT FROM accounts
            WHERE (accounts.organization, accounts.account) = (named.organization, named.account)
        ) LIMIT 5
        """
    ),
}

# Constraints between rows. `refuse_by_name` also serves the other triggers whose errors need their own names.
_REFUSE = """
CREATE FUNCTION refuse_by_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'this violates "%": %', TG_ARGV[0], TG_ARGV[1]
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;
END
$$
"""
_MOVE_HEADS = """
CREATE FUNCTION bindings_move_heads() RETURNS trigger LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    wrong record;
    expected bigint;
    moved bigint;
BEGIN
    SELECT changed.organization, changed.project, changed.number, CASE
            WHEN changed.number > 1 AND previous.number IS NULL THEN 'bindings_number_follows'
            WHEN previous.from_instant >= changed.from_instant THEN 'bindings_begin_later'
            ELSE 'bindings_change_the_payer'
        END AS promise
    INTO wrong FROM changed
    LEFT JOIN bindings AS previous ON (previous.organization, previous.project, previous.number)
        = (changed.organization, changed.project, changed.number - 1)
    WHERE changed.number > 1 AND (
        previous.from_instant < changed.from_instant AND previous.account IS DISTINCT FROM changed.account
    ) IS NOT TRUE
    LIMIT 1;
    IF NOT FOUND THEN
        SELECT named.organization, named.project, named.number, 'bindings_of_a_known_account' AS promise INTO wrong
        FROM (
            SELECT organization, account, min(project) AS project, min(number) AS number FROM changed
            WHERE account IS NOT NULL GROUP BY organization, account
        ) AS named
        LEFT JOIN accounts USING (organization, account) WHERE accounts.phase IS NULL
        LIMIT 1;
    END IF;
    IF NOT FOUND THEN
        WITH last AS MATERIALIZED (
            SELECT DISTINCT ON (organization, project) *, count(*) OVER (PARTITION BY organization, project) AS steps
            FROM changed ORDER BY organization, project, number DESC
        ), headed AS (
            UPDATE projects SET number = last.number, account = last.account, payer_since = last.from_instant,
                legacy_id = last.legacy_id
            FROM last
            WHERE (projects.organization, projects.project) = (last.organization, last.project)
                AND projects.number + last.steps = last.number
            RETURNING projects.project
        )
        SELECT (SELECT count(*) FROM last), (SELECT count(*) FROM headed) INTO expected, moved;
        IF moved = expected THEN
            RETURN NULL;
        END IF;
        SELECT changed.organization, changed.project, changed.number, 'bindings_follow_the_head' AS promise
        INTO wrong FROM changed LEFT JOIN projects USING (organization, project)
        WHERE (projects.number >= changed.number) IS NOT TRUE
        LIMIT 1;
    END IF;
    RAISE EXCEPTION 'binding %/%/% violates "%"', wrong.organization, wrong.project, wrong.number, wrong.promise
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = wrong.promise, TABLE = 'bindings';
END
$$
"""
_TRIGGERS = (
    """
    CREATE TRIGGER bindings_move_heads AFTER INSERT ON bindings
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bindings_move_heads()
    """,
    """
    CREATE TRIGGER bindings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bindings FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_by_name('bindings_append_only', 'no binding is ever updated or deleted')
    """,
    """
    CREATE TRIGGER projects_begin_without_payer BEFORE INSERT ON projects FOR EACH ROW
    WHEN (NEW.number <> 0 OR NEW.account IS NOT NULL OR NEW.payer_since IS NOT NULL OR NEW.legacy_id IS NOT NULL)
    EXECUTE FUNCTION refuse_by_name('projects_head_is_last_binding', 'who pays follows from the bindings')
    """,
    # Only the trigger above moves heads: its updates come from within a trigger, at depth 1.
    """
    CREATE TRIGGER projects_head_is_last_binding BEFORE UPDATE OF number, account, payer_since, legacy_id ON projects
    FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION refuse_by_name('projects_head_is_last_binding', 'who pays follows from the bindings')
    """,
    """
    CREATE TRIGGER projects_are_kept BEFORE DELETE OR TRUNCATE OR UPDATE OF organization, project ON projects
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_by_name('projects_are_kept', 'its bindings name a project for ever')
    """,
    """
    CREATE TRIGGER accounts_are_kept BEFORE DELETE OR TRUNCATE OR UPDATE OF organization, account ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_by_name('accounts_are_kept', 'bindings name an account for ever')
    """,
    # Old partitions of the log may be detached; the hashes reveal any other change.
    """
    CREATE TRIGGER log_is_kept BEFORE TRUNCATE ON log FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_by_name('log_is_kept', 'what was published stays in the log')
    """,
    """
    CREATE TRIGGER inbox_is_kept BEFORE DELETE OR TRUNCATE ON inbox FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_by_name('inbox_is_kept', 'the id of a command never gets another meaning')
    """,
    """
    CREATE TRIGGER account_phases_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account_phases FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_by_name('account_phases_append_only', 'the history of an account is never changed')
    """,
)
