"""Before anything is written, a process holds the database beyond what readers were told to be closed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.facts import ProjectChanged
from schemas.parsing import read_fact
from schemas.watermarks import Watermark
from tests.support.batches import records
from tests.support.installations import KEYS
from tests.support.messages import project
from workers.batches.transaction import Batches
from workers.publishing.packing import LogDamaged
from workers.publishing.positions import Kept, LastWatermark
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings


def _kept(closed: datetime) -> Kept:
    watermark = Watermark(closed_until=closed, offsets=(0,))
    return Kept(last=LastWatermark(watermark, watermark.rendered(closed, "/whopays/test")))


_READ_PROJECT = partial(read_fact, model=ProjectChanged, max_value_bytes=1_000_000)


class _Told:
    """What Kafka tells of the relay, and how often it was asked."""

    def __init__(self, closed: datetime) -> None:
        self.closed = closed
        self.times = 0

    async def __call__(self) -> Kept:
        self.times += 1
        return _kept(self.closed)


def _batches(engine: AsyncEngine, told: _Told) -> Batches:
    settings = Settings(encryption_keys=json.loads(KEYS))
    return Batches(engine, settings, settings.keys(), Metrics(), asyncio.Event(), told)


async def _instants(engine: AsyncEngine) -> list[datetime]:
    async with engine.connect() as connection:
        return list((await connection.execute(text("SELECT last_instant FROM shards"))).scalars())


async def test_instants_are_later_than_what_was_closed_and_kafka_is_asked_once(engine: AsyncEngine) -> None:
    # The clock of this database is an hour behind that of the one that was closed.
    told = _Told(datetime.now(UTC) + timedelta(hours=1))
    batches = _batches(engine, told)
    said = (
        records(*(project(name, f"p{n}") for n in range(3)), offset=at) for at, name in ((0, "acme"), (3, "globex"))
    )
    await asyncio.gather(*(batches.process(Role.PROJECTS, some, _READ_PROJECT) for some in said))
    await batches.process(Role.PROJECTS, records(project("acme", "later"), offset=6), _READ_PROJECT)
    assert told.times == 1
    assert min(await _instants(engine)) >= told.closed
    async with engine.connect() as connection:
        told_of_acme = text("SELECT recorded_at FROM log WHERE boundary = 'acme' ORDER BY position")
        instants = list((await connection.execute(told_of_acme)).scalars())
        written = (await connection.execute(text("SELECT min(recorded_at) FROM log"))).scalar_one()
    assert written > told.closed
    assert instants == sorted(set(instants)), "nor is any of a batch given again in the next"
    assert len(instants) == 4


async def test_a_database_that_went_back_is_not_written_to(engine: AsyncEngine) -> None:
    told = _Told(datetime.min.replace(tzinfo=UTC))
    await _batches(engine, told).process(Role.PROJECTS, records(project("acme", "web")), _READ_PROJECT)
    told.closed = datetime.now(UTC)
    before = await _instants(engine)
    with pytest.raises(LogDamaged, match="readers were told that nothing comes any more"):
        await _batches(engine, told).process(Role.PROJECTS, records(project("acme", "b")), _READ_PROJECT)
    assert await _instants(engine) == before


async def test_a_server_that_was_started_again_is_another_one(engine: AsyncEngine) -> None:
    told = _Told(datetime.now(UTC))
    batches = _batches(engine, told)
    await batches.process(Role.PROJECTS, records(project("acme", "web")), _READ_PROJECT)
    async with engine.connect() as connection:
        connection.info["server"] = "another"
    await batches.process(Role.PROJECTS, records(project("acme", "api"), offset=1), _READ_PROJECT)
    assert told.times == 2
