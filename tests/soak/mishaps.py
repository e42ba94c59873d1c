"""What goes wrong in a soak: each function breaks something and returns when it is over."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from tests.faults import failpoints, server_faults
from tests.faults.matrix import FAILING_WORKER
from tests.faults.own_servers import OwnServers
from tests.faults.points import CONSUMERS, Event, rows
from tests.soak.crew import Crew
from tests.support.installations import Installation
from tests.support.proxies.kafka import ApiKey
from tests.support.proxies.network import Towards
from tests.support.proxies.ways import Ways

_CAUGHT_SECONDS = 60.0


class DidNotComeAbout(Exception):
    """The moment to break something did not come."""


@dataclass(frozen=True)
class Scene:
    """What can be broken."""

    servers: OwnServers
    installation: Installation
    ways: Ways
    crew: Crew
    chance: Random


Mishap = Callable[[Scene], Awaitable[None]]


async def worker_killed(scene: Scene) -> None:
    """One process of whopays, by SIGKILL."""
    await scene.crew.any(scene.chance).kill()


async def all_workers_killed(scene: Scene) -> None:
    """All processes of whopays at once."""
    await asyncio.gather(*(worker.kill() for worker in scene.crew.all()))


async def worker_told_to_stop(scene: Scene) -> None:
    """One process of whopays, by SIGTERM."""
    await scene.crew.any(scene.chance).stop()


async def worker_stood_still(scene: Scene) -> None:
    """One process of whopays is paused, for longer than its sessions last or less, and carries on."""
    process = scene.crew.any(scene.chance).process
    process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(scene.chance.uniform(1, 20))
    finally:
        process.send_signal(signal.SIGCONT)


async def rebalance_storm(scene: Scene) -> None:
    """Consumers come and go."""
    for _ in range(4):
        worker = await scene.crew.another(CONSUMERS)
        await asyncio.sleep(scene.chance.uniform(2, 5))
        await (worker.kill() if scene.chance.random() < 0.5 else worker.stop())


async def broken_at_a_failpoint(scene: Scene) -> None:
    """One more process is killed, stopped or given an error at one of the places where it awaits something."""
    row = scene.chance.choice([row for row in rows() if row.circumstance.event is Event.NOTHING])
    action = scene.chance.choice((failpoints.KILL, failpoints.STOP, failpoints.ERROR))
    plan = failpoints.environment({**row.circumstance.plan, row.point: action})
    worker = await scene.crew.another(row.roles, FAILING_WORKER, **row.circumstance.settings, **plan)
    await asyncio.sleep(scene.chance.uniform(4, 10))
    worker.process.send_signal(signal.SIGCONT) if worker.process.returncode is None else None
    await asyncio.sleep(scene.chance.uniform(0, 2))
    await worker.kill()


async def connections_severed(scene: Scene) -> None:
    """All connections to both servers are reset, again and again."""
    for _ in range(10):
        await asyncio.gather(*(way.sever() for way in scene.ways.both))
        await asyncio.sleep(scene.chance.uniform(0.1, 1.5))


async def network_away(scene: Scene) -> None:
    """Connections to one server are ended and refused."""
    way = scene.chance.choice(scene.ways.both)
    await way.cut()
    await asyncio.sleep(scene.chance.uniform(1, 15))
    await way.mend()


async def network_black_hole(scene: Scene) -> None:
    """Nothing gets through to or from one server, without any error."""
    way = scene.chance.choice(scene.ways.both)
    way.hold()
    await asyncio.sleep(scene.chance.uniform(1, 20))
    await way.mend()


async def network_slow(scene: Scene) -> None:
    """Everything takes longer."""
    for way in scene.ways.both:
        way.slow_down(delay_seconds=scene.chance.uniform(0.01, 0.1), bytes_per_second=scene.chance.choice((0, 200_000)))
    await asyncio.sleep(scene.chance.uniform(5, 15))
    for way in scene.ways.both:
        await way.mend()


async def connections_half_closed(scene: Scene) -> None:
    """One direction of all connections to one server is closed."""
    scene.chance.choice(scene.ways.both).half_close(scene.chance.choice(tuple(Towards)))


async def answer_to_commit_swallowed(scene: Scene) -> None:
    """A transaction is committed, but its worker does not know."""
    swallowed = scene.ways.database.swallow_commit("UPDATE shards")
    await _caught(swallowed.wait())


async def answer_of_kafka_swallowed(scene: Scene) -> None:
    """A request to Kafka is carried out, and its sender does not know."""
    key = scene.chance.choice((ApiKey.PRODUCE, ApiKey.END_TXN, ApiKey.OFFSET_COMMIT))
    await _caught(scene.ways.kafka.swallow_answer(key))


async def request_delivered_late(scene: Scene) -> None:
    """A request arrives when its sender has given up."""
    key = scene.chance.choice((ApiKey.PRODUCE, ApiKey.END_TXN, ApiKey.OFFSET_COMMIT))
    late = scene.ways.kafka.hold_back(key)
    await _caught(late.caught.wait())
    late.give_up()
    await asyncio.sleep(scene.chance.uniform(0.5, 3))
    await _caught(late.deliver())


async def _caught(waiting: Awaitable[object]) -> None:
    try:
        await asyncio.wait_for(waiting, _CAUGHT_SECONDS)
    except (TimeoutError, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise DidNotComeAbout from error


def _of_servers(fault: server_faults.Fault) -> Mishap:
    async def mishap(scene: Scene) -> None:
        await fault(scene.servers, scene.crew.all(), scene.chance)

    mishap.__name__ = fault.__name__
    return mishap


MISHAPS: tuple[Mishap, ...] = (
    worker_killed,
    all_workers_killed,
    worker_told_to_stop,
    worker_stood_still,
    rebalance_storm,
    broken_at_a_failpoint,
    connections_severed,
    network_away,
    network_black_hole,
    network_slow,
    connections_half_closed,
    answer_to_commit_swallowed,
    answer_of_kafka_swallowed,
    request_delivered_late,
    *map(_of_servers, server_faults.FAULTS),
)
