"""Who is measured with rebinding commands: whopays, and what it is compared with."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from benchmarks import floor, straightforward
from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import Fleet, Project
from benchmarks.installations import environment_of
from benchmarks.measuring import Round, measure
from benchmarks.outcomes import verify_bindings, verify_results, wanted_of
from benchmarks.processes import Program, check_of, started, whopays
from benchmarks.statements import StatementLog
from benchmarks.traffic import Message, ends, observing, records_since, send
from schemas.topics import Topic
from workers.consuming.subscription import consumer_group
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.cluster import administration

_SECONDS_TO_JOIN = 30.0


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of a contender, without prefix; some are its own beside those of the installation."""

    commands: str
    bindings: str
    results: str

    @property
    def own(self) -> list[str]:
        """Those that the installation does not have."""
        return [name for name in (self.commands, self.bindings, self.results) if name not in set(Topic)]


@dataclass(frozen=True, slots=True)
class Contender:
    """A set of processes that take rebindings and publish events; `commands` is how many it gets in a round.

    `start` runs its processes until the context ends. One that does not `decide` publishes other events, as many.
    Commands come with `tokens`, if there are any.
    """

    name: str
    topics: Topics
    fleet: Fleet
    commands: int
    start: Callable[[Settings], AbstractContextManager[list[Program]]]
    decides: bool = True
    tokens: Mapping[str, bytes] | None = None


def whopays_contender(
    fleet: Fleet,
    commands: int,
    *,
    name: str = "whopays",
    workers: int = 1,
    changed: Mapping[str, str] | None = None,
    tokens: Mapping[str, bytes] | None = None,
) -> Contender:
    """Return whopays: processes for the commands, and one for the relay; `changed` is as for `whopays`."""

    @contextmanager
    def start(settings: Settings) -> Iterator[list[Program]]:
        with whopays(settings, *[(Role.ADMIN_COMMANDS,)] * workers, (Role.RELAY,), changed=changed) as programs:
            yield programs

    topics = Topics(Topic.ADMIN_COMMANDS, Topic.BINDINGS, Topic.COMMAND_RESULTS)
    return Contender(name, topics, fleet, commands, start, tokens=tokens)


def floor_contender(fleet: Fleet, commands: int) -> Contender:
    """Return the floor, which moves the bytes of the commands of a fleet of its own."""
    topics = Topics(floor.COMMANDS, floor.BINDINGS, floor.RESULTS)
    start = partial(_programs, {floor.NAME: ("-m", "benchmarks.floor")})
    return Contender(floor.NAME, topics, fleet.copy(), commands, start, decides=False)


def straightforward_contender(fleet: Fleet, commands: int) -> Contender:
    """Return the straightforward worker, which keeps tables of its own."""
    name = "straightforward"
    processes = {" ".join((name, *arguments[2:])): arguments for arguments in straightforward.PROCESSES}
    topics = Topics(straightforward.COMMANDS, straightforward.BINDINGS, straightforward.RESULTS)
    return Contender(name, topics, fleet.copy(), commands, partial(_programs, processes))


@contextmanager
def _programs(processes: Mapping[str, Sequence[str]], settings: Settings) -> Iterator[list[Program]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(started(name, arguments, environment_of(settings)))
            for name, arguments in processes.items()
        ]


async def measure_rebindings(
    title: str,
    settings: Settings,
    contender: Contender,
    *,
    projects: Sequence[Project] | None = None,
    statements: StatementLog | None = None,
) -> Round:
    """Start a contender, have it warmed up, and measure one round; of all projects, or of those given, in turn.

    Raises BenchmarkFailed, also when a single outcome is wrong.
    """
    topics = [settings.topic(name) for name in (contender.topics.commands, contender.topics.bindings)]
    results = settings.topic(contender.topics.results)
    contender.fleet.tokens = contender.tokens
    with contender.start(settings) as programs:
        await warm_up(settings, programs, topics[0], results, contender.fleet.unchanging())
        if sum(program.name.startswith(Role.ADMIN_COMMANDS) for program in programs) > 1:
            await _all_joined(settings, len(programs) - 1)
        sent = contender.fleet.rebindings(contender.commands, projects)
        since = await ends(settings, topics[1])
        results_since = await ends(settings, results)
        messages = {topics[0]: [rebinding.message for rebinding in sent]}
        async with observing(settings, topics[1], since, keep=False) as observer:
            measured = await measure(title, settings, programs, messages, observer, len(sent), statements)
            await observer.expect_no_more(len(sent))
        async with observing(settings, results, results_since, keep=False) as observer:
            await observer.see(len(sent), check_of(programs))
            await observer.expect_no_more(len(sent))
    if contender.decides:
        wanted = wanted_of(sent)
        await verify_bindings(wanted, records_since(settings, since))
        await verify_results(dict.fromkeys(wanted, "Applied"), records_since(settings, results_since))
    return measured


async def warm_up(
    settings: Settings, programs: Sequence[Program], commands: str, results: str, messages: Sequence[Message]
) -> None:
    """Have commands answered, so that all programs have joined, connected and done everything once."""
    async with observing(settings, results, await ends(settings, results), keep=False) as observer:
        await send(settings, commands, messages)
        await observer.see(len(messages), check_of(programs))
        await observer.expect_no_more(len(messages))


async def _all_joined(settings: Settings, members: int) -> None:
    """Wait until the group of the commands has settled with all its members. Raises BenchmarkFailed."""
    group = consumer_group(settings, Role.ADMIN_COMMANDS)
    deadline = time.monotonic() + _SECONDS_TO_JOIN
    async with administration(settings) as client:
        while True:
            described = (await client.describe_consumer_groups([group]))[0].to_object()["groups"][0]
            if described["state"] == "Stable" and len(described["members"]) == members:
                return
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"the group {group} is {described['state']} with {len(described['members'])}")
            await asyncio.sleep(0.1)
