"""A replay's tally as stored in Kafka, in the same transactions as the records."""

from schemas.topics import Topic
from workers.publishing.positions import committed
from workers.replaying.tally import Tally
from workers.runtime.settings import Settings


async def read_tally(settings: Settings, name: str) -> Tally | None:
    """Return the committed tally of a replay; None before its first transaction. Raises PositionsUnreadable."""
    key, value = name.encode(), None
    async with committed(settings, settings.topic(Topic.REPLAY_POSITIONS)) as records:
        async for record in records:
            value = record.value if record.key == key else value
    return Tally.read(value) if value else None
