"""`whopays tail`: follows the published events, one readable line per event."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from cli.terminal.describing import event_line
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.names import topic_named
from cli.terminal.output import print_json_line
from cli.terminal.screen import console, put
from schemas.topics import OUTPUT_TOPICS, Topic
from workers.runtime.kafka import kafka_reading_options
from workers.runtime.settings import Settings
from workers.topics.cluster import administration, partitions_of

_POLL_MS = 200


def tail(
    *, from_beginning: bool, topics: list[str] | None, organization: str | None, max_: int | None, as_json: bool
) -> None:
    """Follow the published events until Ctrl-C."""
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
    """Yield the events of topics as they are published, with `read_committed`."""
    async with administration(settings) as admin:
        partitions = await partitions_of(admin, [settings.topic(topic) for topic in topics])
    consumer = AIOKafkaConsumer(**kafka_reading_options(settings))
    try:
        await consumer.start()
        consumer.assign(partitions)
        if not from_beginning:
            await consumer.seek_to_end()
        while True:
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            read = [orjson.loads(record.value) for records in batches.values() for record in records]
            # There is no order across partitions; events fetched together are sorted into the order they happened in.
            for event in sorted(read, key=order):
                yield event
    finally:
        await consumer.stop()


def order(event: Mapping[str, Any]) -> tuple[str, int, int]:
    """Return the sort key of an event: its instant, then its place in the log."""
    shard, position = event["id"].split("-")
    return event["time"], int(shard), int(position)
