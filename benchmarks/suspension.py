"""The workload: an account that pays for very many projects is suspended, beside an organization of the same shard."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import ACCOUNTS, Fleet, Project, establish
from benchmarks.installations import connect, installed, servers
from benchmarks.processes import Program, whopays
from benchmarks.progress import step
from benchmarks.report import environment_facts
from benchmarks.traffic import Observer, ends, observing, send
from db.shards import shard_of
from schemas.topics import Topic
from workers.roles import Role
from workers.settings import Settings

_PROBES_BEFORE = 100
_WARM_UP_PROBES = 10
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the broker's acknowledgement of a command until a `read_committed` reader has its event."""

    commands: int
    median: float
    longest: float


@dataclass(frozen=True, slots=True)
class Suspension:
    """What a suspension came to; times in seconds since its command was acknowledged by the broker."""

    projects: int
    prepared: float
    phase_event: float
    result: float
    last_notice: float
    neighbour_before: Latency
    neighbour_meanwhile: Latency
    environment: Mapping[str, Any]


async def run(projects: int) -> Suspension:
    """Bind the projects through the service, suspend their account, and see all notices. Raises BenchmarkFailed."""
    with servers() as addresses:
        async with installed(addresses) as settings:
            fleet = Fleet(1, projects)
            neighbour = _with_neighbour(fleet, settings)
            began = time.perf_counter()
            await establish(fleet, settings)
            prepared = time.perf_counter() - began
            with whopays(settings, (Role.ADMIN_COMMANDS,), (Role.TIMERS,), (Role.RELAY,)) as programs:
                async with _probing(fleet, neighbour, settings) as probe:
                    await _probes(probe, _WARM_UP_PROBES)
                    before = await _probes(probe, _PROBES_BEFORE)
                    measured = await _suspend(fleet, settings, programs, probe)
            phase_event, result, last_notice, meanwhile = measured
            await _verify_end(settings, projects)
            return Suspension(
                projects,
                prepared,
                phase_event,
                result,
                last_notice,
                _latency(before),
                _latency(meanwhile),
                await environment_facts(settings),
            )


def show(figures: Suspension) -> None:
    """Print the figures."""
    console = Console()
    console.print(f"[bold]suspension[/] of an account that pays for {figures.projects:,} projects")
    console.print(f"Binding them through the service took {figures.prepared:.1f} s.\n")
    table = Table("from the command's acknowledgement until it is seen")
    table.add_column("seconds", justify="right")
    for name, seconds in (
        ("AccountPhaseChanged", figures.phase_event),
        ("CommandCompleted", figures.result),
        ("last ProjectBillingNotice", figures.last_notice),
    ):
        table.add_row(name, f"{seconds:.3f}")
    console.print(table)
    table = Table("another organization of the same shard")
    for column in ("commands", "median", "longest"):
        table.add_column(column, justify="right")
    for name, latency in (("before", figures.neighbour_before), ("meanwhile", figures.neighbour_meanwhile)):
        table.add_row(name, str(latency.commands), f"{latency.median * 1e3:.0f} ms", f"{latency.longest * 1e3:.0f} ms")
    console.print(table)


def write(figures: Suspension, path: Path) -> None:
    """Write everything to a file as JSON; times in seconds."""
    path.write_bytes(orjson.dumps(asdict(figures), option=orjson.OPT_INDENT_2))


def _with_neighbour(fleet: Fleet, settings: Settings) -> Project:
    """Add an organization of the same shard with one project to the fleet."""
    shard = shard_of(fleet.organizations[0], settings.shards)
    names = (f"neighbour-{number}" for number in count())
    name = next(name for name in names if shard_of(name, settings.shards) == shard)
    project = (name, "project")
    fleet.organizations.append(name)
    fleet.projects.append(project)
    fleet.payers[project] = ACCOUNTS[0]
    return project


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
        """Give the time from the acknowledgement of one command until its event is seen."""
        account = ACCOUNTS[1 - ACCOUNTS.index(self._fleet.payers[self._project])]
        _, message = self._fleet.bind(self._project, account)
        seen = len(self._observer.records)
        await self._producer.send_and_wait(self._topic, key=message.key, value=message.value)
        began = time.perf_counter()
        return await self._observer.see(seen + 1) - began


@asynccontextmanager
async def _probing(fleet: Fleet, project: Project, settings: Settings) -> AsyncIterator[_Probe]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all")
    await producer.start()
    try:
        bindings = settings.topic(Topic.BINDINGS)
        await _published(settings)
        async with observing(settings, bindings, await ends(settings, bindings)) as observer:
            yield _Probe(fleet, project, settings, producer, observer)
    finally:
        await producer.stop()


async def _published(settings: Settings) -> None:
    """Wait until the relay has published all that the preparation left in the log."""
    before: object = None
    topic = settings.topic(Topic.NOTICES)
    while (now := (await ends(settings, topic), await ends(settings, settings.topic(Topic.BINDINGS)))) != before:
        before = now
        await asyncio.sleep(2)


async def _probes(probe: _Probe, number: int) -> list[float]:
    found = []
    for _ in range(number):
        found.append(await probe.seconds())
        await asyncio.sleep(_PAUSE_SECONDS)
    return found


async def _suspend(
    fleet: Fleet, settings: Settings, programs: Sequence[Program], probe: _Probe
) -> tuple[float, float, float, list[float]]:
    """Give when the phase event, the result and the last notice were seen, and the neighbour's times meanwhile."""

    def check() -> None:
        for program in programs:
            program.check()

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
                shown(len(notices.records))
        phase_event, result, last_notice = [await one - began for one in (*seeing, last)]
        await notices.expect_no_more(projects)
        _verify_notices([record.value for record in notices.records], projects)
    return phase_event, result, last_notice, meanwhile


def _latency(times: Sequence[float]) -> Latency:
    return Latency(len(times), median(times), max(times))


def _verify_notices(values: Sequence[bytes], projects: int) -> None:
    told = [event["data"] for event in map(orjson.loads, values)]
    if {one["kind"] for one in told} != {"AccountSuspended"} or len({one["project"] for one in told}) != projects:
        raise BenchmarkFailed("the notices are not one of the suspension for each project")


async def _verify_end(settings: Settings, projects: int) -> None:
    connection = await connect(settings.database_url)
    try:
        row = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM bindings WHERE ended_at IS NULL), (SELECT count(*) FROM fan_outs)"
        )
    finally:
        await connection.close()
    if row is None or tuple(row) != (projects + 1, 0):
        raise BenchmarkFailed(f"bound projects and unfinished fan-outs are {row}, not {projects + 1} and 0")
