"""A request was carried out, but its sender does not know: nothing is done twice."""

import asyncio

from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.progress import SMALL
from tests.support.installations import Installation
from tests.support.proxies.kafka import ApiKey
from tests.support.proxies.ways import Ways, ways_of
from tests.support.waiting import patience
from workers.runtime.roles import ALL_ROLES, Role

_TIMES = 3
_DECIDING = 'COPY "log"'
"""A statement that every batch's transaction runs, and nothing else does."""


async def test_of_commits(quiet_installation: Installation) -> None:
    others = [role for role in ALL_ROLES if role is not Role.TIMERS]
    async with ways_of(quiet_installation) as ways, ways_of(quiet_installation) as ways_of_timers:
        async with loaded(quiet_installation) as load:
            worker = await quiet_installation.start(*others, **ways.environment, **SMALL)
            timers = await quiet_installation.start(Role.TIMERS, **ways_of_timers.environment)
            for way in (ways, ways_of_timers):
                for _ in range(_TIMES):
                    await asyncio.wait_for(way.database.swallow_commit(having=_DECIDING).wait(), patience(60))
            await worker.logged("batch_retried")
            await timers.logged("batch_retried")
        await all_is_well(load)


async def test_of_kafka(quiet_installation: Installation, ways: Ways) -> None:
    keys = (ApiKey.INIT_PRODUCER_ID, ApiKey.ADD_PARTITIONS_TO_TXN, ApiKey.PRODUCE, ApiKey.END_TXN, ApiKey.OFFSET_COMMIT)
    first = ways.kafka.swallow_answer(keys[0])
    async with loaded(quiet_installation) as load:
        await quiet_installation.start(**ways.environment, **SMALL)
        await asyncio.wait_for(first, patience(60))
        for key in keys[1:]:
            for _ in range(_TIMES):
                await asyncio.wait_for(ways.kafka.swallow_answer(key), patience(60))
    await all_is_well(load)
