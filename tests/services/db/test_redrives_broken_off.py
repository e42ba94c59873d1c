"""A redrive that is broken off: what may be at the broker goes on under its id, what certainly is not is withdrawn."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import Redrive, begin_redrives
from tests.services.db.acting import begun, keep_five
from workers.redriving import Redriving, _Sending
from workers.runtime.settings import Settings

_NOTHING_MORE_IS_SENT: Any = None


async def _begin(engine: AsyncEngine) -> list[Redrive]:
    async with engine.begin() as connection:
        redrives, _ = await begin_redrives(connection, [1, 2, 3], "bob", again=False)
    return redrives


async def test_only_what_certainly_is_not_at_the_broker_is_withdrawn(engine: AsyncEngine) -> None:
    await keep_five(engine)
    await begun(engine, 1)  # by one that was killed: nobody knows whether it had sent it
    redrives = await _begin(engine)
    unanswered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    unanswered.cancel()
    sending = _Sending(engine, Settings(), _NOTHING_MORE_IS_SENT, "bob", again=False, rate=None, state=Redriving())
    await sending._settle(redrives, {redrives[1].id: unanswered})
    after = await _begin(engine)
    assert [(one.kept.number, one.is_resumed) for one in after] == [(1, True), (2, True), (3, False)]
    assert [one.id for one in after[:2]] == [one.id for one in redrives[:2]]
