"""`python -m benchmarks.log_index`: what the log's indexes cost whoever appends to it, batch by batch."""

import asyncio
import random
import statistics
import time
from datetime import UTC, datetime
from typing import Any

import typer
from sqlalchemy import text

from benchmarks.installations import installed, servers
from db.driver import driver
from db.engine import create_engine

_SHARDS, _ORGANIZATIONS, _COMMANDS = 48, 200, 500
_LOGS = ("as it is", "no asker", "no organization")
_ASKED = '{"person":"person-N","issuer":"https://login.example","roles":["project-owner","account-user"]}'
_VALUE, _HASH = b"x" * 900, b"h" * 32


def main(batches: int = 160) -> None:
    """Copy batches of 500 commands' events into logs, in turn: as it is, and without each of the two indexes.

    Without the one by who asked, that is not kept either: as it was before migration 0014.
    """
    typer.echo(asyncio.run(_run(batches)))


async def _run(batches: int) -> str:
    chance = random.Random(7)
    took: dict[str, list[float]] = {name: [] for name in _LOGS}
    with servers() as addresses:
        async with installed(addresses) as settings:
            engine = create_engine(settings.database_url)
            async with engine.begin() as connection:
                for name in took:
                    await connection.execute(text(f'CREATE TABLE "{name}" (LIKE log INCLUDING ALL)'))
                await connection.execute(text('DROP INDEX "no organization_boundary_position_idx"'))
                await connection.execute(text('DROP INDEX "no asker_boundary_expr_position_idx"'))
            positions = {name: [0] * _SHARDS for name in took}
            for number in range(batches):
                for name in sorted(took, reverse=bool(number % 2)):
                    rows = _rows(chance, positions[name], keeps_asker=name != "no asker")
                    async with engine.begin() as connection:
                        raw = await driver(connection)
                        began = time.perf_counter()
                        await raw.copy_records_to_table(name, records=rows)
                        took[name].append(time.perf_counter() - began)
            await engine.dispose()
    return ", ".join(
        f"{name}: {1000 * statistics.median(times):.2f} ms in the median, {1000 * min(times):.2f} at least"
        for name, times in took.items()
    )


def _rows(chance: random.Random, positions: list[int], *, keeps_asker: bool) -> list[tuple[Any, ...]]:
    """Return the rows of a batch of commands: of each one event and one result."""
    now, rows = datetime.now(UTC), []
    for _ in range(_COMMANDS):
        organization = chance.randrange(_ORGANIZATIONS)
        shard = organization % _SHARDS
        for topic in ("bindings", "command-results"):
            positions[shard] += 1
            asked = _ASKED.replace("N", str(chance.randrange(1000))) if keeps_asker and topic != "bindings" else None
            place = (shard, positions[shard], now, topic, b"org/project")
            rows.append((*place, _VALUE, _HASH, f"org-{organization}", asked))
    return rows


if __name__ == "__main__":
    typer.run(main)
