"""Which slot publishes a shard, and keeping relays of another number of slots out (docs/decisions/0034).

A relay looks at the number of slots after its own producer is initialised, and whoever finds older numbers fences all
of their producers after that, before it reads positions. So of two relays of different numbers one is fenced, or finds
the other's number.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from db.slots import division, note_fenced
from workers.publishing.producer import producing
from workers.runtime.settings import Settings

CLOSING_SLOT = 0
"""The slot whose relay raises idle shards and writes watermarks, for all slots."""


class AnotherNumber(Exception):
    """The shards are divided among another number of slots."""


def slot_of(shard: int, number: int) -> int:
    """Return the slot of a shard, of so many slots."""
    return shard % number


def transactional_id(settings: Settings, number: int = 1, slot: int = 0) -> str:
    """Return the name under which one relay of a slot writes to Kafka: whoever starts with it fences the others."""
    name = f"whopays-relay-{settings.topic_prefix}{settings.installation}-"
    return f"{name}{slot}" if number == 1 else f"{name}{number}-{slot}"


async def fence_others(engine: AsyncEngine, settings: Settings, number: int) -> None:
    """Fence all producers of earlier numbers of slots, unless that was done since the number changed.

    To be called once one's own producer is initialised. Raises AnotherNumber where so many are not the slots.
    """
    async with engine.connect() as connection:
        found = await division(connection)
    if found.number != number:
        raise AnotherNumber(f"the shards are divided among {found.number} slots, not {number}")
    earlier = sorted(found.unfenced - {number})
    if not earlier:
        return
    for other in earlier:
        for slot in range(other):
            async with producing(settings, transactional_id(settings, other, slot)):
                pass
    async with engine.begin() as connection:
        await note_fenced(connection, found.change)
