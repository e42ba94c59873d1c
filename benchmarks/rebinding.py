"""The workload: every command makes another account of the organization the payer of a bound project."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice

import orjson

from benchmarks import baseline
from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import ACCOUNTS, Fleet, Project, establish
from benchmarks.installations import connect, environment_of, extra_topics, installed, servers
from benchmarks.measuring import Round, measure
from benchmarks.processes import Program, check_of, started, whopays
from benchmarks.progress import step
from benchmarks.report import Report, environment_facts
from benchmarks.traffic import Message, ends, observing, send
from schemas.topics import Topic
from workers.roles import Role
from workers.settings import Settings

MEASURED = (
    "from SIGCONT to worker and relay, which have joined and warmed up and are then held while all commands are "
    "preloaded, until a read_committed consumer has got the last BindingChanged"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    commands: int
    organizations: int
    projects: int
    rounds: int
    one_process: bool


@dataclass(frozen=True, slots=True)
class Rebinding:
    """A command as it was sent, and what must come of it."""

    identity: str
    project: Project
    account: str
    message: Message


async def run(size: Size) -> Report:
    """Measure baseline and workload in turn. Raises BenchmarkFailed, also when a single outcome is wrong."""
    with servers() as addresses:
        async with installed(addresses) as settings:
            fleet = Fleet(size.organizations, size.projects)
            await establish(fleet, settings)
            await baseline.prepare(settings)
            topics = [settings.topic(name) for name in (baseline.COMMANDS, baseline.BINDINGS, baseline.RESULTS)]
            rounds: dict[str, list[Round]] = {"baseline": [], "rebinding": []}
            async with extra_topics(settings, *topics):
                with step("Rounds of baseline and rebinding", 2 * size.rounds) as show:
                    for number in range(size.rounds):
                        rounds["baseline"].append(await _baseline_round(fleet, settings, size))
                        show(2 * number + 1)
                        rounds["rebinding"].append(await _round(fleet, settings, size))
                        show(2 * number + 2)
            await _verify_end(settings, size)
            return Report("rebinding", MEASURED, asdict(size), await environment_facts(settings), rounds)


async def _baseline_round(fleet: Fleet, settings: Settings, size: Size) -> Round:
    messages = [
        Message(key=organization.encode(), value=fleet.bind((organization, project), account)[1].value)
        for (organization, project), account in islice(cycle(fleet.payers.items()), size.commands)
    ]
    commands, bindings = settings.topic(baseline.COMMANDS), settings.topic(baseline.BINDINGS)
    with started("baseline", ["-m", "benchmarks.baseline"], environment_of(settings)) as program:
        await _warm_up(settings, [program], commands, bindings, messages[: size.organizations])
        async with observing(settings, bindings, await ends(settings, bindings)) as observer:
            return await measure(settings, [program], commands, messages, observer)


async def _round(fleet: Fleet, settings: Settings, size: Size) -> Round:
    roles = (Role.ADMIN_COMMANDS, Role.RELAY)
    with whopays(settings, *([roles] if size.one_process else [(role,) for role in roles])) as programs:
        commands, results = settings.topic(Topic.ADMIN_COMMANDS), settings.topic(Topic.COMMAND_RESULTS)
        await _warm_up(settings, programs, commands, results, _unchanging(fleet))
        sent = _rebindings(fleet, size.commands)
        results_before = await ends(settings, results)
        bindings = settings.topic(Topic.BINDINGS)
        async with observing(settings, bindings, await ends(settings, bindings)) as observer:
            messages = [rebinding.message for rebinding in sent]
            measured = await measure(settings, programs, commands, messages, observer)
            await observer.expect_no_more(len(sent))
            _verify_bindings(sent, [record.value for record in observer.records])
        async with observing(settings, results, results_before) as observer:
            await observer.see(len(sent))
            await observer.expect_no_more(len(sent))
            _verify_results(sent, [record.value for record in observer.records])
    return measured


async def _warm_up(
    settings: Settings, programs: Sequence[Program], commands: str, results: str, messages: Sequence[Message]
) -> None:
    """Have commands answered, so that all programs have joined, connected and done everything once."""
    async with observing(settings, results, await ends(settings, results)) as observer:
        await send(settings, commands, messages)
        await observer.see(len(messages), check_of(programs))
        await observer.expect_no_more(len(messages))


def _unchanging(fleet: Fleet) -> list[Message]:
    """Give one command for each organization that names the present payer again."""
    firsts = dict(reversed(fleet.projects))
    return [fleet.bind(project, fleet.payers[project])[1] for project in firsts.items()]


def _rebindings(fleet: Fleet, commands: int) -> list[Rebinding]:
    rebindings = []
    for project in islice(cycle(fleet.projects), commands):
        account = ACCOUNTS[1 - ACCOUNTS.index(fleet.payers[project])]
        identity, message = fleet.bind(project, account)
        rebindings.append(Rebinding(identity, project, account, message))
    return rebindings


def _verify_bindings(sent: Sequence[Rebinding], values: Sequence[bytes]) -> None:
    wanted = {rebinding.identity: rebinding for rebinding in sent}
    sequences: dict[str, int] = {}
    for event in map(orjson.loads, values):
        rebinding = wanted.pop(event["causationid"], None)
        if rebinding is None:
            raise BenchmarkFailed(f"the event {event['id']} was caused by no command of the round, or twice by one")
        data, subject, sequence = event["data"], event["subject"], int(event["sequence"])
        said = ((data["organization"], data["project"]), data["change"], data["current"]["account"])
        if said != (rebinding.project, "Superseded", rebinding.account):
            raise BenchmarkFailed(f"the event {event['id']} says {said}, its command {rebinding}")
        if sequence != sequences.get(subject, sequence - 1) + 1:
            raise BenchmarkFailed(f"the event {event['id']} has the sequence {sequence} after {sequences[subject]}")
        sequences[subject] = sequence


def _verify_results(sent: Sequence[Rebinding], values: Sequence[bytes]) -> None:
    outcomes = {data["commandId"]: data["outcome"] for data in (orjson.loads(value)["data"] for value in values)}
    if set(outcomes) != {rebinding.identity for rebinding in sent}:
        raise BenchmarkFailed("the results are not one for each command of the round")
    if set(outcomes.values()) != {"Applied"}:
        raise BenchmarkFailed(f"not every command was Applied: {sorted(set(outcomes.values()))}")


async def _verify_end(settings: Settings, size: Size) -> None:
    connection = await connect(settings.database_url)
    try:
        row = await connection.fetchrow(
            "SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL), (SELECT count(*) FROM dead_letters) "
            "FROM bindings"
        )
    finally:
        await connection.close()
    wanted = (size.projects + size.rounds * size.commands, size.projects, 0)
    if tuple(row) != wanted:
        raise BenchmarkFailed(f"bindings, active ones and dead letters are {tuple(row)} in the database, not {wanted}")
