"""A replay begins once all before its end is said: whoever waits for that is told so, once, and holds up nobody."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.replays import clock
from schemas.replays import Selection
from tests.services.replaying.meanwhile import left_open
from workers.replaying import beginning
from workers.replaying.beginning import ReplayRequest, plan
from workers.replaying.refusal import ReplayRefused
from workers.runtime.settings import Settings


async def test_whoever_waits_is_told_once_until_when(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "_LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(beginning, "_LOOK_AGAIN_SECONDS", 0.0)
    told: list[tuple[datetime, int]] = []

    def waits(until: datetime) -> None:
        told.append((until, left_open(engine, "is_over")))

    async with engine.connect() as connection:
        until = await clock(connection) + timedelta(seconds=0.3)
        with pytest.raises(ReplayRefused, match="yet, only up to an unknown instant"):
            await plan(engine, Settings(), ReplayRequest("waits", Selection(until=until)), waits)
        assert await clock(connection) > until, "its patience begins at an end that is ahead"
    assert told == [(until, 0)]
    with pytest.raises(ReplayRefused, match="The log is not closed up to now yet"):
        await plan(engine, Settings(), ReplayRequest("waits", Selection()), waits)
    assert len(told) == 1
