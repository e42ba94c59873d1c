"""The outbox: published exactly once, by one process at a time."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from examples.outbox import Outbox
from tests.services.examples.pipelines import said_on
from whopays_client import Connection, SQLiteStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """A store with an outbox."""
    with closing(SQLiteStore(tmp_path / "outbox.db")) as made:
        yield made


def outbox_of(stage: Connection, store: SQLiteStore) -> Outbox:
    """Return the outbox of a store, which publishes warnings."""
    return Outbox(stage, store, "test", stage.topic("payment-warnings"))


async def put(store: SQLiteStore, *numbers: object) -> None:
    """Put some rows into the outbox, in one transaction."""
    async with store.transaction("test") as transaction:
        for number in numbers:
            Outbox.put(transaction, f"k{number}", {"number": number})


async def published(stage: Connection) -> list[int]:
    """Return what is published."""
    return [one["number"] for one in await said_on(stage, "payment-warnings")]


async def test_who_is_killed_between_the_two_commits_publishes_nothing_twice(
    stage: Connection, store: SQLiteStore
) -> None:
    async with outbox_of(stage, store) as outbox:
        await put(store, 1, 2)
        async with store.transaction("test") as transaction:
            rows = transaction.execute("SELECT * FROM outbox").fetchall()
        await outbox.publish()
    async with store.transaction("test") as transaction:
        assert transaction.execute("SELECT * FROM outbox").fetchall() == []
        # As the store would be, had the process been killed after Kafka's commit and before its own.
        transaction.executemany("INSERT INTO outbox VALUES (?, ?, ?)", rows)
    async with outbox_of(stage, store) as outbox:
        await put(store, 3)
        await outbox.publish()
    assert await published(stage) == [1, 2, 3]


async def test_a_second_process_takes_over_from_the_first(stage: Connection, store: SQLiteStore) -> None:
    async with outbox_of(stage, store) as first:
        await put(store, 1)
        await first.publish()
        async with outbox_of(stage, store) as second:
            await put(store, 2)
            with pytest.raises(KafkaError):
                await first.publish()
            await second.publish()
    assert await published(stage) == [1, 2]


async def test_what_is_rolled_back_is_not_published(stage: Connection, store: SQLiteStore) -> None:
    async with outbox_of(stage, store) as outbox:
        with pytest.raises(TypeError):
            await put(store, 1, object())  # which JSON cannot tell
        await put(store, 2)
        await outbox.publish()
    assert await published(stage) == [2]
