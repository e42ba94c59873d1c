"""The first position that is kept of an organization: where its shards changed, only what is lost counts."""

from itertools import product

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.driver import driver
from db.following import first_kept_position

_OLD = {0: (0, 0, []), 1: (0, 5, [3, 4, 5]), 2: (0, 5, [1, 2, 3, 4, 5]), 3: (0, 5, [])}
"""Shards that were there from the beginning: where they begin, their head, and which positions are kept."""
_LATER = {4: (9, 9, []), 5: (9, 12, [10, 11, 12]), 6: (9, 12, [11, 12]), 7: (9, 12, [])}
_FIRST = {0: 1, 1: 3, 2: 1, 3: 6, 4: 1, 5: 1, 6: 11, 7: 13}


async def test_what_is_kept_begins_after_what_is_lost(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for shard, (begins_after, head, positions) in (_OLD | _LATER).items():
            values = {"shard": shard, "begins_after": begins_after, "position": head}
            await connection.execute(_HEAD, values)
            for position in positions:
                await connection.execute(_ROW, {"shard": shard, "position": position})
        asking = await driver(connection)
        for old, later in product(_OLD, _LATER):
            assert await first_kept_position(asking, [old]) == _FIRST[old]
            assert await first_kept_position(asking, [old, later]) == max(_FIRST[old], _FIRST[later]), (old, later)


_HEAD = text("UPDATE shards SET begins_after = :begins_after, position = :position WHERE shard = :shard")
_ROW = text("INSERT INTO log VALUES (:shard, :position, now(), 'notices', NULL, '', '')")
