"""The workload: rebinding commands for the same projects, in a database with more and more other, bound projects.

The smallest number of projects is brought about through the service. The others are copies, made by statements of the
database, of what the service made for one of these: a row of `projects`, of `bindings` and of `inbox` each, spread over
the same organizations, under names of their own and under all constraints. Their part of the log, which is published
and which nobody reads again, is left out. Then the tables are analyzed.
"""

from dataclasses import asdict, dataclass

import asyncpg

from benchmarks.contenders import measure_rebindings, whopays_contender
from benchmarks.fleet import Fleet, Project, establish
from benchmarks.installations import Servers, columns_of, connect, installed
from benchmarks.measuring import Round
from benchmarks.outcomes import verify_state
from benchmarks.progress import step
from benchmarks.report import Report, peak_bytes, rate
from benchmarks.workloads.rebinding import MEASURED
from db.rows import REPORTED_COLUMNS
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_PIECE = 50_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; the smallest number of projects is that of those which are rebound."""

    commands: int = 20_000
    organizations: int = 200
    projects: tuple[int, int, int] = (10_000, 100_000, 1_000_000)
    rounds: int = 5


async def run(servers: Servers, size: Size) -> Report:
    """Measure each number of projects, in rising order. Raises BenchmarkFailed, also when a single outcome is wrong."""
    sizes = sorted(size.projects)
    async with installed(servers) as settings:
        fleet = Fleet(size.organizations, sizes[0])
        # The last one is never rebound: it is what the others are copies of.
        *rebound, model = fleet.projects
        await establish(fleet, settings)
        contender = whopays_contender(fleet, size.commands)
        rounds: dict[str, list[Round]] = {}
        for projects in sizes:
            await _grow(settings, fleet, model, projects)
            name = f"{projects:,} projects"
            rounds[name] = [
                await measure_rebindings(
                    f"Round {number} of {size.rounds}: {name}", settings, contender, projects=rebound
                )
                for number in range(1, size.rounds + 1)
            ]
            await verify_state(settings, fleet, idle_projects=projects - len(fleet.projects))
    smallest, *larger = rounds
    ratios = {f"{name} / {smallest}": rate(rounds[name]) / rate(rounds[smallest]) for name in larger}
    ratios |= {
        f"worker memory, {name} / {smallest}": _memory(rounds[name]) / _memory(rounds[smallest]) for name in larger
    }
    return Report("growth", MEASURED, asdict(size), rounds, ratios=ratios)


def _memory(rounds: list[Round]) -> int:
    return peak_bytes(rounds, Role.ADMIN_COMMANDS)


async def _grow(settings: Settings, fleet: Fleet, model: Project, projects: int) -> None:
    """Add copies of the model until there are so many projects, and leave nothing for the server to tidy up later."""
    connection = await connect(settings.database_url)
    try:
        there = int(await connection.fetchval("SELECT count(*) FROM projects"))
        copies = [await _copy(connection, table, model, len(fleet.organizations)) for table in _NAMES]
        with step("Projects added", projects - there) as show:
            for first in range(there, projects, _PIECE):
                last = min(first + _PIECE, projects) - 1
                async with connection.transaction():
                    for statement in copies:
                        await connection.execute(statement, first, last)
                show(last + 1 - there)
        await connection.execute("VACUUM (ANALYZE)", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()


async def _copy(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, model: Project, organizations: int
) -> str:
    """Return the statement that copies the model's row of a table under the names of projects $1 to $2."""
    # Who pays follows from the bindings, which move the heads of the projects.
    columns = REPORTED_COLUMNS if table == "projects" else await columns_of(connection, table)
    names = _NAMES[table] | {"organization": f"'organization-' || lpad((place % {organizations})::text, 5, '0')"}
    copied = ", ".join(names.get(column, f'model."{column}"') for column in columns)
    which = f"organization = '{model[0]}'" + (f" AND project = '{model[1]}'" if "project" in columns else "")
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {copied} "  # noqa: S608 (names of our own)
        f"FROM generate_series($1::integer, $2::integer) AS place, "
        f"(SELECT * FROM {table} WHERE {which} LIMIT 1) AS model"
    )


_PROJECT = {"project": "'project-' || lpad(place::text, 7, '0')"}
_NAMES = {
    "projects": _PROJECT,
    "bindings": _PROJECT,
    "inbox": {"command_id": "'Copied-' || lpad(place::text, 13, '0')"},
}
"""The columns besides the organization that tell a copy from its model, by table."""
