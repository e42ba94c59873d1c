"""Taking away what is old, without waiting for it to become old."""

import json
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from db.forgetting import forget_commands
from db.placing import shard_of
from db.published import note_published
from db.shards import all_heads
from tests.support.installations import KEYS
from workers.forgetting import ForgettingCommands
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings

AT_ONCE = 1e-9
"""Days that are over at once."""


async def all_published(engine: AsyncEngine) -> None:
    """Note that all there is in the log is published."""
    async with engine.begin() as connection:
        await note_published(
            connection, {shard: head.position for shard, head in (await all_heads(connection)).items()}
        )


async def forget_old_commands(engine: AsyncEngine, **settings: object) -> None:
    """Forget every command that was answered for good, as the role `maintenance` does."""
    given = Settings(encryption_keys=json.loads(KEYS), keep_commands_days=AT_ONCE).model_copy(update=settings)
    await all_published(engine)
    forgetting = ForgettingCommands(engine, given, Metrics())
    while await forgetting.step():
        pass


async def forget_commands_of(engine: AsyncEngine, organizations: Sequence[str], shards: int = 48) -> None:
    """Forget every command of some organizations that was answered for good."""
    async with engine.begin() as connection:
        until = {shard: head.position for shard, head in (await all_heads(connection)).items()}
        places = {name: shard_of(name, shards) for name in organizations}
        while await forget_commands(connection, places, until, 500):
            pass
