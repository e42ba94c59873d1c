"""The end of the demonstration: a replay to a fresh consumer, which computes the same sums as the live one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer
from sqlalchemy.ext.asyncio import AsyncEngine

from db.replays import KeptReplay
from schemas.instants import format_instant, parse_instant
from schemas.message_types import short_type
from schemas.replays import selection_of
from workers.replaying.beginning import ReplayRequest, begin
from workers.runtime.kafka import kafka_reading_options
from workers.runtime.settings import Settings

NAME = "demo"
_POLL_MS = 200

Paid = dict[tuple[str, str], timedelta]


def paid(events: Iterable[Mapping[str, Any]], until: datetime) -> Paid:
    """Return how long each account (by organization and name) has paid for all projects in total, up to an instant.

    A missing or duplicate event changes the sums.
    """
    sums: Paid = defaultdict(timedelta)
    for event in events:
        if short_type(event["type"]) != "BindingChanged":
            continue
        data = event["data"]
        if begun := data["current"]:
            sums[data["organization"], begun["account"]] += until - parse_instant(begun["establishedAt"])
        if ended := data["previous"]:
            sums[data["organization"], ended["account"]] -= until - parse_instant(ended["endedAt"])
    return dict(sorted(sums.items()))


async def replay(engine: AsyncEngine, settings: Settings, until: datetime) -> tuple[KeptReplay, list[dict[str, Any]]]:
    """Replay all changes of payer before an instant; return the replay and the events that a fresh consumer reads."""
    selection = selection_of(types=["BindingChanged"], until=format_instant(until))
    kept = await begin(engine, settings, ReplayRequest(NAME, selection, partitions=1, is_detached=True))
    consumer = AIOKafkaConsumer(
        **kafka_reading_options(settings),
        metadata_max_age_ms=1000,
    )
    heard: list[dict[str, Any]] = []
    try:
        await consumer.start()
        consumer.subscribe([kept.target])
        while True:
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    event = orjson.loads(record.value)
                    if short_type(event["type"]) == "ReplayCompleted":
                        return kept, heard
                    heard.append(event)
    finally:
        await consumer.stop()
