"""Which slot publishes a shard, and fencing relays that use a different number of slots (docs/decisions/0034).

A relay reads the number of slots after its own producer is initialised; if it finds earlier numbers, it then fences all
of their producers before it reads positions. So of two relays with different numbers, one is fenced or sees the
other's number.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from db.slots import division, note_fenced
from workers.publishing.producer import producing
from workers.runtime.settings import Settings

CLOSING_SLOT = 0
"""The slot whose relay raises idle shards and writes watermarks, for all slots."""


class AnotherNumber(Exception):
    """The shards are divided among a different number of slots."""


def slot_of(shard: int, number: int) -> int:
    """Return the slot of a shard, out of `number` slots."""
    return shard % number


def transactional_id(settings: Settings, number: int = 1, slot: int = 0) -> str:
    """Return the transactional id of a slot's relay: a producer that starts with it fences its predecessors."""
    name = f"whopays-relay-{settings.topic_prefix}{settings.installation}-"
    return f"{name}{slot}" if number == 1 else f"{name}{number}-{slot}"


async def fence_others(engine: AsyncEngine, settings: Settings, number: int) -> None:
    """Fence all producers of earlier numbers of slots, unless that was done since the number changed.

    Call it after initialising the caller's own producer. Raises AnotherNumber if the slots are not `number`.
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
