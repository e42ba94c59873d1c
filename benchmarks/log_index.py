"""`python -m benchmarks.log_index`: what the index by organization costs whoever appends to the log, batch by batch."""

import asyncio
import random
import statistics
import time
from datetime import UTC, datetime
from typing import Any

import typer
from sqlalchemy import text

from benchmarks.installations import installed, servers
from db.engine import create_engine, driver

_SHARDS, _ORGANIZATIONS, _COMMANDS = 48, 200, 500
_VALUE, _HASH = b"x" * 900, b"h" * 32


def main(batches: int = 160) -> None:
    """Copy batches of 500 commands' events into the log with the index and without it, in turn."""
    typer.echo(asyncio.run(_run(batches)))


async def _run(batches: int) -> str:
    chance = random.Random(7)
    took: dict[str, list[float]] = {"with": [], "without": []}
    with servers() as addresses:
        async with installed(addresses) as settings:
            engine = create_engine(settings.database_url)
            async with engine.begin() as connection:
                for name in took:
                    await connection.execute(text(f'CREATE TABLE "{name}" (LIKE log INCLUDING ALL)'))
                await connection.execute(text('DROP INDEX "without_boundary_position_idx"'))
            positions = {name: [0] * _SHARDS for name in took}
            for number in range(batches):
                for name in sorted(took, reverse=bool(number % 2)):
                    rows = _rows(chance, positions[name])
                    async with engine.begin() as connection:
                        raw = await driver(connection)
                        began = time.perf_counter()
                        await raw.copy_records_to_table(name, records=rows)
                        took[name].append(time.perf_counter() - began)
            await engine.dispose()
    return ", ".join(
        f"{name} the index {1000 * statistics.median(times):.2f} ms in the median, {1000 * min(times):.2f} at least"
        for name, times in took.items()
    )


def _rows(chance: random.Random, positions: list[int]) -> list[tuple[Any, ...]]:
    """Return the rows of a batch of commands: of each one event and one result."""
    now, rows = datetime.now(UTC), []
    for _ in range(_COMMANDS):
        organization = chance.randrange(_ORGANIZATIONS)
        shard = organization % _SHARDS
        for topic in ("bindings", "command-results"):
            positions[shard] += 1
            rows.append((shard, positions[shard], now, topic, b"org/project", _VALUE, _HASH, f"org-{organization}"))
    return rows


if __name__ == "__main__":
    typer.run(main)
