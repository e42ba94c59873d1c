"""Chores: in small steps, by one process at a time, and one that fails holds up no other."""

import asyncio
from functools import partial
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from db.archive.trouble import ArchiveUnreachable
from db.leases import give_up_chore, take_chore
from db.log import positions_left
from tests.services.maintenance.chores import at_work, is_done, usual_chores
from tests.support.metrics import value_of
from tests.support.waiting import until
from workers.maintenance import Chore
from workers.runtime.metric import ChoreName
from workers.runtime.metrics import Metrics

_PARTITIONS = ChoreName.PARTITIONS


class _Counted:
    """A chore of so many steps, each of which must be alone."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.done = 0
        self.at_once = self.most_at_once = 0

    async def step(self) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        self.left, self.done = max(0, self.left - 1), self.done + 1
        return self.left > 0


async def test_a_chore_is_done_step_by_step_by_one_of_several(engine: AsyncEngine) -> None:
    counted = _Counted(5)
    async with at_work(engine, [Chore(_PARTITIONS, counted.step)], number=3):
        await until(partial(is_done, engine, _PARTITIONS), "the end of the chore")
    assert counted.left == 0
    assert counted.done >= 5
    assert counted.most_at_once == 1


async def test_whoever_holds_a_chore_keeps_others_from_it(engine: AsyncEngine) -> None:
    counted = _Counted(1)
    async with engine.begin() as connection:
        assert await take_chore(connection, _PARTITIONS, "another", 60)
    metrics = Metrics()
    async with at_work(engine, [Chore(_PARTITIONS, counted.step)], metrics=metrics):
        await until(partial(_left, metrics), "a look at the chores")
        assert counted.done == 0
        async with engine.begin() as connection:
            await give_up_chore(connection, _PARTITIONS, "another", is_done=False)
        await until(partial(is_done, engine, _PARTITIONS), "the end of the chore")


@pytest.mark.parametrize("failure", (ValueError("a bug"), ArchiveUnreachable("the storage is away")))
async def test_a_chore_that_fails_is_told_and_holds_up_no_other(engine: AsyncEngine, failure: Exception) -> None:
    async def fail() -> bool:
        raise failure

    counted, metrics = _Counted(1), Metrics()
    chores = [Chore(_PARTITIONS, fail), Chore(ChoreName.COMMANDS, counted.step)]
    with capture_logs() as lines:
        async with at_work(engine, chores, metrics=metrics):
            await until(partial(_failed, metrics), "the failure")
            await until(partial(is_done, engine, ChoreName.COMMANDS), "the end of the other chore")
    assert [(line["event"], line["chore"]) for line in lines] == [("chore_failed", _PARTITIONS)]


async def test_the_next_partition_is_made_before_it_is_needed(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE log_p1"))
        assert await positions_left(connection) == 999_999
    metrics = Metrics()
    (partitions,) = [chore for chore in usual_chores(engine) if chore.name is _PARTITIONS]
    async with at_work(engine, [partitions], metrics=metrics):
        await until(partial(_left, metrics, 1_999_999), "the partition")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET position = 1000000 WHERE shard = 5"))
        assert await positions_left(connection) == 999_999
        said = text("SELECT extract(epoch FROM done_at) FROM chores WHERE chore = 'partitions'")
        done = (await connection.execute(said)).scalar_one()
    told = value_of(_told(metrics), "whopays_maintenance_done_timestamp_seconds", chore=_PARTITIONS)
    assert 0 < told <= float(done)


async def _left(metrics: Metrics, least: int = 1) -> bool:
    return bool(value_of(_told(metrics), "whopays_log_positions_left") >= least)


async def _failed(metrics: Metrics) -> bool:
    return value_of(_told(metrics), "whopays_maintenance_failures_total", chore=_PARTITIONS) == 1


def _told(metrics: Metrics) -> dict[str, Any]:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {family.name: family for family in families}
