"""Servers are killed and paused, one or all, with and without the workers: everything takes effect exactly once."""

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.own_servers import OwnServers
from tests.faults.questions.asking import asked_all_the_time
from tests.faults.questions.noted import organizations
from tests.faults.recovering import flows, recovers
from tests.faults.server_faults import FAULTS, Fault, everything_killed
from tests.support.installations import Installation, Worker
from workers.runtime.roles import Role


@pytest.mark.chaos
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_fault_under_load(fault: Fault, breakable: OwnServers, breaking: Installation, chance: Random) -> None:
    await breaking.start(Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
    await breaking.start(Role.RELAY, Role.TIMERS)
    async with asked_all_the_time(breaking, organizations(breaking, "org-0", "org-1")) as asking:
        async with loaded(breaking) as load:
            await flows(load)
            async with recovers(load, fault.__name__.replace("_", " ")):
                await fault(breakable, breaking.workers, chance)
                survivors = _survivors(fault, breaking.workers)
                if not survivors:
                    survivors = [await breaking.start()]
        await all_is_well(load)
        assert await asking.findings() == []
        _assert_running([*survivors, asking.servers.server])


async def test_both_servers_killed_at_once(breakable: OwnServers, breaking: Installation) -> None:
    await breaking.start()
    async with asked_all_the_time(breaking, organizations(breaking, "org-0", "org-1")) as asking:
        async with loaded(breaking) as load:
            await flows(load)
            async with recovers(load, "both servers killed at once"):
                breakable.kafka.kill()
                breakable.postgresql.kill()
                await asyncio.gather(breakable.kafka.start_again(), breakable.postgresql.start_again())
        await all_is_well(load)
        assert await asking.findings() == []
        _assert_running([*breaking.workers, asking.servers.server])


def _survivors(fault: Fault, workers: Sequence[Worker]) -> list[Worker]:
    """Return the workers that must survive a fault: all, unless the fault itself kills them."""
    return [] if fault is everything_killed else list(workers)


def _assert_running(workers: Sequence[Worker]) -> None:
    for worker in workers:
        assert worker.process.returncode is None, "a worker gave up:\n" + "\n".join(worker.lines[-20:])
