"""A redrive that is broken off: what may be at the broker goes on under its id, what certainly is not is withdrawn."""

import asyncio
from typing import Any

from aiokafka.structs import RecordMetadata, TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import Redrive, begin_redrives
from tests.services.db.acting import begun, keep_five
from workers.redriving import Put, Redriving, _Sending
from workers.runtime.settings import Settings

_NOTHING_MORE_IS_SENT: Any = None
_THERE = RecordMetadata("billing.projects", 0, TopicPartition("billing.projects", 0), 33, 0, 0, 0)


async def _begin(engine: AsyncEngine) -> list[Redrive]:
    async with engine.begin() as connection:
        redrives, _ = await begin_redrives(connection, [1, 2, 3, 4], "bob", again=False)
    return redrives


async def test_only_what_certainly_is_not_at_the_broker_is_withdrawn(engine: AsyncEngine) -> None:
    await keep_five(engine)
    await begun(engine, 1)  # by one that was killed: nobody knows whether it had sent it
    redrives = await _begin(engine)
    loop, state = asyncio.get_running_loop(), Redriving()
    unanswered: asyncio.Future[Any] = loop.create_future()
    unanswered.cancel()
    answered: asyncio.Future[Any] = loop.create_future()
    loop.call_soon(answered.set_result, _THERE)
    sending = _Sending(engine, Settings(), _NOTHING_MORE_IS_SENT, "bob", again=False, rate=None, state=state)
    await sending._settle(redrives, {redrives[1].id: unanswered, redrives[2].id: answered})
    assert state.put == [Put(3, "billing.projects/0/33", is_resumed=False)]
    after = await _begin(engine)
    assert [(one.kept.number, one.is_resumed) for one in after] == [(1, True), (2, True), (4, False)]
    assert [one.id for one in after[:2]] == [one.id for one in redrives[:2]]
