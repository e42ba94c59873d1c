"""What is done when mutants of the slots are tried: the number of slots changes while a relay of the old one hangs."""

import signal

from tests.faults import failpoints
from tests.faults.judge import is_published
from tests.faults.matrix import give_up_for_dead
from tests.faults.points import CONSUMERS, RELAY
from tests.faults.stage import Scenario, Stage
from tests.support.waiting import until
from workers.runtime.roles import Role

_TWO = {"WHOPAYS_RELAY_SLOTS": "2"}


async def _hangs(stage: Stage, place: str) -> list[str]:
    """A relay hangs at a place; others divide the shards anew, and publish; then it carries on."""
    await stage.begun()
    await stage.start(*CONSUMERS, Role.TIMERS)
    zombie = await stage.start(*RELAY, plan={place: failpoints.STOP})
    await stage.bind("behind", "b")
    await zombie.logged(failpoints.reached(place))
    await give_up_for_dead(stage.installation, RELAY)
    successor = await stage.start(*RELAY, settings=_TWO)
    await successor.logged("relay_publishes")
    await until(lambda: is_published(stage.load), "the relays of two slots")
    zombie.process.send_signal(signal.SIGCONT)
    await stage.bind("beside", "a")
    return await stage.goes_wrong_after()


async def _before_a_transaction(stage: Stage) -> list[str]:
    return await _hangs(stage, "producer.transact: producer.begin_transaction before")


async def _before_its_producer(stage: Stage) -> list[str]:
    return await _hangs(stage, "producer.producing: producer.start before")


OF_SLOTS: dict[str, Scenario] = {
    "a zombie of another number of slots": _before_a_transaction,
    "a relay of another number of slots that begins late": _before_its_producer,
}
