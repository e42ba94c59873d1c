"""Transactions that a producer left open on an input topic: they block all records behind them, without any error."""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from workers.runtime.roles import Role

_WARN_AFTER_SECONDS = 10.0
_WARN_AGAIN_SECONDS = 300.0
_FRESH_SECONDS = 5.0

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sight:
    """What a fetch reported of a partition: its last stable offset (`stable`) and its end."""

    stable: int
    end: int


class OpenTransactions:
    """Warns of partitions whose next record belongs to, or is behind, a transaction that stays open."""

    def __init__(self, role: Role, bootstrap_servers: str) -> None:
        self._role = role
        self._bootstrap_servers = bootstrap_servers
        self._held_since: dict[TopicPartition, tuple[int, float]] = {}
        self._warn_at: dict[TopicPartition, float] = {}

    def look(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition], now: float) -> None:
        """Check what the last fetches reported; `now` is Unix time in seconds."""
        for partition in partitions:
            self.judge(partition, _seen(consumer, partition, now), now)

    def held_since(self, partition: TopicPartition) -> float | None:
        """Return since when, in Unix time, a partition has been held up at the same offset; None if it is not."""
        held = self._held_since.get(partition)
        return None if held is None else held[1]

    def judge(self, partition: TopicPartition, sight: Sight | None, now: float) -> None:
        """Warn when a partition has been held up at the same offset for long; `sight` is None where nothing is held."""
        if sight is None or sight.stable >= sight.end:
            self._held_since.pop(partition, None)
            return
        stable, since = self._held_since.get(partition, (None, now))
        if stable != sight.stable:
            self._held_since[partition] = (sight.stable, now)
            self._warn_at[partition] = now + _WARN_AFTER_SECONDS
        elif now >= self._warn_at[partition]:
            self._warn_at[partition] = now + _WARN_AGAIN_SECONDS
            self._warn(partition, sight, now - since)

    def _warn(self, partition: TopicPartition, sight: Sight, seconds: float) -> None:
        logger.warning(
            "transaction_left_open",
            role=self._role,
            partition=f"{partition.topic}/{partition.partition}",
            offset=sight.stable,
            waiting=sight.end - sight.stable,
            seconds=round(seconds),
            why="a producer has neither committed nor aborted it, and nothing behind it can be read. Find it by: "
            f"kafka-transactions.sh --bootstrap-server {self._bootstrap_servers} describe-producers "
            f"--topic {partition.topic} --partition {partition.partition}",
        )


def _seen(consumer: AIOKafkaConsumer, partition: TopicPartition, now: float) -> Sight | None:
    """Return what the last fetch reported, if recent: a partition that we paused is not held up by a producer."""
    stable, end = consumer.last_stable_offset(partition), consumer.highwater(partition)
    fetched_at = consumer.last_poll_timestamp(partition)
    if stable is None or end is None or fetched_at is None or now - fetched_at / 1000 > _FRESH_SECONDS:
        return None
    return Sight(stable, end)
