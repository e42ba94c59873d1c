"""`python -m benchmarks.forgotten`: what it costs that the ids of a year of forgotten commands keep their meaning.

The size of what is kept; the time of a batch's claims, with nothing forgotten and with all of it; and a lookup of 500
ids in one key, as it is, and in a partition for each month.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import asyncpg
import typer

from benchmarks.installations import connect, installed, servers

_IDS, _MONTHS, _PIECE = 500, 12, 500_000
_FILL = """
    INSERT INTO {table} SELECT place, place % 48, substr(digest, 1, 24), substr(digest, 25, 8) {month}
    FROM (SELECT place, sha256(int8send(place)) AS digest FROM generate_series($1::bigint, $2::bigint) AS place) AS made
"""
_LOOK_UP = """
    SELECT count(*) FROM unnest($1::bytea[]) AS named(digest) JOIN {table} USING (digest)
"""


def main(commands: int = 10_000_000, rounds: int = 40) -> None:
    """Fill an installation with so many forgotten commands, and measure."""
    typer.echo(asyncio.run(_run(commands, rounds)))


async def _run(commands: int, rounds: int) -> str:
    with servers() as addresses:
        async with installed(addresses) as settings:
            connection = await connect(settings.database_url)
            try:
                return "\n".join([line async for line in _measured(connection, commands, rounds)])
            finally:
                await connection.close()


async def _measured(connection: "asyncpg.Connection[asyncpg.Record]", commands: int, rounds: int) -> AsyncIterator[str]:
    for name in ("enable_hashjoin", "enable_mergejoin", "enable_seqscan"):
        await connection.execute(f"SET {name} = off")
    yield f"500 claims, nothing forgotten: {await _median(rounds, partial(_claim, connection))}"
    await connection.execute(
        "CREATE TABLE by_month (LIKE forgotten_commands, month smallint) PARTITION BY LIST (month)"
    )
    for month in range(_MONTHS):
        await connection.execute(f"CREATE TABLE month_{month} PARTITION OF by_month FOR VALUES IN ({month})")
        await connection.execute(f"CREATE UNIQUE INDEX ON month_{month} (digest)")
    for first in range(0, commands, _PIECE):
        last = min(first + _PIECE, commands) - 1
        of_month = f", {first * _MONTHS // commands}"
        for table, more in (("forgotten_commands", ""), ("by_month", of_month)):
            await connection.execute(_FILL.format(table=table, month=more), first, last, timeout=600)
    await connection.execute("VACUUM (ANALYZE) forgotten_commands, by_month", timeout=600)
    size = await connection.fetchval("SELECT pg_total_relation_size('forgotten_commands')")
    index = await connection.fetchval("SELECT pg_relation_size('forgotten_commands_pkey')")
    each, of_index = size / commands, index / commands
    yield f"{commands:,} forgotten: {size / 1e9:.2f} GB, {each:.0f} bytes each, {of_index:.0f} of them in the index"
    yield f"500 claims, {commands:,} forgotten: {await _median(rounds, partial(_claim, connection))}"
    for table, words in (("forgotten_commands", "one key"), ("by_month", f"{_MONTHS} months")):
        statement = _LOOK_UP.format(table=table)
        yield f"500 ids looked up, {words}: {await _median(rounds, partial(_look_up, connection, statement))}"


async def _claim(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    named = ("Applied", "p", "a")
    rows = [("acme", "/bench", os.urandom(12).hex(), os.urandom(32), n % 48, n, *named) for n in range(_IDS)]
    transaction = connection.transaction()
    await transaction.start()
    await connection.copy_records_to_table("inbox", records=rows)
    await transaction.rollback()


async def _look_up(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> None:
    assert await connection.fetchval(statement, [os.urandom(24) for _ in range(_IDS)]) == 0


async def _median(rounds: int, measured: Callable[[], Awaitable[None]]) -> str:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        await measured()
        took.append(time.perf_counter() - began)
    return f"{1000 * statistics.median(took):.2f} ms in the median, {1000 * min(took):.2f} at least"


if __name__ == "__main__":
    typer.run(main)
