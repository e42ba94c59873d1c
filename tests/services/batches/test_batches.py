"""Batches processed one by one, without a broker: what is durable when `process` returns, and what is not."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from db.questions.payers import paying_account
from db.reading_positions import ReadingWentBack, read_at_least
from schemas.facts import ProjectChanged
from schemas.parsing import CommandMessage, FactMessage, read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import Record
from schemas.topics import Topic
from tests.support.batches import batches, progress_of, records
from tests.support.messages import bind, project
from tests.support.waiting import patience, until
from workers.batches import transaction as batch
from workers.batches.transaction import Stopping
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role

_READ_PROJECT = partial(read_fact, model=ProjectChanged, max_value_bytes=1_000_000)
_READ_COMMAND = partial(read_command, max_value_bytes=1_000_000, policy=OperatorPolicy())
_WAITING = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What is logged, captured."""
    with capture_logs() as found:
        yield found


async def _all(engine: AsyncEngine, statement: str) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(statement))).all())


async def test_a_fault_of_the_reader_is_that_of_one_record(engine: AsyncEngine, lines: list[Any]) -> None:
    def reader(record: Record) -> CommandMessage | FactMessage:
        if record.offset == 3:
            raise KeyError("4111111111111111")
        return _READ_PROJECT(record)

    many = records(*(project("acme", f"p{number}") for number in range(8)))
    await batches(engine).process(Role.PROJECTS, many, reader)
    await batches(engine).process(Role.PROJECTS, many, reader)
    assert len(await _all(engine, "SELECT * FROM projects")) == 7
    dead = await _all(engine, 'SELECT reason, detail, "offset" FROM dead_letters')
    assert [tuple(row) for row in dead] == [("HandlerFault", "KeyError", 3)]
    assert [line["event"] for line in lines] == ["record_faulty"] * 2


async def test_faults_at_every_place_of_a_batch(engine: AsyncEngine) -> None:
    await _alter(engine, "ALTER TABLE projects ADD CONSTRAINT no_poison CHECK (display_name <> 'poison')")
    for place in range(5):
        said = [project("acme", f"p{place}-{number}") for number in range(5)]
        said[place] = project("acme", f"p{place}-{place}", displayName="poison")
        await batches(engine).process(Role.PROJECTS, records(*said, offset=place * 5), _READ_PROJECT)
    dead = await _all(engine, 'SELECT "offset" FROM dead_letters ORDER BY 1')
    assert [row.offset for row in dead] == [place * 5 + place for place in range(5)]
    assert len(await _all(engine, "SELECT * FROM projects")) == 20


async def test_how_far_was_read_is_noted_around_a_fault_and_with_what_was_answered_before(engine: AsyncEngine) -> None:
    await _alter(engine, "ALTER TABLE projects ADD CONSTRAINT no_poison CHECK (display_name <> 'poison')")
    said = [project("acme", f"p{number}", displayName="poison" if number == 2 else "sound") for number in range(5)]
    async with engine.begin() as connection:
        await read_at_least(connection, Topic.PROJECTS, {0: 3})
    for _ in range(2):
        read = records(*said, offset=4)
        await batches(engine).process(Role.PROJECTS, read, _READ_PROJECT, progress_of(read, 3))
        assert [tuple(row) for row in await _all(engine, "SELECT * FROM reading_positions")] == [("projects", 0, 9)]
    assert len(await _all(engine, "SELECT * FROM dead_letters")) == 1


