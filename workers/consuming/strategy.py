"""What a subscription does with the records that it fetches: the protocol between the two."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from aiokafka import TopicPartition

from schemas.records import Record


class Strategy(Protocol):
    """Processes what a consumer fetches. The subscription calls `admit`, then `submit` again and again.

    Before the group is rebalanced it calls `close` and `join`; with the next assignment it begins again at `admit`.
    Before the process stops it calls `end`, once.
    """

    generation: int
    """How many times it was closed."""

    def admit(self, reached: Mapping[TopicPartition, int]) -> None:
        """Accept records of these partitions from now on; everything before the offset of each is decided."""

    def reached(self, partition: TopicPartition) -> int:
        """Return the offset before which a partition's records are decided; 0 if it is not admitted."""

    def first_undecided(self, partition: TopicPartition) -> tuple[int, datetime] | None:
        """Return the offset and timestamp of a partition's first record that was submitted and is not decided."""

    async def submit(self, records: Sequence[Record], generation: int) -> None:
        """Take records over, and return when more are welcome. Of a partition that has too many, the source is paused.

        `generation` is the one in which they were fetched; what belongs to an earlier one is dropped.
        """

    def close(self) -> None:
        """Forget what waits, because it will be read again; accept nothing until partitions are admitted again."""

    async def join(self, seconds: float) -> None:
        """Finish and acknowledge what is in progress, for at most `seconds`."""

    async def end(self, seconds: float) -> None:
        """Close, join, and abandon what is still in progress; start nothing any more."""


class Source(Protocol):
    """Where a strategy's records come from."""

    async def acknowledge(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note from where to go on after a crash."""

    def pause(self, partition: TopicPartition) -> None:
        """Return no more records of a partition for the time being."""

    def resume(self, partition: TopicPartition) -> None:
        """Return records of a partition again."""
