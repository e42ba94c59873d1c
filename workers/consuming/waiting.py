"""Records waiting to be decided: each organization's in order, the organizations in turn."""

from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from itertools import islice

from aiokafka import TopicPartition

from schemas.records import Record
from workers.consuming.queues import Queue

_BACKLOG_DIVISOR = 4
"""While others have records, a backlogged organization gets at most this fraction (1/n) of a batch."""
_REMEMBERED = 8
"""For how many batches other organizations are assumed to be active after they were seen."""
_MUCH_BYTES = 8 * 1024 * 1024
"""When more than this waits, queues are compressed."""

QueueKey = tuple[TopicPartition, str]
"""A partition and an organization: the key of a queue."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to decide in one transaction, and their shards; `is_cut` if more records of one of these shards wait."""

    records: list[Record]
    shards: frozenset[int]
    is_cut: bool

    @property
    def partitions(self) -> set[TopicPartition]:
        """The partitions of the records."""
        return set(map(partition_of, self.records))


class Waiting:
    """Waiting records by shard: a shard has one writer, so two batches of one shard would only wait for each other."""

    def __init__(self, batch_records: int, shard_of: Callable[[str], int]) -> None:
        self._batch_records = batch_records
        self._shard_of = shard_of
        # Longest wait first, both among the shards and among the queues of each.
        self._shards: dict[int, dict[QueueKey, Queue]] = {}
        self._had_others: deque[bool] = deque(maxlen=_REMEMBERED)
        self.of_partition: Counter[TopicPartition] = Counter()
        """The number of waiting records of each partition."""
        self.bytes_of_partition: Counter[TopicPartition] = Counter()
        """The memory that they take."""
        self.records = 0
        self.bytes = 0

    def put(self, place: QueueKey, records: list[Record]) -> None:
        """Append records of one partition and boundary, in order, to their queue."""
        partition, boundary = place
        queues = self._shards.setdefault(self._shard_of(boundary), {})
        queue = queues.get(place)
        if queue is None:
            queue = queues[place] = Queue()
            self._take_memory(partition, queue.bytes)
        before = queue.bytes
        queue.extend(records, is_much=self.bytes > _MUCH_BYTES)
        self._take_memory(partition, queue.bytes - before)
        self.of_partition[partition] += len(records)
        self.records += len(records)

    def take(self, busy: Collection[int]) -> Batch | None:
        """Take a batch from shards that are not busy; None if nothing waits in them."""
        records: list[Record] = []
        shards: list[int] = []
        is_limited, has_emptied = any(self._had_others), False
        for shard in [one for one in self._shards if one not in busy]:
            room = self._batch_records - len(records)
            most = max(1, self._batch_records // _BACKLOG_DIVISOR) if is_limited else room
            queues = self._shards.pop(shard)
            before = len(queues)
            for (partition, _), queue in queues.items():
                self._take_memory(partition, -queue.bytes)
            records += _taken_in_turn(queues, room, most)
            shards.append(shard)
            has_emptied |= len(queues) < before
            for (partition, _), queue in queues.items():
                self._take_memory(partition, queue.bytes)
            if queues:
                self._shards[shard] = queues
            if queues or len(records) == self._batch_records:
                break  # leave the other shards to other lanes, so that they need not wait for this backlog
        if not records:
            return None
        self._had_others.append(has_emptied)
        self.of_partition.subtract(map(partition_of, records))
        self.records -= len(records)
        return Batch(records, frozenset(shards), is_cut=shards[-1] in self._shards)

    def clear(self) -> None:
        """Forget everything."""
        self._shards.clear()
        self.of_partition.clear()
        self.bytes_of_partition.clear()
        self.records = self.bytes = 0

    def _take_memory(self, partition: TopicPartition, bytes_: int) -> None:
        self.bytes_of_partition[partition] += bytes_
        self.bytes += bytes_


def partition_of(record: Record) -> TopicPartition:
    """Return the partition of a record."""
    return _partition(record.topic, record.partition)


_partition = cache(TopicPartition)


def _taken_in_turn(queues: dict[QueueKey, Queue], room: int, most: int) -> list[Record]:
    """Take up to `room` records, at most `most` of each queue, in equal shares as far as the queues have enough.

    Empty queues are removed, and those that were served move behind those that were not.
    """
    records: list[Record] = []
    given = dict.fromkeys(islice(queues, room), 0)
    served = list(given)
    while len(records) < room and given:
        share = max(1, (room - len(records)) // len(given))
        for place in list(given):
            queue = queues[place]
            count = min(share, room - len(records), len(queue), most - given[place])
            records += queue.take(count)
            given[place] += count
            if not queue or given[place] == most:
                del given[place]
    for place in served:
        queue = queues.pop(place)
        if queue:
            queues[place] = queue
    return records