async def test_what_is_decided_ahead_is_noted_around_a_fault_and_read_again_without_effect(engine: AsyncEngine) -> None:
    """As after a crash, when whoever reads them again finds them done."""
    await _alter(engine, "ALTER TABLE projects ADD CONSTRAINT no_poison CHECK (display_name <> 'poison')")
    said = [project("acme", f"p{number}", displayName="poison" if number == 3 else "sound") for number in range(5)]
    async with engine.begin() as connection:
        await read_at_least(connection, Topic.PROJECTS, {0: 0})
    read = records(*said)
    for _ in range(2):
        await batches(engine).process(Role.PROJECTS, read[2:], _READ_PROJECT, progress_of(read, 0))
        assert [tuple(row) for row in await _all(engine, "SELECT * FROM reading_positions")] == [("projects", 0, 0)]
        ahead = await _all(engine, "SELECT unnest(offsets) AS ahead FROM read_ahead")
        assert {row.ahead for row in ahead} == {2, 3, 4}
    progress = progress_of(read, 0)
    for part in (read[2:], read[:1], read[1:2]):
        await batches(engine).process(Role.PROJECTS, part, _READ_PROJECT, progress)
    assert [tuple(row) for row in await _all(engine, "SELECT * FROM reading_positions")] == [("projects", 0, 5)]
    assert await _all(engine, "SELECT * FROM read_ahead") == []
    assert len(await _all(engine, "SELECT * FROM dead_letters")) == 1
    assert len(await _all(engine, "SELECT * FROM projects")) == 4


