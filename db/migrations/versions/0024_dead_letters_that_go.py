"""Add the function that deletes dead letters that were dealt with, once the archive has their events.

It runs with the rights of the tables' owner and itself checks whether each may be deleted, so that no other role needs
the right to delete dead letters (docs/decisions/0038-dead-letters-go-with-their-events.md).
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0022"
oldest_code = "0021"


def upgrade() -> None:
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(_FORGET_DEAD_LETTERS.format(path=f"SET search_path = {schema}, pg_temp"))
    op.execute("REVOKE ALL ON FUNCTION forget_dead_letters(bigint[]) FROM PUBLIC")


_FORGET_DEAD_LETTERS = """
CREATE FUNCTION forget_dead_letters(numbers bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER {path} AS $$
DECLARE
    going bigint[];
BEGIN
    SELECT array_agg(found.number) INTO going FROM (
        SELECT letter.number FROM dead_letters AS letter
        WHERE letter.number = ANY(numbers) AND letter.key IS NULL AND letter.header_names IS NULL
            AND letter.value IS NULL AND letter.wrapped_key IS NULL
            AND letter.position <= (
                SELECT archived.last_position FROM archived_log AS archived WHERE archived.shard = letter.shard
                ORDER BY archived.last_position DESC LIMIT 1
            )
            AND EXISTS (SELECT FROM dead_letter_actions AS action WHERE action.number = letter.number)
            AND NOT EXISTS (
                SELECT FROM dead_letter_actions AS action
                WHERE action.number = letter.number AND action.action = 'Redriven' AND action.timestamp IS NULL
            )
        FOR UPDATE SKIP LOCKED
    ) AS found;
    DELETE FROM dead_letter_actions WHERE number = ANY(going);
    DELETE FROM dead_letters WHERE number = ANY(going);
    RETURN coalesce(cardinality(going), 0);
END
$$
"""
