"""Events followed into one's own store: what was handled is committed once, whatever ends the reader, and in order."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services.client.acting import story, write
from tests.services.client.reading import keep, loop, numbers, read_all, reading, seen
from tests.services.client.telling import bind, new_organization, set_up
from tests.support.installations import Installation
from tests.support.kafka import published
from tests.support.processes import DIE_WITH_PARENT
from whopays_client import (
    BindingChanged,
    Connection,
    Publisher,
    SQLiteStore,
    Subscriber,
)
from whopays_client.postgresql import PostgreSQLStore


async def test_a_reader_that_is_killed_again_and_again_sees_each_change_once(
    shared: Installation, publisher: Publisher, store: SQLiteStore, tmp_path: Path
) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main", "spare", projects=("web", "api"))
    sending = [
        asyncio.create_task(
            publisher.send(bind(organization, ("web", "api")[number % 2], ("main", "spare")[number // 2 % 2]))
        )
        for number in range(300)
    ]
    arguments = (shared.kafka_bootstrap_servers, shared.prefix, str(tmp_path / "reader.db"), organization)
    for kill_after in (1, 7, 30, 2, 64):
        reader = await _started(*arguments)
        assert reader.stdout is not None
        for _ in range(kill_after):
            await reader.stdout.readline()
        reader.kill()
        await reader.wait()
    await asyncio.gather(*sending)
    expected = [
        (one.event["subject"], int(one.event["sequence"]))
        for one in await published(shared)
        if one.topic == "bindings" and one.data["organization"] == organization
    ]
    reader = await _started(*arguments, "until-end")
    await reader.communicate()
    assert reader.returncode == 0
    assert sorted(seen(tmp_path)) == sorted(expected)
    for project in ("web", "api"):
        assert [row for row in seen(tmp_path) if row[0].endswith(project)] == [
            row for row in expected if row[0].endswith(project)
        ]


async def test_the_store_may_be_postgresql(stage: Connection, pool: Any) -> None:
    store = PostgreSQLStore(pool)
    await asyncio.gather(store.prepare(), store.prepare())
    await write(stage, "bindings", [*story("web", 3), *story("api", 2)])

    async def read(fail_at: int | None) -> None:
        async with Subscriber(stage, store, "reader", [BindingChanged], until_end=True, max_batch=2) as subscriber:
            async for change in subscriber:
                await change.transaction.execute(
                    "INSERT INTO seen VALUES ($1, $2)", change.heard.subject, change.heard.sequence
                )
                if change.heard.order == fail_at:
                    raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        await read(3)
    assert len(await pool.fetch("SELECT * FROM seen")) == 2
    # Two at once take turns.
    await asyncio.gather(read(None), read(None))
    rows = await pool.fetch("SELECT subject, sequence FROM seen ORDER BY subject, sequence")
    assert [tuple(row) for row in rows] == numbers("api", 1, 2) + numbers("web", 1, 2, 3)


async def test_what_fails_is_rolled_back_and_comes_again(stage: Connection, store: SQLiteStore, tmp_path: Path) -> None:
    await write(stage, "bindings", story("web", 5))
    with pytest.raises(RuntimeError):
        await read_all(reading(stage, store, max_batch=2), fail_at=4)
    assert seen(tmp_path) == numbers("web", 1, 2)
    assert await read_all(reading(stage, store)) == numbers("web", 3, 4, 5)
    assert seen(tmp_path) == numbers("web", 1, 2, 3, 4, 5)
    assert await read_all(reading(stage, store)) == []


async def test_a_loop_that_is_left_has_handled_its_last_change(
    stage: Connection, store: SQLiteStore, tmp_path: Path
) -> None:
    await write(stage, "bindings", story("web", 4))
    async with reading(stage, store) as subscriber:
        async for change in subscriber:
            keep(change.transaction, change.heard.subject, change.heard.order)
            if change.heard.order == 2:
                break
    assert seen(tmp_path) == numbers("web", 1, 2)
    assert await read_all(reading(stage, store)) == numbers("web", 3, 4)


async def test_a_loop_that_is_begun_again_gets_what_was_not_committed(
    stage: Connection, store: SQLiteStore, tmp_path: Path
) -> None:
    await write(stage, "bindings", story("web", 3))
    async with reading(stage, store) as subscriber:
        async for change in subscriber:
            keep(change.transaction, change.heard.subject, change.heard.order)
            if change.heard.order == 2:
                break
        assert await loop(subscriber) == [(1, 0), (2, 0), (3, 0)]
    assert seen(tmp_path) == numbers("web", 1, 2, 3)


async def _started(*arguments: str) -> asyncio.subprocess.Process:
    """Start a reader of its own process, which writes a line for each change."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.services.client.reader", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, preexec_fn=DIE_WITH_PARENT,
    )  # fmt: skip
