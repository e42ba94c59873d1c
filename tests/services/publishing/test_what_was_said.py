"""Which compacted topics must hold something, by the log and how far it is published: asked of real rows."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.driver import fetch
from workers.reconciling import _SAID

_ROWS = ((0, 1, "notices"), (0, 2, "bindings"), (0, 3, "notices"), (1, 2, "accounts"), (2, 1, "command-results"))
_ROW = text("INSERT INTO log VALUES (:shard, :position, now(), :topic, NULL, '', '')")


@pytest.mark.parametrize(
    ("ends", "said"),
    (
        ({0: 3, 1: 2, 2: 1}, {"bindings", "accounts"}),
        ({0: 2, 1: 1}, {"bindings"}),
        ({0: 1, 1: 2}, {"accounts"}),
        ({0: 1, 1: 1, 2: 9}, set()),
        ({2: 9}, set()),
        ({}, set()),
    ),
)
async def test_what_is_in_the_log_as_far_as_it_is_published(
    engine: AsyncEngine, ends: dict[int, int], said: set[str]
) -> None:
    async with engine.connect() as connection:
        for shard, position, topic in _ROWS:
            await connection.execute(_ROW, {"shard": shard, "position": position, "topic": topic})
        found = await fetch(connection, _SAID, shards=list(ends), ends=list(ends.values()))
        assert {row["topic"] for row in found} == said
