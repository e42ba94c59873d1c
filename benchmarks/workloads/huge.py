"""The workload: one huge organization with a backlog of rebindings, beside many small ones that send a few.

The small ones fall into three groups: those in the huge one's shard (which have one writer with it), those in its
partition but in other shards, and those in other partitions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count

from benchmarks.contenders import warm_up, whopays_contender
from benchmarks.fleet import Fleet, Project, Rebinding, establish
from benchmarks.installations import Servers, installed
from benchmarks.measuring import hold, processes_of
from benchmarks.outcomes import each, verify_bindings, verify_state, wanted_of
from benchmarks.pacing import Acknowledged, keep_pace, latency_of, seeing, seen_at, times_of, undisturbed
from benchmarks.processes import Program, check_of
from benchmarks.progress import step
from benchmarks.report import Report
from benchmarks.traffic import ends, observing, producing
from benchmarks.usage import Usage, metered
from db.placing import shard_of
from schemas.topics import Topic
from workers.runtime.settings import Settings

MEASURED = (
    "from the broker's acknowledgement of a small organization's command until a read_committed consumer in the same "
    "process has got its BindingChanged; alone, and while the huge organization's backlog is worked off"
)
ALONE, BESIDE = "alone", "beside the huge one"
_PROJECTS_OF_A_SMALL_ONE = 5


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; `small` organizations in each of the three groups, sending `per_second` in all."""

    commands: int = 50_000
    projects: int = 5_000
    small: int = 8
    per_second: float = 200.0
    seconds: float = 10.0
    rounds: int = 5


@dataclass(frozen=True, slots=True)
class _Population:
    fleet: Fleet
    huge: Sequence[Project]
    small: Mapping[str, Sequence[Project]]


async def run(servers: Servers, size: Size) -> Report:
    """Measure the small ones alone and beside the huge one, in turn. Raises BenchmarkFailed."""
    async with installed(servers) as settings:
        population = _population(settings, size)
        fleet = population.fleet
        await establish(fleet, settings)
        groups = {project: group for group, projects in population.small.items() for project in projects}
        times: dict[str, list[float]] = {
            f"{group}, {when}": [] for group in population.small for when in (ALONE, BESIDE)
        }
        usage = {}
        contender = whopays_contender(fleet, size.commands)
        commands, results = settings.topic(Topic.ADMIN_COMMANDS), settings.topic(Topic.COMMAND_RESULTS)
        with contender.start(settings) as programs, step("Rounds alone and beside", 2 * size.rounds) as show:
            await warm_up(settings, programs, commands, results, fleet.unchanging())
            for number in range(2 * size.rounds):
                when = BESIDE if number % 2 else ALONE
                backlog = fleet.rebindings(size.commands, population.huge) if when == BESIDE else []
                small = fleet.rebindings(round(size.seconds * size.per_second), groups)
                seconds, usage[when] = await _measure(settings, programs, backlog, small, size.per_second)
                for rebinding in small:
                    if rebinding.identity in seconds:
                        times[f"{groups[rebinding.project]}, {when}"].append(seconds[rebinding.identity])
                show(number + 1)
        await verify_state(settings, fleet)
    latencies = {name: latency_of(found) for name, found in times.items()}
    ratios = {}
    for group in population.small:
        alone, beside = latencies[f"{group}, {ALONE}"], latencies[f"{group}, {BESIDE}"]
        ratios[f"median, {group}, {BESIDE} / {ALONE}"] = beside.median / alone.median
        ratios[f"99 %, {group}, {BESIDE} / {ALONE}"] = beside.p99 / alone.p99
    return Report("huge", MEASURED, asdict(size), latencies=latencies, usage=usage, ratios=ratios)


def _population(settings: Settings, size: Size) -> _Population:
    fleet = Fleet(1, size.projects)
    huge = list(fleet.projects)
    shard = shard_of(fleet.organizations[0], settings.shards)
    partition = shard_of(fleet.organizations[0], settings.topic_partitions)

    def group_of(name: str) -> str:
        if shard_of(name, settings.shards) == shard:
            return "same shard"
        return "same partition" if shard_of(name, settings.topic_partitions) == partition else "other partitions"

    small: dict[str, list[Project]] = {"same shard": [], "same partition": [], "other partitions": []}
    for name in (f"small-{number:05}" for number in count()):
        projects = small[group_of(name)]
        if len(projects) < size.small * _PROJECTS_OF_A_SMALL_ONE:
            projects += fleet.add(name, _PROJECTS_OF_A_SMALL_ONE)
        elif all(len(projects) == size.small * _PROJECTS_OF_A_SMALL_ONE for projects in small.values()):
            break
    return _Population(fleet, huge, small)


async def _measure(
    settings: Settings,
    programs: Sequence[Program],
    backlog: Sequence[Rebinding],
    small: Sequence[Rebinding],
    per_second: float,
) -> tuple[dict[str, float], dict[str, Usage]]:
    """Return by id the seconds of the small ones' commands, and what it took of the processes.

    Where there is a backlog, only those count which were acknowledged while it lasted.
    """
    commands, bindings = settings.topic(Topic.ADMIN_COMMANDS), settings.topic(Topic.BINDINGS)
    events = len(backlog) + len(small)
    async with (
        observing(settings, bindings, await ends(settings, bindings)) as observer,
        producing(settings) as producer,
    ):
        await hold(settings, programs, {commands: [rebinding.message for rebinding in backlog]})
        acknowledged = Acknowledged(producer, commands, small)
        async with metered(processes_of(programs)) as usage:
            with undisturbed():
                for program in programs:
                    program.let_go()
                async with seeing(observer, events, check_of(programs)):
                    await keep_pace(len(small), per_second, acknowledged.send)
        await observer.expect_no_more(events)
        await verify_bindings(wanted_of([*backlog, *small]), each(observer.records))
        seen = seen_at(observer)
    over = max((seen[rebinding.identity] for rebinding in backlog), default=float("inf"))
    times = times_of(acknowledged.at, seen)
    return {identity: times[identity] for identity, at in acknowledged.at.items() if at < over}, usage
