"""Watermarks as subscribers of `bindings` get them: true, rising, with offsets, also while nothing happens."""

from datetime import UTC, datetime

import orjson
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import NewPartitions
from sqlalchemy import text

from audit.watermarks import read_watermarks
from db.shards import Head
from schemas.topics import Topic
from schemas.watermarks import Watermark
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, exactly_published, send
from tests.support.messages import account, bind, profile, project
from tests.support.waiting import until
from workers.publishing.positions import Kept, read_kept
from workers.publishing.watermarks import OffsetUnknown, Watermarks
from workers.runtime.roles import Role
from workers.topics.cluster import administration


async def _tell(installation: Installation, times: int, first: int = 0) -> None:
    if first == 0:
        await send(installation, [profile("acme"), project("acme", "web"), account("acme", "a"), account("acme", "b")])
        await all_consumed(installation)
    await send(installation, [bind("acme", "web", "ab"[n % 2], f"c{n}") for n in range(first, first + times)])
    await all_consumed(installation)


async def _watermarks(installation: Installation) -> list[Watermark]:
    return [Watermark.parsed(record.value) for record in await read_watermarks(installation.settings)]


async def _closed_beyond(installation: Installation, instant: datetime) -> list[Watermark]:
    """Wait for a watermark that closes an instant; return all of them."""

    async def closes() -> list[Watermark] | None:
        found = await _watermarks(installation)
        return found if found and found[-1].closed_until >= instant else None

    return await until(closes, "a watermark that closes the instant")


def _is_as_described(record: ConsumerRecord, installation: Installation) -> None:
    event = orjson.loads(record.value)
    closed = event["data"]["closedUntil"]
    assert event["id"] == f"watermark-{closed}"
    assert (event["type"], event["subject"]) == ("io.milo.billing.Watermark.v1", "bindings")
    assert (record.key, event["partitionkey"]) == (b"bindings", "bindings")
    assert event["source"] == installation.settings.source
    assert "sequence" not in event
    assert closed <= event["time"]
    assert record.headers == (("content-type", b"application/cloudevents+json"),)
    assert len(event["data"]["offsets"]) == installation.settings.topic_partitions


async def test_watermarks_close_what_was_published_and_go_on_while_nothing_happens(installation: Installation) -> None:
    await _tell(installation, 6)
    published = await exactly_published(installation)
    last = max(one.event["time"] for one in published if one.topic == Topic.BINDINGS)
    await _closed_beyond(installation, datetime.fromisoformat(last))
    idle = await _closed_beyond(installation, datetime.now(UTC))
    assert [one.closed_until for one in idle] == sorted(one.closed_until for one in idle)
    assert sum(idle[-1].offsets) >= sum(one.topic == Topic.BINDINGS for one in published)
    for record in await read_watermarks(installation.settings):
        _is_as_described(record, installation)


async def test_a_shard_that_is_held_up_holds_all_up(installation: Installation) -> None:
    await _tell(installation, 1)
    await _closed_beyond(installation, datetime.now(UTC))
    async with installation.engine.begin() as connection:
        (held,) = (await connection.execute(text("SELECT last_instant FROM shards WHERE shard = 7 FOR UPDATE"))).one()
        before = [record.value for record in await read_watermarks(installation.settings)]

        async def repeated() -> bool:
            values = [record.value for record in await read_watermarks(installation.settings)]
            return len(values) > len(before) + 2 and values[-1] == values[-2]

        await until(repeated, "the last watermark once more, as it was")
        assert max(one.closed_until for one in await _watermarks(installation)) <= held
    await _closed_beyond(installation, datetime.now(UTC))


async def test_what_is_closed_survives_a_failover_that_forgets_it(quiet_installation: Installation) -> None:
    installation = quiet_installation
    # Idle shards are raised each second, however seldom the relay looks at the log.
    worker = await installation.start(WHOPAYS_RELAY_POLL_SECONDS="3600")
    await _closed_beyond(installation, datetime.now(UTC))
    assert await worker.stop() == 0
    kept = await read_kept(installation.settings)
    assert kept.last is not None
    async with installation.engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET last_instant = '-infinity'"))
    await (await installation.start(Role.RELAY)).logged("relay_publishes")
    assert await _least(installation) >= kept.last.watermark.closed_until


async def _least(installation: Installation) -> datetime:
    async with installation.engine.connect() as connection:
        least: datetime = (await connection.execute(text("SELECT min(last_instant) FROM shards"))).scalar_one()
    return least


async def test_a_database_that_went_back_behind_what_is_closed(quiet_installation: Installation) -> None:
    installation = quiet_installation
    worker = await installation.start()
    await _tell(installation, 2)
    await exactly_published(installation)
    await _closed_beyond(installation, datetime.now(UTC))
    assert await worker.stop() == 0
    await installation.start(Role.PROJECTS, Role.ADMIN_COMMANDS, Role.TIMERS)
    await _tell(installation, 1, first=2)
    async with installation.engine.begin() as connection:
        # A clock that was behind, and that nobody held to what was closed.
        await connection.execute(text("UPDATE log SET recorded_at = recorded_at - interval '1 hour'"))
    worker = await installation.launch(Role.RELAY)
    assert await worker.ended() != 0
    await worker.logged("readers were told that nothing comes any more")


async def test_no_watermark_tells_of_partitions_whose_ends_are_not_known(quiet_installation: Installation) -> None:
    """They may hold what another relay has published: whoever takes the work up again asks where they end."""
    settings = quiet_installation.settings
    bindings = settings.topic(Topic.BINDINGS)
    watermarks = Watermarks(settings, Kept(), [0] * settings.topic_partitions)
    now = datetime.now(UTC)
    watermarks.see({shard: Head(0, b"", now, now) for shard in range(settings.shards)})
    watermarks.count({})
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, metadata_max_age_ms=100
    ) as producer:
        first = await watermarks.next(producer)
        assert first is not None
        assert first.watermark.offsets == (0,) * settings.topic_partitions
        async with administration(settings) as admin:
            await admin.create_partitions({bindings: NewPartitions(settings.topic_partitions + 1)})

        async def is_known() -> bool:
            return len(await producer.partitions_for(bindings)) > settings.topic_partitions

        await until(is_known, "the partition")
        with pytest.raises(OffsetUnknown):
            await watermarks.next(producer)
