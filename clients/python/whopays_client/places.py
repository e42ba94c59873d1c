"""A subscriber's read position: in the replay that it begins with, then on the topics; kept in its store."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Generic

from aiokafka import AIOKafkaConsumer, TopicPartition

from whopays_client.connection import Connection, consuming, partitions_of, poll
from whopays_client.envelope import Heard, read
from whopays_client.events import Event
from whopays_client.replays import CompletedReplay
from whopays_client.store import Store, Transaction

_MAX_CLOCK_SKEW = timedelta(hours=1)
"""How much earlier than its event a record may be stamped, at most, because hosts' clocks differ."""
_POLL_MS = 500


class Places(Generic[Transaction]):
    """The next offset of each partition that `consumer` reads for `name`: as processed, and as stored."""

    def __init__(
        self,
        connection: Connection,
        consumer: AIOKafkaConsumer,
        store: Store[Transaction],
        name: str,
        topics: tuple[str, ...],
    ) -> None:
        self._connection = connection
        self._consumer = consumer
        self._store = store
        self._name = name
        self._topics = topics
        self._remembered: dict[TopicPartition, int] = {}
        self._passed: dict[TopicPartition, int] = {}
        self._replay_ends: dict[TopicPartition, int] | None = None
        self._stops_at: dict[TopicPartition, int] | None = None
        self._until_end = False
        self._held_until: dict[TopicPartition, int] = {}

    @property
    def are_live(self) -> bool:
        """Whether the topics are being read, rather than the initial replay."""
        return self._replay_ends is None

    async def find(self, begin: CompletedReplay | None, *, until_end: bool) -> None:
        """Seek to the stored position of this name, or to its beginning. Raises TopicMissing, KafkaError."""
        self._until_end = until_end
        stage = (await self._store.recall(None, [self._stage])).get(self._stage)
        if stage is None:
            stage = json.dumps(await self._first_stage(begin))
            async with self._store.transaction(self._name) as transaction:
                # Unless another process has started with this name meanwhile.
                kept = await self._store.recall(transaction, [self._stage])
                stage = kept.get(self._stage, stage)
                await self._store.remember(transaction, {self._stage: stage})
        replay = json.loads(stage).get("replay")
        if replay is not None:
            ends = {TopicPartition(replay["topic"], int(number)): end for number, end in replay["ends"].items()}
            await self._assign(list(ends), {})
            self._replay_ends = ends
        else:
            await self._go_live(json.loads(stage)["live"])

    async def are_at_the_end(self) -> bool:
        """Return whether everything is read; after the end of the replay, switch to the topics."""
        if self._replay_ends is not None and await self._are_past(self._replay_ends):
            stage = json.loads((await self._store.recall(None, [self._stage]))[self._stage])
            after = json.dumps({"live": stage["live"]})
            async with self._store.transaction(self._name) as transaction:
                await self._store.remember(transaction, {self._stage: after})
            self._replay_ends = None
            await self._go_live(stage["live"])
        return self.are_live and self._stops_at is not None and await self._are_past(self._stops_at)

    def pass_to(self, partition: TopicPartition, offset: int) -> None:
        """Record that everything before an offset is handled."""
        self._passed[partition] = offset

    def passed(self) -> dict[str, str]:
        """Return the offsets to store, by their keys."""
        return {self._key(partition): str(offset) for partition, offset in self._passed.items()}

    def have_remembered(self) -> None:
        """Record that the processed offsets are committed."""
        self._remembered |= self._passed
        self._passed.clear()

    def return_to_remembered(self) -> None:
        """Seek back to the committed offsets."""
        self._passed.clear()
        for partition in self._consumer.assignment():
            self._consumer.seek(partition, self._remembered.get(partition, 0))

    async def follow_new_partitions(self) -> None:
        """Read partitions added to a topic, once everything in the older ones up to then has been read."""
        if not self.are_live:
            return
        known = self._consumer.assignment()
        if self._held_until:
            if await self._are_past(self._held_until):
                self._held_until = {}
                self._consumer.resume(*self._consumer.paused())
            return
        names = [self._connection.topic(topic) for topic in self._topics]
        there = {
            TopicPartition(topic, number)
            for topic in names
            for number in self._consumer.partitions_for_topic(topic) or ()
        }
        new = there - known
        if new:
            self._held_until = await self._consumer.end_offsets(known)
            positions = {partition: await self._consumer.position(partition) for partition in known}
            self._consumer.assign(sorted(there))
            for partition in there:
                self._consumer.seek(partition, positions.get(partition, 0))
            self._consumer.pause(*new)

    async def events_of(self, topic: str, subject: str, after: int) -> list[Heard[Event]]:
        """Return a subject's events on a topic (full name) with a sequence over `after`, in order. Raises Malformed."""
        found: dict[int, Heard[Event]] = {}
        async with consuming(self._connection) as consumer:
            partitions = await partitions_of(self._connection, topic.removeprefix(self._connection.topic_prefix))
            ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, 0)
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for records in (await poll(consumer, _POLL_MS)).values():
                    for record in records:
                        heard = read(record) if record.key == subject.encode() else None
                        if heard is not None and heard.sequence is not None and heard.sequence > after:
                            found[heard.sequence] = heard
        return [found[sequence] for sequence in sorted(found)]

    async def _first_stage(self, begin: CompletedReplay | None) -> dict[str, Any]:
        if begin is None:
            return {"live": {}}
        live = await self._offsets_at(begin.until - _MAX_CLOCK_SKEW)
        return {"replay": {"topic": begin.topic, "ends": begin.ends}, "live": live}

    async def _offsets_at(self, instant: datetime) -> dict[str, int]:
        partitions = await partitions_of(self._connection, *self._topics)
        # The ends come first: records written meanwhile are after them.
        ends = await self._consumer.end_offsets(partitions)
        at = await self._consumer.offsets_for_times(dict.fromkeys(partitions, int(instant.timestamp() * 1000)))
        return {
            self._key(one): ends[one] if at.get(one) is None else min(at[one].offset, ends[one]) for one in partitions
        }

    async def _go_live(self, begins: Mapping[str, int]) -> None:
        partitions = await partitions_of(self._connection, *self._topics)
        await self._assign(partitions, begins)
        if self._until_end:
            self._stops_at = await self._consumer.end_offsets(partitions)

    async def _assign(self, partitions: list[TopicPartition], begins: Mapping[str, int]) -> None:
        keys = {self._key(partition): partition for partition in partitions}
        kept = await self._store.recall(None, list(keys))
        self._remembered = {one: int(kept.get(key, begins.get(key, 0))) for key, one in keys.items()}
        self._passed.clear()
        self._consumer.assign(partitions)
        self.return_to_remembered()

    async def _are_past(self, ends: Mapping[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if await self._consumer.position(partition) < end:
                return False
        return True

    @property
    def _stage(self) -> str:
        return f"{self._name}/stage"

    def _key(self, partition: TopicPartition) -> str:
        return f"{self._name}/offset/{partition.topic}/{partition.partition}"
