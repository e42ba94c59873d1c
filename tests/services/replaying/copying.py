"""What replays read of, copied from an installation in which much was said into a database of a test's own."""

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.closing import closed_until
from db.log import PARTITION_POSITIONS, ensure_partitions
from db.tables import of_organizations, of_the_log
from tests.services.replaying.reference import Logged
from tests.services.replaying.telling import close
from tests.support.installations import Installation

_COPIED = (
    of_the_log.log, of_the_log.shards, of_the_log.published, of_organizations.projects, of_organizations.accounts,
)  # fmt: skip


async def copied(told: Installation, engine: AsyncEngine) -> list[Logged]:
    """Copy what replays read of; return the rows of the log, half of which are at the end of its first partition."""
    await close(told)
    async with told.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        rows = {table: [dict(row) for row in (await connection.execute(select(table))).mappings()] for table in _COPIED}
        said = text("SELECT shard AS s, position AS p, CAST(asked AS text) AS asked FROM log")
        asked = [dict(row) for row in (await connection.execute(said)).mappings()]
    async with engine.begin() as connection:
        # Without what else the tables refer to.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table, of_it in rows.items():
            await connection.execute(delete(table))
            if of_it:
                await connection.execute(insert(table), of_it)
        # As text: their hashes cover it.
        await connection.execute(
            text("UPDATE log SET asked = CAST(:asked AS json) WHERE (shard, position) = (:s, :p)"), asked
        )
        lasts = {row["shard"]: row["position"] for row in rows[of_the_log.shards] if row["position"]}
        for table in (of_the_log.shards, of_the_log.log, of_the_log.published):
            for shard, last in lasts.items():
                moved = update(table).where(table.c.shard == shard)
                by = PARTITION_POSITIONS - (last + 1) // 2
                await connection.execute(moved.values(position=table.c.position + by))
            await ensure_partitions(connection)
        assert await closed_until(connection) is not None
    async with engine.connect() as connection:
        found = text("SELECT shard, position, key, value FROM log ORDER BY shard, position")
        return [Logged(*row) for row in await connection.execute(found)]
