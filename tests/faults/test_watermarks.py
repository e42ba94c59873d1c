"""Watermarks stay true while `bindings` is given more partitions and two relays take the work from each other."""

import signal

from aiokafka.admin import NewPartitions

from schemas.topics import Topic
from tests.faults.checking import closed_beyond_now, come_to_rest
from tests.faults.judge import RULES, collected, findings
from tests.faults.load import loaded
from tests.faults.matrix import OFTEN, give_up_for_dead
from tests.faults.points import RELAY
from tests.support.installations import Installation
from workers.runtime.roles import ALL_ROLES, Role
from workers.topics.cluster import administration

_RATE = 40
_OF_WATERMARKS = {rule for rule in RULES if rule.startswith("watermarks ")}


async def test_partitions_are_added_while_two_relays_compete(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await installation.start(*(role for role in ALL_ROLES if role is not Role.RELAY))
    async with loaded(installation, rate=_RATE, organizations=6) as load:
        relays = [await installation.start(Role.RELAY, **OFTEN) for _ in range(2)]
        await closed_beyond_now(load, installation.settings.topic_partitions)
        for hung, partitions in zip(relays, (5, 8), strict=True):
            async with administration(installation.settings) as admin:
                name = installation.settings.topic(Topic.BINDINGS)
                await admin.create_partitions({name: NewPartitions(partitions)})
            load.widened[Topic.BINDINGS] = partitions
            # The one that has the lease: at first whichever was first, then the one that is left.
            hung.process.send_signal(signal.SIGSTOP)
            await give_up_for_dead(installation, RELAY)
            await closed_beyond_now(load, partitions)
            hung.process.send_signal(signal.SIGCONT)
        await closed_beyond_now(load, 8)
    await come_to_rest(load)
    evidence = await collected(load)
    assert {one.partition for one in evidence.published if one.topic == Topic.BINDINGS} > {0, 1, 2}
    assert findings(evidence, only=_OF_WATERMARKS) == []
