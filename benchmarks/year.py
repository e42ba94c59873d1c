"""`python -m benchmarks.year --minutes N`: a year of commands in N minutes, and the sizes of tables month by month.

A command is old after two months, which are as much shorter as the year is; an input topic keeps a month. Of the
commands nine in ten rebind a project, one is a dry run, which claims no id. In each month a hundred commands of the
month before last, which are forgotten, are sent again: nothing may come of them.
"""

import asyncio
import time
from typing import Annotated

import asyncpg
import typer
from aiokafka.admin.records_to_delete import RecordsToDelete

from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import Fleet, establish
from benchmarks.installations import connect, installed, servers
from benchmarks.outcomes import verify_state
from benchmarks.processes import Program, check_of, whopays
from benchmarks.traffic import Message, ends, send
from schemas.topics import Topic
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.cluster import administration

_MONTHS, _KEPT_MONTHS, _AGAIN = 12, 2, 100
_DAY_SECONDS = 86_400
_TABLES = ("inbox", "forgotten_commands", "handled_records", "read_ahead", "shards", "projects", "bindings", "log")
_PIECE = 200


def main(
    minutes: Annotated[float, typer.Option(min=0.5)] = 60.0,
    per_second: Annotated[int, typer.Option(min=1, help="Commands a second.")] = 300,
    organizations: int = 50,
    projects: int = 2_000,
) -> None:
    """Live a year, and print a line a month."""
    asyncio.run(_run(minutes, per_second, Fleet(organizations, projects)))


async def _run(minutes: float, per_second: int, fleet: Fleet) -> None:
    month_seconds = 60 * minutes / _MONTHS
    changed = {
        "WHOPAYS_KEEP_COMMANDS_DAYS": str(_KEPT_MONTHS * month_seconds / _DAY_SECONDS),
        "WHOPAYS_MAINTENANCE_SECONDS": str(min(60.0, month_seconds / 30)),
    }
    with servers() as addresses:
        async with installed(addresses) as settings:
            await establish(fleet, settings)
            connection = await connect(settings.database_url)
            try:
                roles = ((Role.ADMIN_COMMANDS,), (Role.RELAY,), (Role.MAINTENANCE,))
                with whopays(settings, *roles, changed=changed) as programs:
                    await _live(settings, fleet, connection, programs, month_seconds, per_second)
                await verify_state(settings, fleet)
            finally:
                await connection.close()


async def _live(
    settings: Settings,
    fleet: Fleet,
    connection: "asyncpg.Connection[asyncpg.Record]",
    programs: list[Program],
    month_seconds: float,
    per_second: int,
) -> None:
    topic, old = settings.topic(Topic.ADMIN_COMMANDS), list[list[Message]]()
    typer.echo("month commands " + " ".join(f"{table:>24}" for table in _TABLES))
    sent = 0
    for month in range(_MONTHS):
        until, firsts = time.monotonic() + month_seconds, list[Message]()
        while time.monotonic() < until:
            began = time.monotonic()
            made = [one.message for one in fleet.rebindings(_PIECE - _PIECE // 10)]
            firsts = firsts or made[:_AGAIN]
            dry = [_dry(fleet, number) for number in range(_PIECE // 10)]
            await send(settings, topic, [*made, *dry])
            sent += _PIECE
            check_of(programs)()
            await asyncio.sleep(max(0.0, _PIECE / per_second - (time.monotonic() - began)))
        old.append(firsts)
        if month > _KEPT_MONTHS:
            await send(settings, topic, old[month - _KEPT_MONTHS - 1])
        await _decided(settings, connection)
        typer.echo(f"{month + 1:5} {sent:8} " + " ".join([f"{await _size(connection, one):>24}" for one in _TABLES]))
        await _delete_input(settings, topic)


def _dry(fleet: Fleet, number: int) -> Message:
    organization, project = fleet.projects[number % len(fleet.projects)]
    data = {"organization": organization, "project": project, "account": fleet.payers[organization, project]}
    return fleet.message("BindProject", data | {"dryRun": True})[1]


async def _decided(settings: Settings, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Wait until all that was sent is decided."""
    topic = settings.topic(Topic.ADMIN_COMMANDS)
    wanted = sum((await ends(settings, topic)).values())
    deadline = time.monotonic() + 120
    while (await connection.fetchval(_READ, topic)) < wanted:
        if time.monotonic() > deadline:
            raise BenchmarkFailed("what was sent is not decided within two minutes: ask for fewer commands a second")
        await asyncio.sleep(0.1)


async def _delete_input(settings: Settings, topic: str) -> None:
    """Delete what was read, as the topic's retention does."""
    async with administration(settings) as admin:
        found = await ends(settings, topic)
        await admin.delete_records({one: RecordsToDelete(end) for one, end in found.items() if end})


async def _size(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> str:
    """Return rows, and megabytes of the table and of its indexes."""
    rows, heap, indexes = await connection.fetchrow(_SIZE.replace("TABLE", table)) or (0, 0, 0)
    return f"{rows} {heap / 1e6:.1f}+{indexes / 1e6:.1f} MB"


_READ = "SELECT coalesce(sum(next_offset), 0) FROM reading_positions WHERE topic = $1"
_SIZE = """
    SELECT (SELECT count(*) FROM TABLE), CAST(sum(pg_table_size(relid)) AS bigint),
        CAST(sum(pg_indexes_size(relid)) AS bigint)
    FROM (SELECT relid FROM pg_partition_tree('TABLE') UNION SELECT CAST('TABLE' AS regclass)) AS part(relid)
"""

if __name__ == "__main__":
    typer.run(main)
