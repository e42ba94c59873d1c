"""The workload: every command makes another account of the organization the payer of a bound project.

Contenders have their rounds in turn, so that what changes on the machine meanwhile changes all alike.
"""

from dataclasses import asdict, dataclass

from benchmarks import floor, straightforward
from benchmarks.contenders import (
    floor_contender,
    measure_rebindings,
    straightforward_contender,
    whopays_contender,
)
from benchmarks.fleet import Fleet, establish
from benchmarks.installations import Servers, extra_topics, installed
from benchmarks.measuring import Round
from benchmarks.outcomes import verify_state
from benchmarks.report import Report, rate
from benchmarks.statements import logging_statements

MEASURED = (
    "from SIGCONT to the processes, which have joined and warmed up and are then held while all commands are "
    "preloaded, until a read_committed consumer has got the last BindingChanged"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; `few_commands` are those of contenders that take them one by one."""

    commands: int = 20_000
    few_commands: int = 1_000
    organizations: int = 200
    projects: int = 20_000
    rounds: int = 5


async def run(servers: Servers, size: Size) -> Report:
    """Measure all contenders. Raises BenchmarkFailed, also when a single outcome is wrong."""
    async with installed(servers) as settings:
        fleet = Fleet(size.organizations, size.projects)
        await establish(fleet, settings)
        await floor.prepare(settings)
        await straightforward.prepare(settings)
        contenders = [
            straightforward_contender(fleet, size.few_commands),
            whopays_contender(
                fleet, size.few_commands, name="batches of one", changed={"WHOPAYS_BATCH_MAX_RECORDS": "1"}
            ),
            floor_contender(fleet, size.commands),
            whopays_contender(fleet, size.commands),
        ]
        rounds: dict[str, list[Round]] = {contender.name: [] for contender in contenders}
        statements = {}
        own_topics = [settings.topic(name) for contender in contenders for name in contender.topics.own]
        async with extra_topics(settings, *own_topics):
            for number in range(1, size.rounds + 1):
                for contender in contenders:
                    title = f"Round {number} of {size.rounds}: {contender.name}"
                    rounds[contender.name].append(await measure_rebindings(title, settings, contender))
            async with logging_statements(servers, settings) as log:
                for contender in contenders if log else ():
                    counted = await measure_rebindings(
                        f"Statements: {contender.name}", settings, contender, statements=log
                    )
                    assert counted.statements is not None
                    statements[contender.name] = counted.statements / counted.commands
        await verify_state(settings, fleet)
        floor_rounds = len(rounds[floor.NAME]) + (floor.NAME in statements)
        await floor.verify(settings, floor_rounds * (size.commands + size.organizations))
    reached = rate(rounds["whopays"])
    ratios = {f"whopays / {name}": reached / rate(rounds[name]) for name in rounds if name != "whopays"}
    return Report("rebinding", MEASURED, asdict(size), rounds, statements=statements, ratios=ratios)
