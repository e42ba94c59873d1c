"""The protocol between a subscription, which fetches records, and the strategy that processes them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from aiokafka import TopicPartition

from schemas.records import Record


class Strategy(Protocol):
    """Processes the records that a consumer fetches. The subscription calls `admit`, then `submit` repeatedly.

    Before the group is rebalanced it calls `close` and `join`; after the next assignment it starts over with `admit`.
    Before the process stops it calls `end`, once.
    """

    generation: int
    """The number of times it was closed."""

    def admit(self, reached: Mapping[TopicPartition, int]) -> None:
        """Accept records of these partitions from now on; everything before the offset of each is decided."""

    def reached(self, partition: TopicPartition) -> int:
        """Return the offset before which a partition's records are decided; 0 if it is not admitted."""

    def first_undecided(self, partition: TopicPartition) -> tuple[int, datetime] | None:
        """Return the offset and timestamp of a partition's first record that was submitted and is not decided."""

    async def submit(self, records: Sequence[Record], generation: int) -> None:
        """Queue records, and return when ready for more; partitions with too large a backlog are paused.

        `generation` is the one in which the records were fetched; those of an earlier one are dropped.
        """

    def close(self) -> None:
        """Forget waiting records, which will be read again; accept nothing until partitions are admitted again."""

    async def join(self, seconds: float) -> None:
        """Wait at most `seconds` for batches in progress to finish and be acknowledged."""

    async def end(self, seconds: float) -> None:
        """Close, join, and cancel batches still in progress; no new ones are started."""


class Source(Protocol):
    """The source of a strategy's records."""

    async def acknowledge(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the offsets to resume from after a crash."""

    def pause(self, partition: TopicPartition) -> None:
        """Stop returning records of a partition until it is resumed."""

    def resume(self, partition: TopicPartition) -> None:
        """Return records of a partition again."""
