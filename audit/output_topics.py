"""Compares the output topics with the log: committed records must be the log's events, once and in order."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import murmur2
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.findings import Finding, Promise
from audit.watermarks import WatermarksAudit, not_closed
from db import audit
from db.archive.catalog import parts_of
from db.log import LogRow, row_hash
from schemas.outgoing import REPLAY_HEADER, place_of
from schemas.topics import OUTPUT_TOPICS, TOPIC_PLANS, Topic
from workers.runtime.kafka import kafka_reading_options
from workers.runtime.settings import Settings
from workers.topics.cluster import administration

_POLL_MILLISECONDS = 500
_AT_ONCE = 2_000
_MARGIN = timedelta(hours=1)
"""A record this close to the end of its retention may or may not still exist."""


Unread = dict[int, tuple[bytes, str]]
"""A shard's archived events by position: a digest of the record on the topic, and that record's place."""


def content_digest(topic: str, key: bytes | None, value: bytes | None) -> bytes:
    """Return a digest of a record's topic (without prefix), key and value."""
    return row_hash(b"", topic, key, value or b"")[:16]


class Published:
    """The positions of each shard seen on the topics, one bit each."""

    def __init__(self) -> None:
        self._seen: defaultdict[int, bytearray] = defaultdict(bytearray)

    def add(self, shard: int, position: int) -> bool:
        """Add a position; return whether it is new."""
        bits, (byte, bit) = self._seen[shard], divmod(position, 8)
        if byte >= len(bits):
            bits.extend(bytes(byte + 1 - len(bits) + 4096))
        is_new = not bits[byte] >> bit & 1
        bits[byte] |= 1 << bit
        return is_new

    def __contains__(self, place: tuple[int, int]) -> bool:
        bits, (byte, bit) = self._seen.get(place[0], b""), divmod(place[1], 8)
        return byte < len(bits) and bool(bits[byte] >> bit & 1)


Key = tuple[str, bytes | None]
"""A topic and a record key."""


class Missing:
    """Finds published rows of one shard that are missing from their topic although it should still hold them.

    Also finds rows that are not published although the watermark stored with the positions has `closed` their instant.
    Topics delete by age; the compacted ones keep the last event of each key (docs/contract.md section 1). `last` holds
    the events missing from compacted topics that are the last of their keys so far.
    """

    def __init__(
        self,
        published: Published,
        position: int,
        closed: datetime | None,
        now: datetime,
        last: dict[Key, LogRow] | None = None,
    ) -> None:
        self._published = published
        self._closed = closed
        self._position = position
        self._kept_since = {}
        for plan in TOPIC_PLANS:
            kept = plan.settings.get("retention.ms") or plan.settings.get("min.compaction.lag.ms", "0")
            self._kept_since[str(plan.topic)] = now - timedelta(milliseconds=int(kept)) + _MARGIN
        self._compacted = {plan.topic for plan in TOPIC_PLANS if plan.settings.get("cleanup.policy") == "compact"}
        self.last: dict[Key, LogRow] = {} if last is None else last

    def look(self, row: LogRow, recorded_at: datetime) -> Iterator[Finding]:
        """Take in the next row; yield what is wrong with it."""
        if row.position > self._position:
            if self._closed is not None and recorded_at <= self._closed:
                yield not_closed(row.shard, row.position, self._closed)
            return
        if (row.shard, row.position) in self._published:
            self.last.pop((row.topic, row.key), None)
        elif recorded_at > self._kept_since[row.topic]:
            yield _missing(row)
        elif row.topic in self._compacted:
            self.last[row.topic, row.key] = row

    def end(self) -> Iterator[Finding]:
        """Yield the missing rows that are the last of their keys."""
        return map(_missing, self.last.values())


