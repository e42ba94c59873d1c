"""A replay begins once all before its end is said: whoever waits for that is told so, once."""

from datetime import datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.replays import clock
from schemas.replays import Selection
from workers.replaying import beginning
from workers.replaying.beginning import _end
from workers.replaying.refusal import ReplayRefused


async def test_whoever_waits_is_told_once_until_when(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "_LONGEST_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(beginning, "_LOOK_AGAIN_SECONDS", 0.0)
    told: list[datetime] = []
    async with engine.connect() as connection:
        until = await clock(connection)
        with pytest.raises(ReplayRefused, match="is said yet, only until nobody knows when"):
            await _end(connection, Selection(until=until), told.append)
        assert told == [until]
        with pytest.raises(ReplayRefused, match="Not everything before now is said yet"):
            await _end(connection, Selection(), told.append)
    assert told == [until]
