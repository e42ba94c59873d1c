"""One reader of all output topics, which hands every record to the case that it belongs to."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Self

from aiokafka import AIOKafkaConsumer

from tests.acceptance.case_log import CaseLog, place_of_dead_letter
from tests.acceptance.records import OutputRecord, Sent
from tests.acceptance.vocabulary import DEAD_LETTER_TOPIC, OUTPUT_TOPICS

_POLL_MILLISECONDS = 500
_READ_AT_ONCE = 2000
_FETCH_BYTES = 4 * 1024 * 1024


class Observer:
    """Reads what is committed, from the moment it is entered with `async with`."""

    def __init__(self, bootstrap_servers: str, prefix: str, witness: Callable[[OutputRecord], None]) -> None:
        self._prefix = prefix
        self._witness = witness
        self._consumer = AIOKafkaConsumer(
            *(f"{prefix}{topic}" for topic in OUTPUT_TOPICS),
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            group_id=None,
            fetch_max_wait_ms=_POLL_MILLISECONDS,
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        self._case_of_organization: dict[str, CaseLog] = {}
        self._case_of_place: dict[tuple[str, int, int], CaseLog] = {}
        self._unclaimed_dead_letters: dict[tuple[str, int, int], list[OutputRecord]] = defaultdict(list)
        self._ids: set[str] = set()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        partitions = self._consumer.assignment()
        await self._consumer.seek_to_end(*partitions)
        for partition in partitions:
            # Seeking is lazy: only the position asked for says from where records will be seen.
            await self._consumer.position(partition)
        self._reading = asyncio.create_task(self._read(), name="acceptance observer")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        await self._consumer.stop()

    def register(self, organizations: list[str], log: CaseLog) -> None:
        """Assign the records of these organizations to this case from now on."""
        for organization in organizations:
            self._case_of_organization[organization] = log

    def claim(self, sent: Sent, log: CaseLog) -> None:
        """Assign the dead letter of this acknowledged record to the case, whether it has come already or not."""
        place = (f"{self._prefix}{sent.topic}", sent.partition, sent.offset)
        self._case_of_place[place] = log
        for record in self._unclaimed_dead_letters.pop(place, []):
            log.add_output(record)

    def raise_if_stopped(self) -> None:
        """Raise the error that ended the reading, if any: no case could end then."""
        if self._reading is not None and self._reading.done():
            self._reading.result()

    async def _read(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MILLISECONDS, max_records=_READ_AT_ONCE)
            for partition, messages in batches.items():
                topic = partition.topic.removeprefix(self._prefix)
                for message in messages:
                    headers = tuple(message.headers)
                    self._hand_over(
                        OutputRecord(topic, partition.partition, message.offset, message.key, message.value, headers)
                    )

    def _hand_over(self, record: OutputRecord) -> None:
        self._witness(record)
        if record.topic == DEAD_LETTER_TOPIC:
            place = place_of_dead_letter(record)
            log = self._case_of_place.get(place)
            if log is None:
                self._unclaimed_dead_letters[place].append(record)
        else:
            log = self._case_of_organization.get(record.organization)
        if log is not None:
            log.add_output(record)
        id_ = record.envelope.get("id")
        if isinstance(id_, str):
            if id_ in self._ids and log is not None:
                log.problems.append(f"1: the id {id_} came twice: {record.abbreviated()}")
            self._ids.add(id_)
