"""The matrix: a process is broken at a failpoint while records flow, and others carry on."""

import asyncio
import contextlib
from collections.abc import Awaitable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest
from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.load import Load
from tests.faults.points import CONSUMERS, RELAY, WAITING_FOR_A_SHARD, Event, Row
from tests.support.installations import READY, Installation, Worker
from tests.support.waiting import patience
from workers.consuming.subscription import consumer_group
from workers.runtime.roles import Role

FAILING_WORKER = "tests.faults.failing_worker"

_REACHED_SECONDS = 20.0
_TRIES = 3
_MOST_FAULTY = 2
TOLD = 510
"""How many projects are notified that their account is not ready: more than fit in one page."""
OFTEN = {"WHOPAYS_RELAY_BATCH_ROWS": "20", "WHOPAYS_RELAY_LEASE_SECONDS": "2", "WHOPAYS_RELAY_POLL_SECONDS": "0.1"}
"""Makes leases expire quickly, and transactions small enough to leave something for the next."""


async def broken(installation: Installation, row: Row, action: str) -> Worker | None:
    """Start a process and wait until it is broken at its failpoint; return None if it never gets there."""
    for _ in range(_TRIES):
        settings = {**OFTEN, **row.circumstance.settings, **failpoints.environment(row.plan(action))}
        worker = await installation.launch(*row.roles, module=FAILING_WORKER, **settings)
        other = await _befall(installation, worker, row)
        if await _comes(worker.logged(failpoints.reached(row.point))):
            if action == failpoints.KILL:
                await worker.process.wait()
            return worker
        for process in (worker, *([other] if other else [])):
            await process.kill()
        await give_up_for_dead(installation, row.roles)
    return None


async def give_up_for_dead(installation: Installation, roles: tuple[Role, ...]) -> None:
    """Let others take over from dead or stopped processes at once, as would happen by itself in ten seconds.

    All members leave the consumer groups, and the relay's lease ends: exactness depends on neither.
    """
    if roles == RELAY:
        async with installation.engine.begin() as connection:
            await connection.execute(text("DELETE FROM relay_leases"))
    if roles != CONSUMERS:
        return
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.kafka_bootstrap_servers)
    try:
        await admin.start()
        for role in roles:
            group = consumer_group(installation.settings, role)
            node = await admin.find_coordinator(group)
            for described in (await admin.describe_consumer_groups([group], node))[0].to_object()["groups"]:
                for member in described["members"]:
                    await admin._send_request(LeaveGroupRequest(group, member["member_id"]), node)
    finally:
        await admin.close()


async def note_faulty(load: Load) -> None:
    """Tell the judge which records became dead letters because of the injected bug."""
    async with load.installation.engine.connect() as connection:
        found = await connection.execute(
            text("SELECT topic, partition, \"offset\" FROM dead_letters WHERE reason = 'HandlerFault'")
        )
        places = {f"{row.topic.removeprefix(load.installation.prefix)}/{row.partition}/{row.offset}" for row in found}
    assert len(places) <= _MOST_FAULTY, places
    load.made_faulty |= places


async def _befall(installation: Installation, worker: Worker, row: Row) -> Worker | None:
    """Do what makes a process reach its failpoint; return the other process that this needed, if any."""
    if row.circumstance.event is Event.NOTHING or not await _comes(worker.logged(failpoints.reached(row.after))):
        return None
    match row.circumstance.event:
        case Event.TERMINATION:
            # If told earlier, it would stop before doing what it does last.
            await _comes(worker.logged(f'"{READY}"'))
            with contextlib.suppress(ProcessLookupError):
                worker.process.terminate()
        case Event.UNHEARD:
            async with installation.engine.begin() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                    )
                )
        case Event.OUSTED:
            async with installation.engine.begin() as connection:
                await connection.execute(
                    text("UPDATE relay_leases SET owner = 'another', expires_at = clock_timestamp() + interval '15 s'")
                )
        case Event.LOCKED:
            async with installation.engine.begin() as connection:
                await connection.execute(text("SELECT FROM shards WHERE shard = 0 FOR UPDATE"))
                await _comes(worker.logged(failpoints.reached(WAITING_FOR_A_SHARD)))
        case Event.REBALANCE:
            return await installation.launch(*row.roles)
    return None


async def _comes(line: Awaitable[str]) -> bool:
    try:
        await asyncio.wait_for(line, patience(_REACHED_SECONDS))
    except (TimeoutError, AssertionError):
        return False
    return True
