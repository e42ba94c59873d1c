"""`python -m benchmarks.resharding`: how long `whopays reshard` takes, by how much was said before."""

import asyncio
import time
from typing import Annotated

import typer

from benchmarks.installations import installed, servers
from benchmarks.replaying import fill
from db.engine import create_engine
from db.resharding import reshard
from db.shards import all_heads
from workers.publishing.takeover import bounds

program = typer.Typer(pretty_exceptions_enable=False)


@program.command()
def main(events: Annotated[int, typer.Option(min=1_000, help="Events of the log.")] = 1_000_000) -> None:
    """Measure the transaction, on a log that is filled by SQL."""
    for count in (1_000, events):
        seconds = asyncio.run(_run(count))
        typer.echo(f"{count:,} events, from 48 shards to 7 and to 96: {' and '.join(f'{s:.3f} s' for s in seconds)}")


async def _run(events: int) -> list[float]:
    with servers() as addresses:
        async with installed(addresses) as settings:
            engine = create_engine(settings.database_url)
            try:
                await fill(engine, settings.shards, events, 1_200)
                seconds = []
                for shards in (7, 96):
                    began = time.monotonic()
                    await reshard(engine, settings.installation, shards, await bounds(engine))
                    seconds.append(time.monotonic() - began)
                async with engine.connect() as connection:
                    assert len(await all_heads(connection)) == settings.shards + 7 + 96
                return seconds
            finally:
                await engine.dispose()


if __name__ == "__main__":
    program()
