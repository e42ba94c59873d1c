"""Processes of whopays come, go, and get in each other's way under load."""

import asyncio
import signal
from random import Random

import pytest
from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.matrix import FAILING_WORKER
from tests.faults.points import AT_WORK, CONSUMERS, RELAY, TIMERS
from tests.faults.recovering import flows, recovers
from tests.support.installations import Installation, Worker
from workers.runtime.roles import Role

_ROUNDS = 8
_RELAYS = 3


@pytest.mark.chaos
async def test_a_storm_of_rebalances(quiet_installation: Installation, chance: Random) -> None:
    """Consumers join and leave, cleanly or not, before the group has come to rest."""
    installation = quiet_installation
    await installation.start()
    async with loaded(installation) as load, recovers(load, "a storm of rebalances"):
        members = []
        for _ in range(_ROUNDS):
            members.append(await installation.start(*CONSUMERS, WHOPAYS_BATCH_MAX_RECORDS="20"))
            await flows(load, chance.randrange(20, 200))
            if len(members) > 1:
                leaving = members.pop(chance.randrange(len(members)))
                await (leaving.kill() if chance.random() < 0.5 else leaving.stop())
    await all_is_well(load)


@pytest.mark.chaos
async def test_several_relays_of_one_slot(quiet_installation: Installation, chance: Random) -> None:
    """The lease is taken from its holder again and again: only fencing keeps all these relays apart."""
    installation = quiet_installation
    await installation.start(*CONSUMERS, Role.TIMERS)
    for _ in range(_RELAYS):
        await installation.start(Role.RELAY, WHOPAYS_RELAY_LEASE_SECONDS="2", WHOPAYS_RELAY_BATCH_ROWS="20")
    fault = f"{_RELAYS} relays that take the lease from each other"
    async with loaded(installation) as load, recovers(load, fault):
        for _ in range(10 * _ROUNDS):
            async with installation.engine.begin() as connection:
                await connection.execute(text("DELETE FROM relay_leases"))
            await flows(load, chance.randrange(5, 40))
    await all_is_well(load)


@pytest.mark.chaos
async def test_the_number_of_slots_goes_to_and_fro(quiet_installation: Installation, chance: Random) -> None:
    """Relays of other numbers come while those of the last hang, and are killed, stopped, or carry on."""
    installation = quiet_installation
    await installation.start(*CONSUMERS, Role.TIMERS)
    left: list[Worker] = []
    async with loaded(installation) as load:
        for number in (1, 3, 2, *(chance.randrange(1, 5) for _ in range(_ROUNDS))):
            settings = {"WHOPAYS_RELAY_SLOTS": str(number), "WHOPAYS_RELAY_LEASE_SECONDS": "2"}
            relays = [await installation.start(Role.RELAY, **settings, WHOPAYS_RELAY_BATCH_ROWS="20") for _ in "ab"]
            for relay in left:
                relay.process.send_signal(signal.SIGSTOP)
            await flows(load, chance.randrange(5, 40))
            for relay in left:
                relay.process.send_signal(signal.SIGCONT)
            await flows(load, chance.randrange(5, 40))
            for relay in left:
                await (relay.kill() if chance.random() < 0.5 else relay.stop())
            left = relays
        for relay in left:
            await relay.kill()
        async with recovers(load, "the number of slots, changed again and again"):
            await installation.start(Role.RELAY, WHOPAYS_RELAY_SLOTS="2")
    await all_is_well(load)


@pytest.mark.chaos
@pytest.mark.parametrize("is_orderly", (True, False), ids=("stopped", "killed"))
async def test_all_processes_restart(quiet_installation: Installation, chance: Random, is_orderly: bool) -> None:
    """Again and again, all at once."""
    installation = quiet_installation
    async with loaded(installation) as load:
        for _ in range(_ROUNDS // 2):
            crew = [await installation.start(*CONSUMERS), await installation.start(Role.TIMERS, Role.RELAY)]
            await flows(load, chance.randrange(20, 300))
            await asyncio.gather(*(worker.stop() if is_orderly else worker.kill() for worker in crew))
        async with recovers(load, f"all processes {'stopped' if is_orderly else 'killed'}, again and again"):
            await installation.start()
    await all_is_well(load)


@pytest.mark.parametrize("roles", (RELAY, pytest.param(TIMERS, marks=pytest.mark.chaos)), ids=("relay", "timers"))
async def test_a_role_that_a_library_cancels_ends_its_process(
    quiet_installation: Installation, roles: tuple[Role, ...]
) -> None:
    """Otherwise the process would continue without it, and nothing would be published or become due."""
    plan = failpoints.environment({AT_WORK[roles]: failpoints.CANCEL})
    worker = await quiet_installation.launch(*roles, module=FAILING_WORKER, **plan)
    assert await worker.ended() == 1
    assert any("role_failed" in line and "CancelledError" in line for line in worker.lines)
