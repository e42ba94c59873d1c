"""Reading the evidence: topics by a consumer, tables by plain SQL in one snapshot."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.faults.judge.evidence import (
    Claimed,
    Evidence,
    Heard,
    KnownAccount,
    KnownProfile,
    KnownProject,
    Paid,
    PaidAt,
    Phase,
    Place,
    Published,
    Row,
)
from tests.faults.load import Load

INPUTS = ("projects", "payment-profiles", "admin-commands")
OUTPUTS = ("bindings", "accounts", "notices", "command-results", "dead-letters")
INSTANTS = 20
"""The number of instants at which the database is asked who pays for what."""
_LARGEST_FETCH_BYTES = 16 * 1024 * 1024
_AT_ONCE = 5_000

_PAYERS_AT = """
SELECT organization, project, account FROM (
    SELECT DISTINCT ON (organization, project) organization, project, account FROM bindings
    WHERE from_instant <= $1 ORDER BY organization, project, number DESC
) AS last WHERE account IS NOT NULL
"""


async def collected(load: Load) -> Evidence:
    """Read all evidence of an installation that has come to rest."""
    acknowledged = [
        Heard(one.topic, one.partition, one.offset, one.key, one.value, one.headers)
        for one in load.sent
        if one.partition is not None and one.offset is not None
    ]
    sent = {one.place: one for one in acknowledged}
    heard, published, stamps = [], [], {}
    async for topic, record in _records(load, INPUTS):
        found = Heard(topic, record.partition, record.offset, record.key, record.value, tuple(record.headers))
        known = sent.get(found.place)
        stamps[found.place] = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        # Equal values share one object: an hour's records are many.
        heard.append(known if known == found else found)
    async for topic, record in _records(load, OUTPUTS):
        if "whopays-replay" in dict(record.headers):
            continue
        value = record.value or b""
        published.append(Published(topic, record.partition, record.offset, record.key, value, _identity(value)))
    deleted = {
        one.place for one in acknowledged if one.offset < load.deleted_below.get((one.topic, one.partition), 0)
    } - {one.place for one in heard}
    heard += [sent[place] for place in deleted]
    values = {one.value: one.value for one in published}
    async with _connected(load) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        log = []
        statement = (
            "SELECT shard, position, topic, key, value, hash, CAST(asked AS text) FROM log ORDER BY shard, position"
        )
        async for row in connection.cursor(statement, prefetch=_AT_ONCE):
            shard, position, topic, key, value, hash_, asked = row
            log.append(Row(shard, position, topic, key, values.get(value, value), hash_, asked))
        bindings = await _rows(
            connection, Paid, "SELECT organization, project, number, account, from_instant FROM bindings"
        )
        heads = await connection.fetch("SELECT shard, position, hash, begins_after FROM shards")
        return Evidence(
            acknowledged=acknowledged,
            heard=sorted(heard, key=lambda one: one.place),
            published=published,
            watermarks=await watermarks(load),
            log=log,
            heads={shard: (position, hash_) for shard, position, hash_, _ in heads},
            begins={shard: begin for shard, *_, begin in heads},
            bindings=bindings,
            paid_at=[await _paid_at(connection, instant) for instant in _instants(load.seed, bindings)],
            projects=await _rows(
                connection,
                KnownProject,
                "SELECT organization, project, state, version, uid, display_name, number, account, payer_since "
                "FROM projects",
            ),
            profiles=await _rows(
                connection, KnownProfile, "SELECT organization, payment_profile, state, version FROM payment_profiles"
            ),
            accounts=await _rows(
                connection, KnownAccount, "SELECT organization, account, phase, version, sequence FROM accounts"
            ),
            phases=await _rows(
                connection, Phase, "SELECT organization, account, number, previous_phase, phase FROM account_phases"
            ),
            inbox=await _rows(
                connection, Claimed, "SELECT organization, source, command_id, shard, position FROM inbox"
            ),
            forgotten={
                digest: (shard, position)
                for digest, shard, position in await connection.fetch(
                    "SELECT digest, shard, position FROM forgotten_commands"
                )
            },
            dead_letters=[
                (topic.removeprefix(load.installation.prefix), partition, offset)
                for topic, partition, offset in await connection.fetch(
                    'SELECT topic, partition, "offset" FROM dead_letters'
                )
            ],
            unfinished=await _unfinished(connection),
            made_faulty=set(map(_place, load.made_faulty)),
            deleted=deleted,
            stamps=None if load.installation.issuer is None else stamps,
        )


async def watermarks(load: Load) -> list[Published]:
    """Read all watermarks that are still there, in order."""
    found = []
    async for topic, record in _records(load, ("watermarks",), partitions=1):
        value = record.value or b""
        found.append(Published(topic, record.partition, record.offset, record.key, value, _identity(value)))
    return found


async def unfinished(load: Load) -> list[str]:
    """Return what is still to happen by itself: waiting or scheduled bindings, notices, expiring profiles."""
    async with _connected(load) as connection:
        return await _unfinished(connection)


async def is_published(load: Load) -> bool:
    """Return whether the relay says that it has published the whole log."""
    positions: dict[int, int] = {}
    async for _, record in _records(load, ("relay-positions",), partitions=1):
        if record.key == b"watermark":
            continue
        told = json.loads(record.value)
        positions[told["shard"]] = told["position"]
    async with _connected(load) as connection:
        heads = await connection.fetch("SELECT shard, position FROM shards WHERE position > begins_after")
    return positions == dict(map(tuple, heads))


async def _unfinished(connection: Any) -> list[str]:
    rows = await connection.fetch(
        """
        SELECT kind || ' binding of ' || organization || '/' || project FROM pending_bindings
        UNION ALL SELECT 'notices of ' || organization || '/' || account FROM fan_outs
        UNION ALL SELECT 'expiry of ' || organization || '/' || payment_profile FROM payment_profiles
        WHERE due_at IS NOT NULL
        """
    )
    return [row[0] for row in rows]


async def _records(
    load: Load, topics: tuple[str, ...], partitions: int | None = None
) -> AsyncIterator[tuple[str, Any]]:
    """Yield the records of topics, committed ones only, up to where they end now; by partition in order."""
    installation = load.installation
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_LARGEST_FETCH_BYTES,
        check_crcs=True,
    )
    try:
        await consumer.start()
        for topic in topics:
            name = f"{installation.prefix}{topic}"
            numbers = range(partitions or load.widened.get(topic, installation.settings.topic_partitions))
            assigned = [TopicPartition(name, number) for number in numbers]
            consumer.assign(assigned)
            ends = await consumer.end_offsets(assigned)
            while any([await consumer.position(partition) < ends[partition] for partition in assigned]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        yield topic, record
    finally:
        await consumer.stop()


async def _rows(connection: Any, kind: Any, statement: str) -> list[Any]:
    return [kind(*row) for row in await connection.fetch(statement)]


async def _paid_at(connection: Any, instant: datetime) -> PaidAt:
    rows = await connection.fetch(_PAYERS_AT, instant)
    return PaidAt(instant, {(organization, project): account for organization, project, account in rows})


def _instants(seed: int, bindings: list[Paid]) -> list[datetime]:
    """Draw instants from the time in which anything was bound, some of them exactly where bindings start."""
    random = Random(seed)
    begun = sorted(one.since for one in bindings) or [datetime.now(UTC)]
    first, last = begun[0], begun[-1]
    drawn = [first + (last - first) * random.random() for _ in range(INSTANTS // 2)]
    return [*drawn, *random.choices(begun, k=INSTANTS // 2)]


@asynccontextmanager
async def _connected(load: Load) -> AsyncIterator[Any]:
    address = urlsplit(load.installation.settings.database_url)
    connection = await asyncpg.connect(address._replace(scheme="postgresql").geturl())
    try:
        yield connection
    finally:
        await connection.close()


def _place(text: str) -> Place:
    topic, partition, offset = text.rsplit("/", 2)
    return (topic, int(partition), int(offset))


def _identity(value: bytes) -> str:
    """Return the id of a published event; empty if it has none."""
    try:
        event = json.loads(value)
    except ValueError:
        return ""
    return str(event.get("id", "")) if isinstance(event, dict) else ""
