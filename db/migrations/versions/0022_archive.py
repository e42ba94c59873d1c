"""Record what is archived of the log, and add the function that removes archived partitions.

It runs with the rights of the tables' owner and itself checks whether every row may be removed, so that no other role
needs the right to drop a part of the log (docs/decisions/0032-the-archive.md).
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
oldest_code = "0021"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "archived_log",
        sa.Column("shard", sa.SmallInteger()),
        sa.Column("first_position", sa.BigInteger(), nullable=False),
        sa.Column("last_position", sa.BigInteger()),
        sa.Column("first_instant", instant, nullable=False),
        sa.Column("last_instant", instant, nullable=False),
        sa.Column("hash_before", sa.LargeBinary()),
        sa.Column("last_hash", sa.LargeBinary(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("index_size", sa.BigInteger(), nullable=False),
        sa.Column("index_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("manifest_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("archived_at", instant, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.PrimaryKeyConstraint("shard", "last_position", name="archived_log_pkey"),
        sa.CheckConstraint("first_position <= last_position", name="archived_log_has_rows"),
        comment="Rows of the log that are in files of the archive and no longer in the table, a file to a row.",
    )
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(_ARCHIVE_PARTITION.format(path=f"SET search_path = {schema}, pg_temp"))
    op.execute("REVOKE ALL ON FUNCTION archive_log_partition(bigint, jsonb) FROM PUBLIC")


_ARCHIVE_PARTITION = """
CREATE FUNCTION archive_log_partition(number bigint, parts jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER {path} AS $$
DECLARE
    positions CONSTANT bigint := 1000000;
    most_left CONSTANT bigint := 50000;
    lowest CONSTANT bigint := number * positions;
    beyond CONSTANT bigint := lowest + positions;
    name CONSTANT text := 'log_p' || number;
    former CONSTANT text := name || '_archived';
    part record;
    begins bigint;
    staying smallint[];
    count_left bigint;
BEGIN
    LOCK TABLE log IN ACCESS EXCLUSIVE MODE;
    FOR part IN SELECT * FROM jsonb_to_recordset(parts) AS one(
        shard smallint, first_position bigint, last_position bigint, last_hash bytea
    ) LOOP
        SELECT coalesce(max(archived.last_position) + 1, (
            SELECT log.position FROM log WHERE log.shard = part.shard ORDER BY log.position LIMIT 1
        )) INTO begins FROM archived_log AS archived WHERE archived.shard = part.shard;
        IF part.first_position IS DISTINCT FROM begins OR part.first_position < lowest
            OR part.last_position IS DISTINCT FROM (
                SELECT CASE WHEN closed_at IS NULL THEN beyond - 1 ELSE least(beyond - 1, shards.position) END
                FROM shards WHERE shards.shard = part.shard
            ) THEN
            RAISE EXCEPTION 'of shard %, the log goes on at %: % to % is not what % holds',
                part.shard, begins, part.first_position, part.last_position, name;
        END IF;
        IF NOT EXISTS (
            SELECT FROM published JOIN shards USING (shard) WHERE published.shard = part.shard
                AND published.position >= least(beyond, CASE WHEN closed_at IS NOT NULL THEN shards.position END)
        ) THEN
            RAISE EXCEPTION 'shard % is not published beyond %', part.shard, name;
        END IF;
        IF NOT EXISTS (
            SELECT FROM log WHERE log.shard = part.shard AND log.position = part.last_position
                AND log.hash = part.last_hash
        ) THEN
            RAISE EXCEPTION 'shard %: the archive does not end with the row that % ends with', part.shard, name;
        END IF;
    END LOOP;
    INSERT INTO archived_log (
        shard, first_position, last_position, first_instant, last_instant, hash_before, last_hash, file, size, sha256,
        index_size, index_sha256, manifest, manifest_sha256
    ) SELECT * FROM jsonb_to_recordset(parts) AS one(
        shard smallint, first_position bigint, last_position bigint, first_instant timestamptz,
        last_instant timestamptz, hash_before bytea, last_hash bytea, file text, size bigint, sha256 bytea,
        index_size bigint, index_sha256 bytea, manifest text, manifest_sha256 bytea
    );
    -- Shards that have not come to the end of the partition go on in it.
    SELECT array_agg(shards.shard) INTO staying FROM shards LEFT JOIN LATERAL (
        SELECT max(archived.last_position) AS position FROM archived_log AS archived
        WHERE archived.shard = shards.shard
    ) AS gone ON true
    WHERE closed_at IS NULL AND shards.position < beyond - 1 OR EXISTS (
        SELECT FROM log WHERE log.shard = shards.shard AND log.position >= lowest AND log.position < beyond
            AND log.position > coalesce(gone.position, 0)
    );
    EXECUTE format('ALTER TABLE log DETACH PARTITION %I', name);
    IF staying IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name, former);
        EXECUTE format('CREATE TABLE %I (LIKE log INCLUDING ALL)', name);
        EXECUTE format(
            'INSERT INTO %I SELECT * FROM %I WHERE shard = ANY($1) LIMIT $2', name, former
        ) USING staying, most_left + 1;
        GET DIAGNOSTICS count_left = ROW_COUNT;
        IF count_left > most_left THEN
            RAISE EXCEPTION 'more than % rows of % are of shards that go on in it', most_left, name;
        END IF;
        EXECUTE format('ALTER TABLE log ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, lowest, beyond);
        EXECUTE format('DROP TABLE %I', former);
    ELSE
        EXECUTE format('DROP TABLE %I', name);
    END IF;
END
$$
"""