class TopicsAudit:
    """Reads the output topics from their beginnings to the ends they had when it started."""

    def __init__(self, settings: Settings, watermarks: WatermarksAudit) -> None:
        self._settings = settings
        self._watermarks = watermarks
        self.ends: dict[int, int] = {}
        """The end offsets of the partitions of `bindings`."""
        self._topics = {settings.topic(topic): topic for topic in OUTPUT_TOPICS}
        self._last: dict[tuple[TopicPartition, int], int] = {}
        self._kept_from = 0
        self._borders: dict[int, int] = {}
        self.unread: defaultdict[int, Unread] = defaultdict(dict)
        """By shard, what is still to be compared with the archive."""
        self.published = Published()
        self.reached: dict[int, int] = {}

    async def run(self, connection: AsyncConnection, read: Callable[[int, int], None]) -> AsyncIterator[Finding]:
        """Compare every record with its row; `read` is called with the number of offsets read, and the total.

        The connection must not be in a snapshot: rows are committed while this runs, each before its record is
        published.
        """
        consumer = AIOKafkaConsumer(**kafka_reading_options(self._settings))
        self._kept_from = await audit.kept_from(connection)
        try:
            await consumer.start()
            partitions = await self._partitions()
            counts = {topic: sum(one.topic == topic for one in partitions) for topic in self._topics}
            consumer.assign(partitions)
            beginnings = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            await consumer.seek_to_beginning(*partitions)
            left = {partition for partition in partitions if beginnings[partition] < ends[partition]}
            total = sum(ends.values()) - sum(beginnings.values())
            bindings = self._settings.topic(Topic.BINDINGS)
            self.ends = {one.partition: end for one, end in ends.items() if one.topic == bindings}
            while left:
                batches = await consumer.getmany(*left, timeout_ms=_POLL_MILLISECONDS, max_records=_AT_ONCE)
                for finding in await self._compare(connection, batches, counts):
                    yield finding
                reached = {partition: await consumer.position(partition) for partition in left}
                left = {partition for partition in left if reached[partition] < ends[partition]}
                behind = sum(max(0, ends[partition] - reached[partition]) for partition in left)
                read(total - behind, total)
        finally:
            await consumer.stop()

    async def _partitions(self) -> list[TopicPartition]:
        async with administration(self._settings) as admin:
            described = await admin.describe_topics(list(self._topics))
        return [TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]]

    async def _compare(
        self,
        connection: AsyncConnection,
        batches: Mapping[TopicPartition, Sequence[ConsumerRecord]],
        counts: Mapping[str, int],
    ) -> list[Finding]:
        findings: list[Finding] = []
        records: list[tuple[TopicPartition, ConsumerRecord, tuple[int, int]]] = []
        for partition, batch in batches.items():
            for record in batch:
                if any(name == REPLAY_HEADER for name, _ in record.headers):
                    continue
                place = place_of(record.value)
                if place is None or place[0] >= self._settings.shard_numbers.stop:
                    findings.append(_finding(partition, record, "it is not an event of this installation"))
                else:
                    records.append((partition, record, place))
        rows = await audit.log_rows_at(connection, [place for _, _, place in records])
        if any(place not in rows for _, _, place in records):
            # Read after the rows: a row that was not found was archived before that, or does not exist.
            self._borders = {shard: parts[-1].last_position for shard, parts in (await parts_of(connection)).items()}
        for partition, record, place in records:
            row = rows.get(place)
            troubles = self._troubles(partition, record, place, row, counts[partition.topic])
            findings += [_finding(partition, record, trouble) for trouble in troubles]
            if not troubles:
                findings += self._watermark_findings(partition, record)
        return findings

    def _troubles(
        self, partition: TopicPartition, record: ConsumerRecord, place: tuple[int, int], row: LogRow | None, count: int
    ) -> list[str]:
        shard, position = place
        event = f"its event {shard}-{position}"
        if row is None and position <= self._borders.get(shard, 0):
            digest = content_digest(self._topics[partition.topic], record.key, record.value)
            self.unread[shard][position] = digest, f"{partition.topic}/{partition.partition}, offset {record.offset}"
        elif row is None and position >= self._kept_from:
            return [f"{event} is not in the log"]
        troubles = []
        self.reached[shard] = max(position, self.reached.get(shard, 0))
        if not self.published.add(shard, position):
            troubles.append(f"{event} was published before")
        if position < self._last.get((partition, shard), 0):
            troubles.append(f"{event} comes after a later one of its shard")
        self._last[partition, shard] = max(position, self._last.get((partition, shard), 0))
        if row is not None and self._topics[partition.topic] != row.topic:
            troubles.append(f"{event} belongs on {self._settings.topic(Topic(row.topic))}")
        if row is not None and (record.key, record.value) != (row.key, row.value):
            troubles.append(f"its key or value differs from {shard}-{position} in the log")
        elif record.key is not None and (murmur2(record.key) & 0x7FFFFFFF) % count != partition.partition:
            troubles.append(f"{event} is in the wrong partition for its key")
        return troubles

    def _watermark_findings(self, partition: TopicPartition, record: ConsumerRecord) -> Iterator[Finding]:
        """Yield a finding if a change of payer lies beyond the offset of a watermark that closed its instant."""
        if self._topics[partition.topic] == Topic.BINDINGS:
            for trouble in self._watermarks.troubles(partition.partition, record.offset, record.value):
                yield _finding(partition, record, trouble, Promise.WATERMARKS)


def _finding(
    partition: TopicPartition, record: ConsumerRecord, trouble: str, promise: Promise = Promise.TOPICS
) -> Finding:
    return Finding(promise, f"{partition.topic}/{partition.partition}, offset {record.offset}", trouble)


def _missing(row: LogRow) -> Finding:
    place = f"shard {row.shard}, position {row.position}"
    return Finding(Promise.TOPICS, place, f"its event is published, but {row.topic} does not hold it")
