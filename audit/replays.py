"""Checks a replay's topic against its manifest and the log: every record once, in order, unaltered, and markers."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.findings import Finding, Promise
from audit.installation import Progress
from db.archive.reading import History
from db.history import HistoryDamaged, HistoryRow
from db.replays import KeptReplay, find_replay
from schemas.instants import parse_instant
from schemas.outgoing import JSON_HEADER, REPLAY_HEADER, event_id_of, headers_of
from schemas.replays import ReplayState, marker_id, marker_key, read_manifest, render_marker
from workers.publishing.packing import partition_of
from workers.replaying.how_far import HowFar
from workers.replaying.reading import selected
from workers.replaying.tally import Tally, manifest_of
from workers.replaying.target import find_target
from workers.runtime.archive import archive_of
from workers.runtime.kafka import kafka_reading_options
from workers.runtime.settings import Settings

_POLL_MILLISECONDS = 500
_AT_ONCE = 500
_START_SECONDS = 60


class NoManifest(Exception):
    """The file is not the manifest of a finished replay."""


async def audited_replay(
    settings: Settings, engine: AsyncEngine, document: Any, progress: Progress
) -> AsyncGenerator[Finding]:
    """Yield whatever is wrong with the replay that a manifest names. Raises NoManifest."""
    try:
        said = read_manifest(document)
    except ValueError as error:
        raise NoManifest(f"{error}: whopays replay show NAME --json writes one") from None
    async with engine.connect() as connection:
        replay = await find_replay(connection, said.name)
    if replay is None or replay.manifest is None:
        why = "this database knows no such replay" if replay is None else "the replay is not done"
        yield Finding(Promise.REPLAYS, said.name, f"the manifest is altered, or another installation's: {why}")
        return
    kept = replay.manifest
    if _written(document) != _written(kept):
        names = sorted(name for name in {*document, *kept} if _written(document.get(name)) != _written(kept.get(name)))
        yield Finding(Promise.REPLAYS, said.name, f"the manifest is altered: {', '.join(names)} is not the database's")
    async with aclosing(_compared(settings, engine, replay, progress)) as findings:
        async for finding in findings:
            yield finding


async def _compared(
    settings: Settings, engine: AsyncEngine, replay: KeptReplay, progress: Progress
) -> AsyncGenerator[Finding]:
    """Read log and topic side by side, then compare both with the manifest in the database."""
    # After the target is forgotten, another replay may use a topic of the same name.
    is_there = replay.forgotten_at is None
    target = await find_target(settings, replay.target) if is_there else None
    readers: list[_Partition] = []
    consumer = AIOKafkaConsumer(**kafka_reading_options(settings))
    try:
        if target is None and is_there:
            yield Finding(Promise.REPLAYS, replay.target, "the topic is missing")
        elif target is not None and target.partitions != replay.partitions:
            trouble = f"the topic has {target.partitions} partitions, the replay {replay.partitions}"
            yield Finding(Promise.REPLAYS, replay.target, trouble)
        elif target is not None:
            async with asyncio.timeout(_START_SECONDS):
                await consumer.start()
            readers = await _readers(consumer, replay)
        tally, far = Tally.empty(replay.partitions), HowFar(replay.spans, {})
        try:
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                history = History(connection, archive_of(settings))
                async with aclosing(selected(history, replay, {}, far.read)) as found:
                    async for rows in found:
                        for row in rows:
                            partition = partition_of(row.key, row.position, replay.partitions)
                            tally.add(row, partition)
                            if readers:
                                for finding in await readers[partition].expect(row):
                                    yield finding
                        far.written((row.shard, row.position) for row in rows)
                        progress("replay", far.positions, replay.to_look_at)
        except HistoryDamaged as error:
            yield Finding(Promise.LOG, replay.name, str(error))
            return
        for reader in readers:
            for finding in await reader.end(tally, settings.source):
                yield finding
    finally:
        await consumer.stop()
    for trouble in _manifest_troubles(replay, tally):
        yield Finding(Promise.REPLAYS, replay.name, trouble)


def _written(said: Any) -> str:
    """Return JSON as text, to compare: Python takes 1, 1.0 and true for equal."""
    return json.dumps(said, sort_keys=True)


async def _readers(consumer: AIOKafkaConsumer, replay: KeptReplay) -> list["_Partition"]:
    partitions = [TopicPartition(replay.target, number) for number in range(replay.partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    return [_Partition(consumer, one, ends[one], replay) for one in partitions]


def _manifest_troubles(replay: KeptReplay, tally: Tally) -> Iterator[str]:
    """Yield the members of the manifest that disagree with the log."""
    found = manifest_of(replay, tally, ReplayState.DONE).document()
    for name in ("selection", "target", "until", "records", "types", "partitions", "shards"):
        if found[name] != (replay.manifest or {}).get(name):
            yield f"the manifest's {name} is not what the log gives"


class _Partition:
    """A partition of the target, compared with what it should hold."""

    def __init__(self, consumer: AIOKafkaConsumer, partition: TopicPartition, end: int, replay: KeptReplay) -> None:
        self._consumer = consumer
        self._partition = partition
        self._end = end
        self._replay = replay
        self._name = replay.name.encode()
        self._records: deque[ConsumerRecord] = deque()
        self._missing: dict[str, None] = {}
        self._last: tuple[Any, int, int] | None = None

    async def expect(self, row: HistoryRow) -> list[Finding]:
        """Compare the next record with a row; return what is wrong with the records up to and including that row's."""
        findings: list[Finding] = []
        while (record := await self._next()) is not None:
            event_id = event_id_of(record.value)
            if event_id == row.event_id:
                self._records.popleft()
                self._last = row.order
                return findings + [self._finding(record, trouble) for trouble in self._troubles(record, row)]
            if event_id == marker_id(self._replay.name, self._partition.partition) or self._comes_later(record, row):
                break
            self._records.popleft()
            findings.append(self._finding(record, self._stray(record, event_id)))
        self._missing[row.event_id] = None
        return findings

    async def end(self, tally: Tally, source: str) -> list[Finding]:
        """Check that the only record left is the marker."""
        findings: list[Finding] = []
        number = self._partition.partition
        has_marker = False
        while (record := await self._next()) is not None:
            self._records.popleft()
            event_id = event_id_of(record.value)
            if event_id != marker_id(self._replay.name, number) or has_marker:
                findings.append(self._finding(record, self._stray(record, event_id)))
                continue
            has_marker = True
            if trouble := self._marker_trouble(record, tally, source):
                findings.append(self._finding(record, trouble))
        place = f"{self._partition.topic}/{number}"
        findings += [Finding(Promise.REPLAYS, place, f"{event_id} is missing") for event_id in self._missing]
        if not has_marker:
            findings.append(Finding(Promise.REPLAYS, place, "its marker is missing"))
        return findings

    async def _next(self) -> ConsumerRecord | None:
        while not self._records and await self._consumer.position(self._partition) < self._end:
            fetched = await self._consumer.getmany(self._partition, timeout_ms=_POLL_MILLISECONDS, max_records=_AT_ONCE)
            self._records.extend(record for record in fetched.get(self._partition, []) if record.offset < self._end)
        return self._records[0] if self._records else None

    def _troubles(self, record: ConsumerRecord, row: HistoryRow) -> Iterator[str]:
        if record.key != row.key:
            yield f"the key of {row.event_id} is altered"
        if record.value != row.value:
            yield f"the value of {row.event_id} is altered"
        if (other := self._other_replay(record)) is not None:
            yield f"{row.event_id} belongs to another replay, {other}"
        elif list(record.headers) != [*headers_of(row.value), (REPLAY_HEADER, self._name)]:
            yield f"the headers of {row.event_id} are altered"

    def _comes_later(self, record: ConsumerRecord, row: HistoryRow) -> bool:
        """Return whether a record belongs to this replay and, by its own time and id, comes after a row."""
        order = _order_of(record.value)
        return order is not None and order > row.order and self._other_replay(record) is None

    def _stray(self, record: ConsumerRecord, event_id: str | None) -> str:
        if (other := self._other_replay(record)) is not None:
            return f"{event_id} belongs to another replay, {other}"
        if event_id in self._missing:
            del self._missing[event_id]
            return f"{event_id} is out of order"
        order = _order_of(record.value)
        if order is not None and self._last is not None and order <= self._last:
            return f"{event_id} is duplicated"
        if event_id == marker_id(self._replay.name, self._partition.partition):
            return "its marker is duplicated"
        return f"{event_id or 'a record that is no event'} does not belong there"

    def _other_replay(self, record: ConsumerRecord) -> str | None:
        """Return the name of the replay in a record's header, if it is another one."""
        said = [value for name, value in record.headers if name == REPLAY_HEADER]
        return said[0].decode(errors="replace") if said and self._name not in said else None

    def _marker_trouble(self, record: ConsumerRecord, tally: Tally, source: str) -> str | None:
        number = self._partition.partition
        marker = tally.marker(self._replay, number)
        told = parse_instant((self._replay.manifest or {})["finishedAt"])
        if record.key != marker_key(self._replay.name, number) or list(record.headers) != [JSON_HEADER]:
            return "the key or the headers of its marker are altered"
        expected = render_marker(marker, source, told)
        if record.value == expected:
            return None
        said, true = orjson.loads(record.value), orjson.loads(expected)
        lies = [name for name in true["data"] if said.get("data", {}).get(name) != true["data"][name]]
        return f"its marker is wrong: {', '.join(lies) or 'its attributes are altered'}"

    def _finding(self, record: ConsumerRecord, trouble: str) -> Finding:
        place = f"{self._partition.topic}/{self._partition.partition}, offset {record.offset}"
        return Finding(Promise.REPLAYS, place, trouble)


def _order_of(value: bytes | None) -> tuple[Any, int, int] | None:
    """Return the order key from an event's own time and id; None if it has none."""
    try:
        event = orjson.loads(value or b"")
        shard, _, position = event["id"].partition("-")
        return parse_instant(event["time"]), int(shard), int(position)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
