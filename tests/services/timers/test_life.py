"""Timers as their process sees them: alive, begun, asleep while nothing is due; and ended by what no wait mends."""

import asyncio
import math
import time

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from db import load
from domain import notices
from tests.services.timers.keeping import Keeper
from tests.services.timers.test_instants import schedule
from tests.support.saying import suspend
from tests.support.waiting import patience, until
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.timers import Timers

_LOOKS = 100


async def test_they_work_without_a_pause_and_then_sleep(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((load, "AT_ONCE"), (notices, "AT_ONCE"), (load, "FAN_OUT_PAGE")):
        monkeypatch.setattr(module, name, 2)
    keeper.settings = keeper.settings.model_copy(update={"timers_poll_seconds": 3600.0})
    await keeper.establish(["a", "b"], [f"p{number}" for number in range(7)], payer="a")
    at = await keeper.instant("0.05 seconds")
    await keeper.hear(schedule("p1", "b", "scheduled", at), suspend("a", "stop"))
    await keeper.past(at)
    metrics, taken = Metrics([Role.TIMERS]), []
    since = time.monotonic()

    async def is_alive() -> bool:
        heartbeat = metrics.registry.get_sample_value(
            "whopays_role_heartbeat_timestamp_seconds", {"role": str(Role.TIMERS)}
        )
        return bool(heartbeat)

    async with keeper.timers(metrics=metrics):
        await keeper.nothing_left()
        await until(is_alive, "a sign of life")
        assert metrics.turns.waiting_to_begin() == []
        assert metrics.turns.hanging(time.monotonic() - since) == []
        overdue = metrics.registry.get_sample_value("whopays_timers_overdue_seconds")
        assert overdue is not None
        assert not math.isnan(overdue), "it was looked at"
        async with keeper.engine.connect() as connection:
            event.listen(keeper.engine.sync_engine.pool, "checkout", lambda *_: taken.append(1))
            for _ in range(_LOOKS):
                await connection.execute(text("SELECT 1"))
    assert len(taken) < _LOOKS // 10, "they look again and again, although nothing is due"


async def test_a_fault_of_the_tables_ends_them(keeper: Keeper) -> None:
    await keeper.alter("ALTER TABLE fan_outs RENAME TO gone")
    timers = Timers(keeper.engine, keeper.settings, keeper.batches, Metrics(), asyncio.Event())
    with pytest.raises((DBAPIError, asyncpg.PostgresError), match="fan_outs"):
        await asyncio.wait_for(timers.run(), patience(20))
