"""The log that the benchmark of replays makes by SQL holds what the published schemas say."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.replaying import fill
from tests.support.contract_files import check_published
from workers.runtime.settings import Settings


async def test_its_events_are_as_their_schemas_say(engine: AsyncEngine) -> None:
    await fill(engine, Settings().shards, 1_500, 1_200)
    async with engine.connect() as connection:
        found = (await connection.execute(text("SELECT value FROM log"))).scalars().all()
    assert len(found) == 1_500
    for value in found:
        check_published(value)
