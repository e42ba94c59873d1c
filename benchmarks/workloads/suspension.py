"""The workload: an account that pays for very many projects is suspended, beside an organization of the same shard."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count

import orjson
from aiokafka import AIOKafkaProducer

from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import ACCOUNTS, Fleet, Project, establish
from benchmarks.installations import Servers, connect, installed
from benchmarks.pacing import latency_of
from benchmarks.processes import Program, check_of, whopays
from benchmarks.progress import step
from benchmarks.report import Report
from benchmarks.traffic import Observer, ends, observing, producing, send
from db.placing import shard_of
from schemas.topics import Topic
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

MEASURED = (
    "from the broker's acknowledgement of the suspension until a read_committed consumer has got what follows, and of "
    "a rebinding of another organization of the same shard, before and meanwhile"
)
_PROBES_BEFORE = 100
_WARM_UP_PROBES = 10
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: the projects that the account pays for."""

    projects: int = 100_000


async def run(servers: Servers, size: Size) -> Report:
    """Bind the projects through the service, suspend their account, and see all notices. Raises BenchmarkFailed."""
    async with installed(servers) as settings:
        fleet = Fleet(1, size.projects)
        neighbour = _add_neighbour(fleet, settings)
        await establish(fleet, settings)
        with whopays(settings, (Role.ADMIN_COMMANDS,), (Role.TIMERS,), (Role.RELAY,)) as programs:
            async with _probing(fleet, neighbour, settings) as probe:
                await _probes(probe, _WARM_UP_PROBES)
                before = await _probes(probe, _PROBES_BEFORE)
                seconds, meanwhile = await _suspend(fleet, settings, programs, probe)
        await _verify_end(settings, size.projects)
    latencies = {name: latency_of([one]) for name, one in seconds.items()}
    latencies |= {"neighbour, before": latency_of(before), "neighbour, meanwhile": latency_of(meanwhile)}
    return Report("suspension", MEASURED, asdict(size), latencies=latencies)


def _add_neighbour(fleet: Fleet, settings: Settings) -> Project:
    """Add an organization of the same shard with one project to the fleet."""
    shard = shard_of(fleet.organizations[0], settings.shards)
    names = (f"neighbour-{number}" for number in count())
    name = next(name for name in names if shard_of(name, settings.shards) == shard)
    return fleet.add(name, projects=1)[0]


class _Probe:
    """Rebinds the neighbour's project, and sees how long that takes."""

    def __init__(
        self, fleet: Fleet, project: Project, settings: Settings, producer: AIOKafkaProducer, observer: Observer
    ) -> None:
        self._fleet = fleet
        self._project = project
        self._topic = settings.topic(Topic.ADMIN_COMMANDS)
        self._producer = producer
        self._observer = observer

    async def seconds(self) -> float:
        """Return the time from the acknowledgement of one command until its event is seen."""
        message = self._fleet.rebind(self._project).message
        seen = self._observer.seen
        await self._producer.send_and_wait(self._topic, key=message.key, value=message.value)
        began = time.perf_counter()
        return await self._observer.see(seen + 1) - began


@asynccontextmanager
async def _probing(fleet: Fleet, project: Project, settings: Settings) -> AsyncIterator[_Probe]:
    bindings = settings.topic(Topic.BINDINGS)
    async with (
        producing(settings) as producer,
        observing(settings, bindings, await ends(settings, bindings), keep=False) as observer,
    ):
        yield _Probe(fleet, project, settings, producer, observer)


async def _probes(probe: _Probe, number: int) -> list[float]:
    found = []
    for _ in range(number):
        found.append(await probe.seconds())
        await asyncio.sleep(_PAUSE_SECONDS)
    return found


async def _suspend(
    fleet: Fleet, settings: Settings, programs: Sequence[Program], probe: _Probe
) -> tuple[dict[str, float], list[float]]:
    """Return when the phase event, the result and the last notice were seen, and the neighbour's times meanwhile."""
    check = check_of(programs)
    organization = fleet.organizations[0]
    projects = len(fleet.projects) - 1
    _, message = fleet.message(
        "SuspendAccount", {"organization": organization, "account": ACCOUNTS[0], "reason": "PaymentFailure"}
    )
    topics = [settings.topic(topic) for topic in (Topic.ACCOUNTS, Topic.COMMAND_RESULTS, Topic.NOTICES)]
    meanwhile: list[float] = []
    async with (
        observing(settings, topics[0], await ends(settings, topics[0])) as accounts,
        observing(settings, topics[1], await ends(settings, topics[1])) as results,
        observing(settings, topics[2], await ends(settings, topics[2])) as notices,
    ):
        await send(settings, settings.topic(Topic.ADMIN_COMMANDS), [message])
        began = time.perf_counter()
        seeing = [asyncio.create_task(one.see(number, check)) for one, number in ((accounts, 1), (results, 1))]
        with step("Projects told", projects) as shown:
            last = asyncio.create_task(notices.see(projects, check))
            while not last.done():
                meanwhile.append(await probe.seconds())
                await asyncio.sleep(_PAUSE_SECONDS)
                shown(notices.seen)
        names = ("AccountPhaseChanged", "CommandCompleted", "last ProjectBillingNotice")
        seconds = {name: await one - began for name, one in zip(names, (*seeing, last), strict=True)}
        await notices.expect_no_more(projects)
        _verify_notices([record.value for record in notices.records], projects)
    return seconds, meanwhile


def _verify_notices(values: Sequence[bytes], projects: int) -> None:
    told = [event["data"] for event in map(orjson.loads, values)]
    if {one["kind"] for one in told} != {"AccountSuspended"} or len({one["project"] for one in told}) != projects:
        raise BenchmarkFailed("the notices are not one of the suspension for each project")


async def _verify_end(settings: Settings, projects: int) -> None:
    connection = await connect(settings.database_url)
    try:
        row = await connection.fetchrow("SELECT (SELECT count(account) FROM projects), (SELECT count(*) FROM fan_outs)")
    finally:
        await connection.close()
    if row is None or tuple(row) != (projects + 1, 0):
        raise BenchmarkFailed(f"bound projects and unfinished fan-outs are {row}, not {projects + 1} and 0")
