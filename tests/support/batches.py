"""Batches for tests that process them without a broker in between."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.facts import ProjectChanged
from schemas.parsing import read_fact
from schemas.records import Record
from tests.support.installations import KEYS, Installation
from tests.support.messages import Said
from workers.batches.asking import Verify
from workers.batches.progress import Progress
from workers.batches.transaction import Batches
from workers.publishing.positions import Kept
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings

read_project = partial(read_fact, model=ProjectChanged, max_value_bytes=1_000_000)
"""Reads what is said of projects."""


def records(*said: Said, offset: int = 0) -> list[Record]:
    """Return records as Kafka would."""
    begin = datetime(2026, 7, 1, tzinfo=UTC)
    return [
        Record(one.topic, 0, offset + number, begin + timedelta(seconds=number), one.key, one.headers, one.value)
        for number, one in enumerate(said)
    ]


def batches(
    engine: AsyncEngine,
    stopping: asyncio.Event | None = None,
    *,
    remembered_records: int = 1000,
    metrics: Metrics | None = None,
    verify: Verify | None = None,
) -> Batches:
    """Return the batch processor for the test's database; without `verify` no token is checked."""
    settings = Settings(encryption_keys=json.loads(KEYS), remembered_records=remembered_records)
    counts, ends = metrics or Metrics(), stopping or asyncio.Event()
    return Batches(engine, settings, settings.keys(), counts, ends, nothing_kept, verify)


def batches_of(installation: Installation) -> Batches:
    """Return the batch processor for an installation of which no process need run."""
    counts, ends = Metrics(), asyncio.Event()
    return Batches(installation.engine, installation.settings, installation.keys, counts, ends, nothing_kept)


def progress_of(read: Sequence[Record], reached: int) -> dict[TopicPartition, Progress]:
    """Return how far the partition of records is read: they are, and everything before an offset is decided."""
    partition = TopicPartition(read[0].topic, read[0].partition)
    progress = Progress(partition, reached)
    for record in read:
        progress.read(record.offset, record.timestamp)
    return {partition: progress}


async def nothing_kept() -> Kept:
    """Return what Kafka holds of a relay where none has run."""
    return Kept()
