"""`whopays tail`: follows what is published, one readable line per event."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any

import orjson
import typer
from aiokafka import AIOKafkaConsumer

from cli.terminal.describing import event_line
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.names import topic_named
from cli.terminal.output import AsJson, print_json_line
from cli.terminal.screen import console, put
from schemas.topics import OUTPUT_TOPICS, Topic
from workers.runtime.settings import Settings
from workers.topics.cluster import administration, partitions_of

_POLL_MS = 200


def tail(
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest event that is kept.")
    ] = False,
    topics: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            metavar="NAME",
            help="Only this output topic, with or without its prefix; may be repeated.",
            show_default="all",
        ),
    ] = None,
    organization: Annotated[str | None, typer.Option(help="Only events of this organization.")] = None,
    max_: Annotated[int | None, typer.Option("--max", min=1, help="End after so many events.")] = None,
    as_json: AsJson = False,
) -> None:
    """Follow the published events until Ctrl-C.

    Only what is committed is read. With --json: one event a line.
    """
    settings = load_settings()
    wanted = [topic_named(word, settings, OUTPUT_TOPICS, "output") for word in topics or OUTPUT_TOPICS]
    screen = console()

    async def follow() -> None:
        left = max_
        async with aclosing(events(settings, wanted, from_beginning=from_beginning)) as published:
            async for event in published:
                if organization is not None and event["data"].get("organization") != organization:
                    continue
                if as_json:
                    print_json_line(event)
                else:
                    put(screen, event_line(event))
                if left is not None:
                    left -= 1
                    if left == 0:
                        return

    try:
        with reaching(settings):
            asyncio.run(follow())
    except KeyboardInterrupt:
        return


async def events(
    settings: Settings, topics: Sequence[Topic], *, from_beginning: bool
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of topics as they are published, read committed."""
    async with administration(settings) as admin:
        partitions = await partitions_of(admin, [settings.topic(topic) for topic in topics])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        if from_beginning:
            await consumer.seek_to_beginning()
        else:
            await consumer.seek_to_end()
        while True:
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            read = [orjson.loads(record.value) for records in batches.values() for record in records]
            # Partitions know no order among each other; what is read together is told in the order it happened.
            for event in sorted(read, key=order):
                yield event
    finally:
        await consumer.stop()


def order(event: Mapping[str, Any]) -> tuple[str, int, int]:
    """Return what events are sorted by: their instant, then their place in the log."""
    shard, position = event["id"].split("-")
    return event["time"], int(shard), int(position)