async def test_a_database_that_lost_what_was_decided_ahead_ends_the_worker(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await read_at_least(connection, Topic.PROJECTS, {0: 0})
    read = records(project("acme", "web"), project("acme", "api"))
    progress = progress_of(read, 0)
    await batches(engine).process(Role.PROJECTS, read[1:], _READ_PROJECT, progress)
    await _alter(engine, "DELETE FROM read_ahead")
    with pytest.raises(ReadingWentBack):
        await batches(engine).process(Role.PROJECTS, read[:1], _READ_PROJECT, progress)
    assert len(await _all(engine, "SELECT * FROM projects")) == 1


async def test_a_database_that_knows_less_ends_the_worker(engine: AsyncEngine, lines: list[Any]) -> None:
    async with engine.begin() as connection:
        await read_at_least(connection, Topic.PROJECTS, {0: 3})
    said = records(project("acme", "web"), project("acme", "api"), offset=4)
    with pytest.raises(ReadingWentBack):
        await batches(engine).process(Role.PROJECTS, said, _READ_PROJECT, progress_of(said, 4))
    assert await _all(engine, "SELECT * FROM dead_letters") == []
    assert await _all(engine, "SELECT * FROM projects") == []
    assert lines == []


async def test_tables_of_another_version_end_the_worker(engine: AsyncEngine) -> None:
    await _alter(engine, "ALTER TABLE projects RENAME COLUMN display_name TO label")
    with pytest.raises(Exception, match="display_name"):
        await batches(engine).process(Role.PROJECTS, records(project("acme", "web")), _READ_PROJECT)
    assert await _all(engine, "SELECT * FROM dead_letters") == []


async def test_a_dead_letter_that_cannot_be_kept_ends_the_worker(engine: AsyncEngine) -> None:
    await _alter(engine, "ALTER TABLE projects ADD CONSTRAINT no_poison CHECK (display_name <> 'poison')")
    await _alter(engine, "ALTER TABLE dead_letters ADD CONSTRAINT none_at_all CHECK (false)")
    said = records(project("acme", "web", displayName="poison"))
    with pytest.raises(Exception, match="none_at_all"):
        await batches(engine).process(Role.PROJECTS, said, _READ_PROJECT)
    assert await _all(engine, "SELECT * FROM log") == []


async def test_a_stopping_worker_gives_its_batch_up(engine: AsyncEngine) -> None:
    stopping = asyncio.Event()
    stopping.set()
    with pytest.raises(Stopping):
        await batches(engine, stopping).process(Role.PROJECTS, records(project("acme", "web")), _READ_PROJECT)
    assert await _all(engine, "SELECT * FROM projects") == []


async def test_two_that_settle_the_same_records_at_once(engine: AsyncEngine, lines: list[Any]) -> None:
    """As two members of a group may after a rebalance: the database must not care."""
    said = records(*(project("acme", f"p{number}") for number in range(30)))
    refused = records(*(bind("acme", "nowhere", "main", f"c{number}", dryRun=number % 2 == 0) for number in range(30)))
    await asyncio.gather(*(batches(engine).process(Role.PROJECTS, said, _READ_PROJECT) for _ in range(3)))
    await asyncio.gather(*(batches(engine).process(Role.ADMIN_COMMANDS, refused, _READ_COMMAND) for _ in range(3)))
    counted = await _all(engine, "SELECT topic, count(*) FROM log GROUP BY topic ORDER BY topic")
    assert [tuple(row) for row in counted] == [("command-results", 30), ("notices", 30)]
    assert lines == []


async def test_batches_go_on_across_the_partitions_of_the_log(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = await _all(engine, "SELECT pg_get_functiondef('ensure_log_partitions'::regproc) AS definition")
    assert ":= 1000000;" in made.definition
    small = made.definition.replace(":= 1000000;", ":= 10;").replace(":", "\\:")
    await _alter(engine, "DROP TABLE log_p0", "DROP TABLE log_p1", small, "SELECT ensure_log_partitions()")
    monkeypatch.setattr(batch, "PARTITION_POSITIONS", 10)
    settling = batches(engine)
    for number in range(45):
        # Beside one whose shard stays in the first of them.
        said = project("acme", f"p{number}"), project("globex", "web")
        await settling.process(Role.PROJECTS, records(*said, offset=2 * number), _READ_PROJECT)
    placed = (
        "SELECT tableoid::regclass::text AS name, count(*) AS n FROM log WHERE boundary = 'acme' GROUP BY 1 ORDER BY 1"
    )
    places = await _all(engine, placed)
    assert [(row.name, row.n) for row in places] == [
        ("log_p0", 9), ("log_p1", 10), ("log_p2", 10), ("log_p3", 10), ("log_p4", 6)
    ]  # fmt: skip
    assert await _all(engine, "SELECT * FROM dead_letters") == []
    await _alter(engine, "ALTER FUNCTION ensure_log_partitions RENAME TO asked_once_for_each")
    await settling.process(Role.PROJECTS, records(project("acme", "last"), offset=90), _READ_PROJECT)
    async with engine.connect() as connection:
        assert await paying_account(connection, "acme", "p1") is None


async def test_a_batch_waits_for_the_shard_that_another_holds_and_begins_again_when_it_is_cut_off(
    engine: AsyncEngine, lines: list[Any]
) -> None:
    metrics = Metrics()
    async with engine.begin() as other:
        await other.execute(text("SELECT * FROM shards FOR UPDATE"))
        settling = asyncio.create_task(
            batches(engine, metrics=metrics).process(Role.PROJECTS, records(project("acme", "web")), _READ_PROJECT)
        )
        await until(_waits(engine), "the batch at the lock")
        await _all(engine, f"SELECT pg_terminate_backend(pid) {_WAITING}")
        await until(_is_retried(metrics), "that it begins again")
        await until(_waits(engine), "the batch at the lock")
        assert not settling.done()
    await asyncio.wait_for(settling, patience(10))
    assert len(await _all(engine, "SELECT * FROM projects")) == 1
    assert [line["event"] for line in lines] == ["batch_retried"]


async def test_a_worker_that_waits_to_begin_again_can_stop(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_FIRST_DELAY_SECONDS", 3600.0)
    metrics, stopping = Metrics(), asyncio.Event()
    async with engine.begin() as other:
        await other.execute(text("SELECT * FROM shards FOR UPDATE"))
        said = records(project("acme", "web"))
        settling = asyncio.create_task(
            batches(engine, stopping, metrics=metrics).process(Role.PROJECTS, said, _READ_PROJECT)
        )
        await until(_waits(engine), "the batch at the lock")
        await _all(engine, f"SELECT pg_terminate_backend(pid) {_WAITING}")
        await until(_is_retried(metrics), "that it waits")
        stopping.set()
        with pytest.raises(Stopping):
            await asyncio.wait_for(settling, patience(10))


def _is_retried(metrics: Metrics) -> Callable[[], Any]:
    async def look() -> bool:
        return metrics.registry.get_sample_value("whopays_batch_retries_total") == 1

    return look


def _waits(engine: AsyncEngine) -> Callable[[], Any]:
    async def look() -> bool:
        return bool(await _all(engine, f"SELECT 1 {_WAITING}"))

    return look


async def _alter(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
