"""What is done when mutants of the slots are tried: the number of slots changes while a relay of the old one hangs."""

import signal

from tests.faults import failpoints
from tests.faults.judge import is_published
from tests.faults.matrix import give_up_for_dead
from tests.faults.points import CONSUMERS, RELAY
from tests.faults.stage import Scenario, Stage
from tests.support.installations import Worker
from tests.support.kafka import all_consumed
from tests.support.waiting import until
from workers.runtime.roles import Role

_TWO = {"WHOPAYS_RELAY_SLOTS": "2"}
_PATIENT = {"WHOPAYS_RELAY_LEASE_SECONDS": "60"}
"""A zombie does not look at its lease before it has done harm."""


async def _hangs(stage: Stage, place: str) -> Worker:
    """A relay of one slot hangs at a place with events to publish; relays of two slots publish them; it carries on."""
    await stage.begun()
    await stage.start(*CONSUMERS, Role.TIMERS)
    await stage.bind("behind", "b")
    await all_consumed(stage.installation)
    zombie = await stage.start(*RELAY, plan={place: failpoints.STOP}, settings=_PATIENT)
    await zombie.logged(failpoints.reached(place))
    await give_up_for_dead(stage.installation, RELAY)
    await stage.start(*RELAY, settings=_TWO)
    await until(lambda: is_published(stage.load), "the relays of two slots")
    zombie.process.send_signal(signal.SIGCONT)
    return zombie


async def _before_a_transaction(stage: Stage) -> list[str]:
    await _hangs(stage, "producer.transact: producer.begin_transaction before")
    return await stage.goes_wrong_after()


async def _before_its_producer(stage: Stage) -> list[str]:
    zombie = await _hangs(stage, "producer.producing: producer.start before")

    async def has_looked() -> bool:
        return any("relay_publishes" in line or "relay_lease_lost" in line for line in zombie.lines)

    await until(has_looked, "the relay that begins late")
    return await stage.goes_wrong_after()


OF_SLOTS: dict[str, Scenario] = {
    "a zombie of another number of slots": _before_a_transaction,
    "a relay of another number of slots that begins late": _before_its_producer,
}
