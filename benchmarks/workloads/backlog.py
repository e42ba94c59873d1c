"""The workload: a long backlog of rebinding commands, read from its beginning by processes that start after it."""

from dataclasses import asdict, dataclass
from itertools import cycle, islice

from benchmarks.fleet import Fleet, establish
from benchmarks.installations import Servers, installed
from benchmarks.measuring import measure_held
from benchmarks.outcomes import Wanted, verify_bindings, verify_results, verify_state
from benchmarks.processes import whopays
from benchmarks.progress import step
from benchmarks.report import Report
from benchmarks.traffic import ends, observing, records_since, send
from schemas.topics import Topic
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

MEASURED = (
    "from when relay and worker, started after all commands were sent, say that they have started (they join and warm "
    "up within the time that is measured) until a read_committed consumer has got the last BindingChanged"
)
_PIECE = 20_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    commands: int = 500_000
    organizations: int = 200
    projects: int = 20_000


async def run(servers: Servers, size: Size) -> Report:
    """Measure the backlog once. Raises BenchmarkFailed, also when a single outcome is wrong."""
    async with installed(servers) as settings:
        fleet = Fleet(size.organizations, size.projects)
        await establish(fleet, settings)
        bindings, results = settings.topic(Topic.BINDINGS), settings.topic(Topic.COMMAND_RESULTS)
        wanted = await _send(fleet, settings, size.commands)
        since, results_since = await ends(settings, bindings), await ends(settings, results)
        async with observing(settings, bindings, since, keep=False) as observer:
            with whopays(settings, (Role.RELAY,), (Role.ADMIN_COMMANDS,)) as programs:
                measured = await measure_held("Backlog", settings, programs, size.commands, observer, size.commands)
                await observer.expect_no_more(size.commands)
                async with observing(settings, results, results_since, keep=False) as answered:
                    await answered.see(size.commands)
                    await answered.expect_no_more(size.commands)
        await verify_bindings(wanted, records_since(settings, since))
        await verify_results(dict.fromkeys(wanted, "Applied"), records_since(settings, results_since))
        await verify_state(settings, fleet)
    return Report("backlog", MEASURED, asdict(size), {"whopays": [measured]})


async def _send(fleet: Fleet, settings: Settings, commands: int) -> Wanted:
    """Send rebindings in pieces, which are forgotten when sent, and return what must come of them."""
    wanted: Wanted = {}
    projects = cycle(fleet.projects)
    with step("Commands sent", commands) as show:
        while len(wanted) < commands:
            piece = [fleet.rebind(project) for project in islice(projects, min(_PIECE, commands - len(wanted)))]
            await send(settings, settings.topic(Topic.ADMIN_COMMANDS), [rebinding.message for rebinding in piece])
            wanted |= {rebinding.identity: (rebinding.project, rebinding.account) for rebinding in piece}
            show(len(wanted))
    return wanted
