"""The workload: rebinding commands, decided by one, two and four worker processes beside one relay."""

from dataclasses import asdict, dataclass

from benchmarks.contenders import measure_rebindings, whopays_contender
from benchmarks.fleet import Fleet, establish
from benchmarks.installations import Servers, installed
from benchmarks.measuring import Round
from benchmarks.outcomes import verify_state
from benchmarks.report import Report, rate
from benchmarks.workloads.rebinding import MEASURED

WORKERS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    commands: int = 20_000
    organizations: int = 200
    projects: int = 20_000
    rounds: int = 5


async def run(servers: Servers, size: Size) -> Report:
    """Measure each number of workers in turn. Raises BenchmarkFailed, also when a single outcome is wrong."""
    async with installed(servers) as settings:
        fleet = Fleet(size.organizations, size.projects)
        await establish(fleet, settings)
        contenders = [
            whopays_contender(fleet, size.commands, name=_name(workers), workers=workers) for workers in WORKERS
        ]
        rounds: dict[str, list[Round]] = {contender.name: [] for contender in contenders}
        for number in range(1, size.rounds + 1):
            for contender in contenders:
                title = f"Round {number} of {size.rounds}: {contender.name}"
                rounds[contender.name].append(await measure_rebindings(title, settings, contender))
        await verify_state(settings, fleet)
    one, *more = rounds
    ratios = {f"{name} / {one}": rate(rounds[name]) / rate(rounds[one]) for name in more}
    return Report("processes", MEASURED, asdict(size), rounds, ratios=ratios)


def _name(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"
