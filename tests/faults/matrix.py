"""The kill matrix: at every failpoint a worker is killed while records flow, and the next one goes on."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest

from tests.faults import failpoints
from tests.installations import Installation
from workers.consumer import consumer_group
from workers.roles import Role

FAILING_WORKER = "tests.faults.failing_worker"
_REACHED_SECONDS = 6.0
_STOP_SECONDS = 15.0

_PRELUDE = {
    # What is only awaited after something went wrong: that goes wrong first.
    "batch.Batches._persist: _wait": ("batch.Batches._transaction: store before", failpoints.ERROR),
    "batch.Batches._wait": ("batch.Batches._transaction: store before", failpoints.ERROR),
    "batch.Batches._settle: _settle": ("batch.Batches._transaction: load before", failpoints.FAULT),
    "reading.Reading._until_done: _wait": ("reading.Reading._bounds: reading_positions before", failpoints.ERROR),
    "relay.Relay.run: _pause": ("relay.Relay._transact: producer.begin_transaction before", failpoints.ERROR),
    "relay.Relay._listen: asyncio.sleep": (
        "relay.Relay._be_woken_by: connection.add_listener before",
        failpoints.ERROR,
    ),
    "relay.Relay._producer: producer.client.close": ("relay.Relay._producer: producer.stop before", failpoints.ERROR),
    "timers.Timers.run: _wait": ("timers.Timers._due: due before", failpoints.ERROR),
}


async def bury(installation: Installation) -> None:
    """Take dead members out of the consumer groups, which would otherwise wait ten seconds for each."""
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.kafka_bootstrap_servers)
    await admin.start()
    try:
        for role in (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS):
            group = consumer_group(installation.settings, role)
            node = await admin.find_coordinator(group)
            for described in (await admin.describe_consumer_groups([group], node))[0].to_object()["groups"]:
                for member in described["members"]:
                    await admin._send_request(LeaveGroupRequest(group, member["member_id"]), node)
    finally:
        await admin.close()


async def killed_at(installation: Installation, point: str, action: str = failpoints.KILL) -> bool:
    """Run a worker that is killed at a failpoint; tell whether it came there, running or ending."""
    before = next((prelude for name, prelude in _PRELUDE.items() if point.startswith(name)), None)
    worker = await installation.launch(module=FAILING_WORKER, **failpoints.environment(point, action, before))
    try:
        await asyncio.wait_for(worker.process.wait(), _REACHED_SECONDS)
    except TimeoutError:
        worker.process.terminate()
        try:
            await asyncio.wait_for(worker.process.wait(), _STOP_SECONDS)
        except TimeoutError:
            await worker.kill()
    await bury(installation)
    return any(line == f"failpoint: {point}" for line in worker.lines)
