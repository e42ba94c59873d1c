"""Payers that touch are checked once a statement instead of once a row (docs/decisions/0010).

The two deferred foreign keys took half of the time of a commit. What they held, triggers hold over all rows of a
statement at once; the columns and indexes that only the keys needed go with them.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
oldest_code = "0005"

_REFUSE = """
    RAISE EXCEPTION 'binding %/%/% violates "{name}": {words}', wrong.organization, wrong.project, wrong.number
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{name}', TABLE = 'bindings';
"""

# Names as keys would have, so that what refuses is told by the same means.
_CHECK = f"""
CREATE FUNCTION bindings_touch() RETURNS trigger LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE wrong record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT changed.* INTO wrong FROM changed
        WHERE changed.number > 1 AND NOT EXISTS (
            SELECT FROM bindings AS previous
            WHERE (previous.organization, previous.project, previous.number)
                = (changed.organization, changed.project, changed.number - 1)
                AND previous.ended_at = changed.previous_ended_at
        ) LIMIT 1;
        IF FOUND THEN {_REFUSE.format(name="bindings_touch_the_previous", words="the one before did not end so")}
        END IF;
    END IF;
    SELECT changed.* INTO wrong FROM changed
    LEFT JOIN bindings AS next ON (next.organization, next.project, next.number)
        = (changed.organization, changed.project, changed.number + 1)
    WHERE next.number IS NOT NULL AND next.previous_ended_at IS DISTINCT FROM changed.ended_at LIMIT 1;
    IF FOUND THEN {_REFUSE.format(name="bindings_touch_the_previous", words="the one after begins from another end")}
    END IF;
    SELECT changed.* INTO wrong FROM changed
    LEFT JOIN bindings AS next ON (next.organization, next.project, next.number)
        = (changed.organization, changed.project, changed.number + 1)
    WHERE changed.ended_at IS NOT NULL AND NOT changed.released
        AND next.established_at IS DISTINCT FROM changed.ended_at LIMIT 1;
    IF FOUND THEN {_REFUSE.format(name="bindings_superseded_have_a_successor", words="nobody pays from its end")}
    END IF;
    RETURN NULL;
END
$$
"""
_REFUSE_CHANGE = """
CREATE FUNCTION bindings_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'this violates "bindings_only_end": of a binding nothing but its end is set, and none is deleted'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'bindings_only_end', TABLE = 'bindings';
END
$$
"""


def upgrade() -> None:
    op.drop_constraint("bindings_touch_the_previous", "bindings")
    op.drop_constraint("bindings_superseded_have_a_successor", "bindings")
    op.drop_constraint("bindings_end", "bindings")
    op.drop_constraint("bindings_beginning", "bindings")
    op.drop_column("bindings", "previous_number")
    op.drop_column("bindings", "successor_number")
    op.execute(_CHECK)
    op.execute(_REFUSE_CHANGE)
    for change in ("INSERT", "UPDATE"):
        op.execute(
            f"CREATE TRIGGER bindings_touch_after_{change.lower()} AFTER {change} ON bindings "
            "REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bindings_touch()"
        )
    op.execute(
        "CREATE TRIGGER bindings_only_end BEFORE DELETE OR UPDATE OF organization, project, number, account, "
        "established_at, previous_ended_at ON bindings FOR EACH STATEMENT EXECUTE FUNCTION bindings_refuse_change()"
    )
    # Rows that are updated again and again stay on their page, and their indexes as they are.
    op.execute("ALTER TABLE projects SET (fillfactor = 80)")
    op.execute("ALTER TABLE shards SET (fillfactor = 50)")
