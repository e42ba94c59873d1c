"""The role `maintenance`, turn by turn: what is done rests, what is left goes on, and when it is alive."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.errors import KafkaConnectionError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from tests.services.maintenance.chores import SELDOM, SETTINGS, at_work
from tests.support.waiting import patience, until
from workers import maintenance
from workers.maintenance import Chore, Maintenance
from workers.runtime.metric import ChoreName
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role


class _Tried:
    """A chore that is never done, done at once, or fails; it counts how often it was tried."""

    def __init__(self, *, is_done: bool = False, failure: Exception | None = None) -> None:
        self.times = 0
        self._is_done = is_done
        self._failure = failure

    async def step(self) -> bool:
        self.times += 1
        if self._failure is not None:
            raise self._failure
        return not self._is_done

    async def often(self) -> bool:
        return self.times > 20


async def test_what_is_done_or_has_failed_rests_and_what_is_left_goes_on(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_LOOK_SECONDS", 0.01)
    done, failing, endless = _Tried(is_done=True), _Tried(failure=ValueError("a bug")), _Tried()
    chores = (
        Chore(ChoreName.PARTITIONS, done.step),
        Chore(ChoreName.COMMANDS, failing.step),
        Chore(ChoreName.RECORDS, endless.step),
    )
    with capture_logs():
        async with at_work(engine, chores, settings=SELDOM):
            await until(endless.often, "the chore that is never done")
    assert (done.times, failing.times) == (1, 1)


async def test_signs_of_life(engine: AsyncEngine) -> None:
    metrics, seen = Metrics([Role.MAINTENANCE]), []

    async def look() -> bool:
        seen.append(_heartbeat(metrics))
        return len(seen) < 2

    async with at_work(engine, [Chore(ChoreName.PARTITIONS, look)], metrics=metrics):
        await until(_when(lambda: len(seen) > 1), "the second step")
    assert [bool(one) for one in seen[:2]] == [False, True], "it is alive after each step"

    metrics, since = Metrics([Role.MAINTENANCE]), time.monotonic()
    async with at_work(engine, [], metrics=metrics):
        await until(_when(lambda: _heartbeat(metrics) > 0), "a sign of life")
        await until(_when(lambda: metrics.turns.waiting_to_begin() == []), "the first turn")
        assert metrics.turns.hanging(time.monotonic() - since) == []


async def test_while_a_server_is_away_there_is_no_sign_of_life(engine: AsyncEngine) -> None:
    metrics, away = Metrics([Role.MAINTENANCE]), _Tried(failure=KafkaConnectionError("away"))
    with capture_logs() as lines:
        async with at_work(engine, [Chore(ChoreName.RECORDS, away.step)], metrics=metrics):
            await until(_when(lambda: away.times > 2), "a third attempt")
    assert {line["event"] for line in lines} == {"maintenance_interrupted"}
    assert _heartbeat(metrics) == 0
    assert metrics.turns.waiting_to_begin() == [Role.MAINTENANCE]


async def test_a_fault_of_the_tables_ends_the_role(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE chores"))
    role = Maintenance(engine, SETTINGS, Metrics(), asyncio.Event(), [])
    with pytest.raises(DBAPIError, match="chores"):
        await asyncio.wait_for(role.run(), patience(20))


def _heartbeat(metrics: Metrics) -> float:
    labels = {"role": str(Role.MAINTENANCE)}
    return metrics.registry.get_sample_value("whopays_role_heartbeat_timestamp_seconds", labels) or 0.0


def _when(look: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def looked() -> bool:
        return look()

    return looked
