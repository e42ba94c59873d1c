"""`python -m benchmarks.watermarks`: what closing idle shards, and writing watermarks, costs while nothing happens."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import psutil
import typer

from benchmarks.installations import installed, servers
from benchmarks.usage import OTHERS, metered, server_processes
from db.engine import create_engine
from db.raising import raise_idle
from db.shards import all_heads
from schemas.topics import Topic
from workers.publishing.dividing import transactional_id
from workers.publishing.idle import RAISE_SECONDS
from workers.publishing.positions import Kept
from workers.publishing.producer import TransactionalProducer
from workers.publishing.watermarks import BUSY_SECONDS, IDLE_SECONDS, Watermarks
from workers.runtime.settings import Settings

_DAY_SECONDS = 86_400
_MARKER_BYTES = 78
"""What the end of a transaction takes in each partition that it wrote to."""


def main(times: Annotated[int, typer.Option(min=1, help="How often each is done.")] = 300) -> None:
    """Print what each takes once, and what an idle installation takes of it."""
    asyncio.run(_run(times))


async def _run(times: int) -> None:
    with servers() as addresses:
        async with installed(addresses) as settings:
            await _measure(settings, times)


async def _measure(settings: Settings, times: int) -> None:
    processes = {"whopays": psutil.Process(), **server_processes()}
    engine = create_engine(settings.database_url)
    producer = TransactionalProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=transactional_id(settings)
    )
    try:
        await producer.start()
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            async with metered(processes) as raising:
                for _ in range(times):
                    await raise_idle(connection, datetime.now(UTC))
            watermarks = Watermarks(settings, Kept(), [10**6] * settings.topic_partitions)
            written = 0
            async with metered(processes) as writing:
                for _ in range(times):
                    await raise_idle(connection, datetime.now(UTC))
                    watermarks.see(await all_heads(connection))
                    watermarks.count({})
                    watermark = await watermarks.next(producer)
                    assert watermark is not None
                    batches = watermarks.batches(producer, watermark)
                    await producer.begin_transaction()
                    sent = [await producer.send_batch(one, topic, partition=part) for (topic, part), one in batches]
                    await asyncio.gather(*sent)
                    await producer.commit_transaction()
                    watermarks.written(watermark)
                    written += batches[0][1].size() + _MARKER_BYTES
    finally:
        await producer.stop()
        await engine.dispose()
    idle = 0.0
    print(f"{'CPU, milliseconds':24}{'raising':>10}{'a watermark':>14}")
    for name in processes:
        once = raising[name].cpu_seconds / times
        transaction = writing[name].cpu_seconds / times - once
        idle += once / RAISE_SECONDS + transaction / IDLE_SECONDS
        print(f"{name:24}{1000 * once:10.2f}{1000 * transaction:14.2f}")
    print(f"idle: {100 * idle:.2f} % of a core, servers included")
    for words, seconds in (("idle", IDLE_SECONDS), ("busy", BUSY_SECONDS)):
        megabytes = written / times * _DAY_SECONDS / seconds / 1e6
        print(f"{words}: {megabytes:.1f} MB a day to {Topic.WATERMARKS}, of {settings.topic_partitions} partitions")
    print(f"the machine did {writing[OTHERS].cpu_seconds:.1f} s of other work meanwhile")


if __name__ == "__main__":
    typer.run(main)
