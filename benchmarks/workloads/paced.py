"""The workload: rebinding commands at a pace, at a small and at half of the load that whopays can bear.

Beside each, in the same run and at the same pace, the bare loop: what producing in Kafka transactions and consuming
takes.
"""

from dataclasses import asdict, dataclass

from benchmarks import bare
from benchmarks.bare import bare_times
from benchmarks.contenders import measure_rebindings, warm_up, whopays_contender
from benchmarks.fleet import Fleet, establish
from benchmarks.installations import Servers, extra_topics, installed
from benchmarks.measuring import processes_of
from benchmarks.outcomes import each, verify_bindings, verify_state, wanted_of
from benchmarks.pacing import Acknowledged, keep_pace, latency_of, seeing, seen_at, times_of, undisturbed
from benchmarks.processes import check_of
from benchmarks.progress import step
from benchmarks.report import Report
from benchmarks.traffic import ends, observing, producing
from benchmarks.usage import Usage, metered
from workers.runtime.settings import Settings

MEASURED = (
    "from the broker's acknowledgement of a command until a read_committed consumer in the same process has got its "
    "BindingChanged; in the bare loop from handing over to the transactional producer; the first seconds do not count"
)
_WARM_UP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; `loads` are parts of `reached`, the commands per second that whopays bears.

    Without `reached` a round of `commands` preloaded ones measures it first.
    """

    seconds: float = 20.0
    loads: tuple[float, float] = (0.1, 0.5)
    reached: float | None = None
    commands: int = 20_000
    organizations: int = 200
    projects: int = 20_000


async def run(servers: Servers, size: Size) -> Report:
    """Measure each load. Raises BenchmarkFailed, also when a single outcome is wrong."""
    latencies, usage, ratios = {}, {}, {}
    async with (
        installed(servers) as settings,
        extra_topics(settings, settings.topic(bare.BINDINGS), settings.topic(bare.RESULTS)),
    ):
        fleet = Fleet(size.organizations, size.projects)
        await establish(fleet, settings)
        reached = size.reached
        if reached is None:
            contender = whopays_contender(fleet, size.commands)
            reached = (await measure_rebindings("What can be borne", settings, contender)).per_second
        for load in size.loads:
            per_second = reached * load
            skipped = round(_WARM_UP_SECONDS * per_second)
            items = skipped + round(size.seconds * per_second)
            name, bare_name = f"whopays at {load:.0%}", f"bare at {load:.0%}"
            with step(f"{per_second:,.0f} commands per second", 2) as show:
                times = await bare_times(settings, items, per_second)
                latencies[bare_name] = latency_of(times[skipped:])
                show(1)
                times, usage[name] = await _whopays_times(fleet, settings, items, per_second)
                latencies[name] = latency_of(times[skipped:])
                show(2)
            ours, theirs = latencies[name], latencies[bare_name]
            ratios[f"median, {name} / bare"] = ours.median / theirs.median
            ratios[f"99 %, {name} / bare"] = ours.p99 / theirs.p99
        await verify_state(settings, fleet)
    described = asdict(size) | {"reached": round(reached)}
    return Report("paced", MEASURED, described, latencies=latencies, usage=usage, ratios=ratios)


async def _whopays_times(
    fleet: Fleet, settings: Settings, items: int, per_second: float
) -> tuple[list[float], dict[str, Usage]]:
    """Return the seconds that each command took, in the order of acknowledgement, and what it took of the processes."""
    contender = whopays_contender(fleet, items)
    commands, bindings, results = (
        settings.topic(name)
        for name in (contender.topics.commands, contender.topics.bindings, contender.topics.results)
    )
    with contender.start(settings) as programs:
        await warm_up(settings, programs, commands, results, fleet.unchanging())
        sent = fleet.rebindings(items)
        async with (
            observing(settings, bindings, await ends(settings, bindings)) as observer,
            producing(settings) as producer,
            metered(processes_of(programs)) as usage,
        ):
            acknowledged = Acknowledged(producer, commands, sent)
            with undisturbed():
                async with seeing(observer, items, check_of(programs)):
                    await keep_pace(items, per_second, acknowledged.send)
        await verify_bindings(wanted_of(sent), each(observer.records))
    return list(times_of(acknowledged.at, seen_at(observer)).values()), usage
