"""How far behind a consumer is in each of its partitions: in records, and in time."""

from datetime import datetime

from aiokafka import TopicPartition

from workers.runtime.metrics import Metrics


class Lag:
    """Tells the metrics how far behind the end of each partition what is decided is."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._behind_since: dict[TopicPartition, tuple[int, float]] = {}
        self._told: set[TopicPartition] = set()

    def note(
        self, partition: TopicPartition, first: tuple[int, datetime] | None, position: int, end: int, now: float
    ) -> None:
        """Note the first record that was read and is not decided, from where to read on, and where the partition ends.

        Of records that were not read yet the timestamp is not known: they count from when they were noticed, at `now`
        in Unix time.
        """
        offset, since = position, None
        if first is not None:
            offset, timestamp = first
            since = timestamp.timestamp()
        elif position < end:
            at, noticed = self._behind_since.get(partition, (position, now))
            since = noticed if at == position else now
            self._behind_since[partition] = (position, since)
        self._told.add(partition)
        self._metrics.behind(partition, max(0, end - offset), since)

    def forget(self) -> None:
        """Tell nothing of these partitions any more: somebody else may have them now."""
        while self._told:
            self._metrics.forget_partition(self._told.pop())
        self._behind_since.clear()
