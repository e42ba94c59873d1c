"""Servers are killed and stood still, one and all, with and without the workers: what was sent has its effect once."""

import asyncio
from random import Random

import pytest

from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.own_servers import OwnServers
from tests.faults.recovering import flows, recovers
from tests.faults.server_faults import FAULTS, Fault
from tests.support.installations import Installation
from workers.runtime.roles import Role


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_fault_under_load(fault: Fault, breakable: OwnServers, breaking: Installation, chance: Random) -> None:
    await breaking.start(Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
    await breaking.start(Role.RELAY, Role.TIMERS)
    async with loaded(breaking) as load:
        await flows(load)
        async with recovers(load, fault.__name__.replace("_", " ")):
            await fault(breakable, breaking.workers, chance)
            if all(worker.process.returncode is not None for worker in breaking.workers):
                await breaking.start()
    await all_is_well(load)


async def test_both_servers_killed_at_once(breakable: OwnServers, breaking: Installation) -> None:
    await breaking.start()
    async with loaded(breaking) as load:
        await flows(load)
        async with recovers(load, "both servers killed at once"):
            breakable.kafka.kill()
            breakable.postgresql.kill()
            await asyncio.gather(breakable.kafka.start_again(), breakable.postgresql.start_again())
    await all_is_well(load)
