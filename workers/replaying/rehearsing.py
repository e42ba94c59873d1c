"""The dry run of a replay: counts what would be written, and writes nothing."""

from collections.abc import Callable
from contextlib import aclosing

from sqlalchemy.ext.asyncio import AsyncEngine

from db.archive.reading import History
from db.replays import KeptReplay, clock
from schemas.replays import Manifest, ReplayState
from workers.publishing.packing import partition_of
from workers.replaying.how_far import HowFar
from workers.replaying.reading import selected
from workers.replaying.tally import Progress, Tally, manifest_of
from workers.runtime.archive import archive_of
from workers.runtime.settings import Settings


async def dry_run(
    engine: AsyncEngine, settings: Settings, replay: KeptReplay, told: Callable[[Progress], None] = lambda _: None
) -> Manifest:
    """Return the manifest that a replay would have, without writing anything."""
    tally, far = Tally.empty(replay.partitions), HowFar(replay.spans, {})
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        async with aclosing(selected(History(connection, archive_of(settings)), replay, {}, far.read)) as found:
            async for rows in found:
                for row in rows:
                    tally.add(row, partition_of(row.key, row.position, replay.partitions))
                far.written((row.shard, row.position) for row in rows)
                told(Progress(tally.records, far.positions, replay.to_look_at))
        tally.finished_at = await clock(connection)
    return manifest_of(replay, tally, ReplayState.DONE, has_target=False)
