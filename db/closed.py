"""The closed instant of a shard, as SQL (`db.closing`)."""

CLOSED_INSTANT = """
    nullif(
        CASE WHEN shards.position <= coalesce(published.position, shards.begins_after) THEN shards.last_instant
        ELSE (
            SELECT log.recorded_at - interval '1 microsecond' FROM log
            WHERE log.shard = shards.shard AND log.position = coalesce(published.position, shards.begins_after) + 1
        ) END, '-infinity')
"""
"""The closed instant of a row of `shards LEFT JOIN published USING (shard)`; null if it is not known."""
