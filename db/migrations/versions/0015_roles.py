"""Let roles with few privileges add partitions of the log and move projects' heads through functions.

Both run with the rights of the tables' owner, so that workers neither own the log nor write a project's payer.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
oldest_code = "0014"


def upgrade() -> None:
    op.create_table(
        "bound_readers",
        sa.Column("reader", sa.Text()),
        sa.Column("organization", sa.Text()),
        sa.PrimaryKeyConstraint("reader", "organization", name="bound_readers_pkey"),
        comment="Which organizations a bound reader sees, by the name of the role that logs in.",
    )
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    # The session's temporary objects come last: they could otherwise shadow a table.
    path = f"SET search_path = {schema}, pg_temp"
    op.execute(_ENSURE_PARTITIONS.format(path=path))
    op.execute("REVOKE ALL ON FUNCTION ensure_log_partitions() FROM PUBLIC")
    op.execute(f"ALTER FUNCTION bindings_move_heads() SECURITY DEFINER {path}")


_ENSURE_PARTITIONS = """
CREATE FUNCTION ensure_log_partitions() RETURNS void LANGUAGE plpgsql SECURITY DEFINER {path} AS $$
DECLARE
    positions CONSTANT bigint := 1000000;
    in_use bigint;
    number bigint;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(131290429681511);
    SELECT max(position) / positions INTO STRICT in_use FROM shards;
    FOREACH number IN ARRAY ARRAY[in_use, in_use + 1] LOOP
        name := 'log_p' || number;
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE log INCLUDING ALL)', name);
            EXECUTE format(
                'ALTER TABLE log ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                name, number * positions, (number + 1) * positions
            );
        END IF;
    END LOOP;
END
$$
"""
