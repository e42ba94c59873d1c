"""A consumer's lag in each of its partitions, in records and in time."""

from datetime import datetime

from aiokafka import TopicPartition

from workers.runtime.metrics import Metrics


class Lag:
    """Reports to the metrics how far the decided offset lags behind each partition's end."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._behind_since: dict[TopicPartition, tuple[int, float]] = {}
        self._told: set[TopicPartition] = set()

    def note(
        self, partition: TopicPartition, first: tuple[int, datetime] | None, position: int, end: int, now: float
    ) -> None:
        """Update a partition's lag from its first undecided record, its next offset to read and its end.

        The timestamps of unread records are not known: they count as waiting since they were first noticed, at `now`
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
        """Stop reporting these partitions: another process may own them now."""
        while self._told:
            self._metrics.forget_partition(self._told.pop())
        self._behind_since.clear()
