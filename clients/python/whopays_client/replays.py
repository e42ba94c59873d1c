"""Replays (contract, section 10): published events, published again on a separate topic, for one consumer.

Starting one needs access to the database of whopays; reading one, only the right to read its topic.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from whopays_client.connection import Connection, consuming, partitions_of, poll
from whopays_client.envelope import REPLAY_HEADER, Heard, read
from whopays_client.errors import DigestMismatch, ReplayDamaged, ReplayRefused, ReplayUnfinished, TopicMissing
from whopays_client.events import Event, ReplayCompleted

_POLL_MS = 500
_LOOK_AGAIN_SECONDS = 0.5
_NO_KEY = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class CompletedReplay:
    """A replay that is complete, and whose bytes match its markers.

    `topic` is its full name; everything selected before the instant `until` is in it; `records` is their number,
    without markers; `ends` is the offset of the marker for each partition.
    """

    name: str
    topic: str
    until: datetime
    selection: Mapping[str, Any]
    records: int
    ends: Mapping[int, int]


@dataclass
class _Partition:
    """What was read of one partition."""

    digest: bytes = bytes(32)
    records: int = 0
    first_id: str | None = None
    last_id: str | None = None
    marker: ReplayCompleted | None = None
    end: int = field(default=0)

    def take(self, record: ConsumerRecord) -> None:
        """Add a record to the chained digest."""
        key = _NO_KEY if record.key is None else len(record.key).to_bytes(4, "big") + record.key
        value = record.value or b""
        self.digest = hashlib.sha256(self.digest + key + len(value).to_bytes(4, "big") + value).digest()
        self.records += 1


class Replays:
    """Starts replays, waits for them, verifies and reads them.

    `command` is how to run the command line of whopays in the installation's environment, needed only to start replays:
    a list of words, such as `("kubectl", "exec", "deploy/whopays", "--", "whopays")`.
    """

    def __init__(self, connection: Connection, *, command: Sequence[str] = ("whopays",)) -> None:
        self._connection = connection
        self._command = tuple(command)

    async def start(
        self,
        name: str,
        *,
        organization: str | None = None,
        project: str | None = None,
        account: str | None = None,
        types: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        after: Sequence[str] = (),
        latest: bool = False,
        available: bool = False,
        topic: str | None = None,
        partitions: int | None = None,
        rate: int | None = None,
    ) -> None:
        """Request a replay, and return once whopays has accepted it. Repeating the request under its name is harmless.

        `types` are short names of events; `since` and `until` bound their instants (half-open); `after` are event ids;
        `latest`: only the last event of each subject, a snapshot; `available`: settle for what is still kept; `topic`:
        the full name of the topic to write to, instead of the default; `partitions`: how many it gets; `rate` in
        events a second. Raises ReplayRefused; FileNotFoundError if there is no such program.
        """
        options: list[tuple[str, str | None]] = [
            ("--organization", organization),
            ("--project", project),
            ("--account", account),
            *(("--type", one) for one in types),
            ("--from", None if since is None else since.isoformat()),
            ("--until", None if until is None else until.isoformat()),
            *(("--after", one) for one in after),
            ("--topic", topic),
            ("--partitions", None if partitions is None else str(partitions)),
            ("--rate", None if rate is None else str(rate)),
        ]
        words = [word for option, value in options if value is not None for word in (option, value)]
        words += ["--latest"] * latest + ["--available"] * available
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *("replay", "start", name, "--detach", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            raise ReplayRefused(name, process.returncode, (err or out).decode(errors="replace").strip())

    async def completed(
        self, name: str, *, topic: str | None = None, wait_seconds: float | None = None
    ) -> CompletedReplay:
        """Wait for the markers of a replay, without limit or for some seconds, and verify all records before them.

        `topic` is its full name, if not the default. Raises ReplayUnfinished, ReplayDamaged, DigestMismatch.
        """
        topic = topic or self._connection.topic(f"replay.{name}")
        started = time.monotonic()
        deadline = None if wait_seconds is None else started + wait_seconds
        partitions = await self._partitions(name, topic, deadline, started)
        found = {partition.partition: _Partition() for partition in partitions}
        async with consuming(self._connection) as consumer:
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, 0)
            while missing := [number for number, one in found.items() if one.marker is None]:
                if deadline is not None and time.monotonic() > deadline:
                    raise ReplayUnfinished(name, missing, time.monotonic() - started)
                for records in (await poll(consumer, _POLL_MS)).values():
                    for record in records:
                        _take(name, found[record.partition], record)
        total = sum(one.records for one in found.values())
        markers = dict(_checked(name, found, total))
        until = {marker.until for marker in markers.values()}
        if len(until) != 1:
            raise ReplayDamaged(name, min(found), "markers tell of different ends")
        ends = {number: one.end for number, one in found.items()}
        return CompletedReplay(name, topic, until.pop(), markers[min(markers)].selection, total, ends)

    async def events(self, replay: CompletedReplay) -> AsyncIterator[Heard[Event]]:
        """Read the events of a replay; those of one subject come in order. Raises Malformed."""
        partitions = [TopicPartition(replay.topic, number) for number in replay.ends]
        async with consuming(self._connection) as consumer:
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, 0)
            while partitions:
                for records in (await poll(consumer, _POLL_MS)).values():
                    for record in records:
                        heard = read(record)
                        if heard is not None and record.offset < replay.ends[record.partition]:
                            yield heard
                partitions = [one for one in partitions if await consumer.position(one) <= replay.ends[one.partition]]

    async def _partitions(self, name: str, topic: str, deadline: float | None, started: float) -> list[TopicPartition]:
        short = topic.removeprefix(self._connection.topic_prefix)
        where = (
            self._connection
            if short != topic
            else Connection(self._connection.bootstrap_servers, "", self._connection.kafka)
        )
        while True:
            try:
                return await partitions_of(where, short)
            except TopicMissing:
                if deadline is not None and time.monotonic() > deadline:
                    raise ReplayUnfinished(name, (), time.monotonic() - started) from None
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _take(name: str, partition: _Partition, record: ConsumerRecord) -> None:
    number = record.partition
    if partition.marker is not None:
        raise ReplayDamaged(name, number, f"a record stands at {record.offset}, after the marker")
    heard = read(record)
    if heard is not None and isinstance(heard.event, ReplayCompleted):
        partition.marker, partition.end = heard.event, record.offset
        return
    if dict(record.headers).get(REPLAY_HEADER) != name.encode():
        raise ReplayDamaged(name, number, f"the record at {record.offset} is not of this replay")
    partition.take(record)
    if heard is not None:
        partition.first_id = partition.first_id or heard.id
        partition.last_id = heard.id


def _checked(name: str, found: Mapping[int, _Partition], total: int) -> Iterator[tuple[int, ReplayCompleted]]:
    for number, one in found.items():
        marker = one.marker
        if marker is None:
            continue
        if (marker.replay, marker.partition) != (name, number):
            raise ReplayDamaged(name, number, f"its marker is of {marker.replay}, partition {marker.partition}")
        if marker.records != one.records:
            raise ReplayDamaged(name, number, f"it has {one.records} records, and its marker tells of {marker.records}")
        if marker.digest != one.digest.hex():
            raise DigestMismatch(name, number, f"digest {one.digest.hex()}, and its marker tells of {marker.digest}")
        if (marker.first_id, marker.last_id) != (one.first_id, one.last_id):
            raise ReplayDamaged(name, number, "its first or last event is not the one that its marker names")
        if marker.total_records != total:
            raise ReplayDamaged(name, number, f"{total} records in all, and its marker tells of {marker.total_records}")
        yield number, marker
