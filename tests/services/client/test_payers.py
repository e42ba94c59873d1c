"""Who paid at an instant: final below the watermark, not known yet beyond it, also for projects that had no event."""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from embedded import Addresses
from tests.services.client.acting import act_replay, at, changed, make_topic, story, watermark, write
from tests.services.client.telling import bind, new_organization, set_up
from tests.support.installations import Installation
from tests.support.kafka import published
from whopays_client import (
    Connection,
    HistoryMissing,
    Malformed,
    NotKnownYet,
    Payer,
    Payers,
    Publisher,
    Replays,
    SQLiteStore,
    TopicMissing,
)

SECONDS = 30.0


@pytest_asyncio.fixture
async def stage(services: Addresses) -> Connection:
    """Topics on which only the test speaks."""
    made = Connection(services.kafka_bootstrap_servers, f"s{uuid4().hex[:12]}.")
    await make_topic(made, "bindings", 2)
    await make_topic(made, "watermarks", 1)
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """A store in a file."""
    made = SQLiteStore(tmp_path / "payers.db")
    yield made
    made.close()


async def account(payers: Payers[sqlite3.Connection], project: str, minutes: float) -> str | None:
    """Return the account that paid for a project of acme, waiting until that is known."""
    payer = await payers.payer("acme", project, at(minutes), wait_seconds=SECONDS)
    return None if payer is None else payer.account


async def test_below_the_watermark_answers_are_final_and_beyond_it_there_are_none(
    stage: Connection, store: SQLiteStore
) -> None:
    end = await write(stage, "bindings", [*story("web", 3), changed("web", 4, None, 4, before=("a3", 3))])
    async with Payers(stage, store, "usage") as payers:
        with pytest.raises(NotKnownYet, match="nothing is known yet"):
            await payers.payer("acme", "web", at(1))
        await write(stage, "watermarks", [watermark(5, [end, 0])])
        answers = [await account(payers, "web", minutes) for minutes in (0.99, 1, 1.99, 2, 3.5, 3.999, 4, 5)]
        assert answers == [None, "a1", "a1", "a2", "a3", "a3", None, None]
        assert await account(payers, "never-heard-of", 5) is None
        assert payers.closed_until == at(5)
        with pytest.raises(NotKnownYet) as beyond:
            await payers.payer("acme", "web", at(5.1))
        assert (beyond.value.at, beyond.value.closed_until) == (at(5.1), at(5))
        first = await payers.payer("acme", "web", at(1.5))
        assert first == Payer("a1", "acme/web/1", at(1), at(2), "EUR", first.payment_terms if first else None)
        assert first.payment_terms is not None
        assert first.payment_terms.net_days == 30


async def test_whoever_waits_gets_the_answer_as_soon_as_it_is_final(stage: Connection, store: SQLiteStore) -> None:
    async with Payers(stage, store, "usage") as payers:
        asked = [asyncio.create_task(account(payers, project, 2.5)) for project in ("web", "idle", "web")]
        end = await write(stage, "bindings", story("web", 2))
        # Published, and yet not known to be all.
        await write(stage, "watermarks", [watermark(2, [end, 0])])
        await payers.until(at(2), SECONDS)
        assert not any(task.done() for task in asked)
        await write(stage, "watermarks", [watermark(2.5, [end, 0])])
        assert await asyncio.gather(*asked) == ["a2", None, "a2"]


async def test_a_watermark_counts_only_once_all_partitions_are_read_that_far(
    stage: Connection, store: SQLiteStore
) -> None:
    end = await write(stage, "bindings", story("web", 1))
    await write(stage, "watermarks", [watermark(1, [end, 0]), watermark(9, [end, 2])])
    async with Payers(stage, store, "usage") as payers:
        assert await account(payers, "web", 1) == "a1"
        with pytest.raises(NotKnownYet):
            await payers.payer("acme", "api", at(9))
        assert await write(stage, "bindings", story("api", 1), partition=1) == 2
        assert await account(payers, "api", 9) == "a1"
        # What was asked before is not what is remembered of it.
        end = await write(stage, "bindings", [changed("web", 2, "a2", 10.5, before=("a1", 1))])
        await write(stage, "watermarks", [watermark(11, [end, 2])])
        assert [await account(payers, "web", minutes) for minutes in (11, 10.5, 10.4)] == ["a2", "a2", "a1"]


async def test_a_watermark_that_falls_changes_nothing(stage: Connection, store: SQLiteStore) -> None:
    end = await write(stage, "bindings", story("web", 1))
    async with Payers(stage, store, "usage") as payers:
        # Both count from the same moment on: once a record is read that is not written yet.
        await write(stage, "watermarks", [watermark(10, [end, 1]), watermark(3, [end, 1])])
        await write(stage, "bindings", story("api", 1), partition=1)
        assert await account(payers, "api", 10) == "a1"
        assert payers.closed_until == at(10)


class _Slow(SQLiteStore):
    """A store whose first answer to a question comes late: `read` says that it is read, `told` lets it go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read, self.told = asyncio.Event(), asyncio.Event()

    async def recall(self, transaction: sqlite3.Connection | None, keys: Sequence[str]) -> dict[str, str]:
        found = await super().recall(transaction, keys)
        if transaction is None and keys == ["usage/payers/acme/web"] and not self.read.is_set():
            self.read.set()
            await self.told.wait()
        return found


async def test_what_changes_while_it_is_read_is_not_remembered_as_it_was(stage: Connection, tmp_path: Path) -> None:
    store = _Slow(tmp_path / "payers.db")
    try:
        end = await write(stage, "bindings", story("web", 1))
        await write(stage, "watermarks", [watermark(1, [end, 0])])
        async with Payers(stage, store, "usage") as payers:
            asked = asyncio.create_task(account(payers, "web", 1))
            await store.read.wait()
            end = await write(stage, "bindings", story("web", 1, first=2))
            await write(stage, "watermarks", [watermark(3, [end, 0])])
            assert await account(payers, "web", 2) == "a2"
            store.told.set()
            assert await asked == "a1"
            assert await account(payers, "web", 2) == "a2"
    finally:
        store.close()


async def test_a_timeline_goes_on_where_it_was(stage: Connection, store: SQLiteStore) -> None:
    end = await write(stage, "bindings", story("web", 100))
    await write(stage, "watermarks", [watermark(100, [end, 0])])
    for _ in range(2):
        async with Payers(stage, store, "usage", max_batch=7) as payers:
            assert [await account(payers, "web", minutes) for minutes in (1, 50, 99.5, 100)] == [
                "a1",
                "a50",
                "a99",
                "a100",
            ]
    end = await write(stage, "bindings", story("web", 1, first=101))
    await write(stage, "watermarks", [watermark(102, [end, 0])])
    async with Payers(stage, store, "usage") as payers:
        assert [await account(payers, "web", minutes) for minutes in (1, 100.5, 101)] == ["a1", "a100", "a101"]


async def test_what_was_never_read_is_not_guessed(stage: Connection, store: SQLiteStore) -> None:
    # As compaction leaves it: the changes before the fifth are gone, and so are the seventh and the eighth.
    end = await write(stage, "bindings", [*story("web", 2, first=5), *story("web", 1, first=9)])
    await write(stage, "watermarks", [watermark(10, [end, 0])])
    async with Payers(stage, store, "usage") as payers:
        answers = [await account(payers, "web", minutes) for minutes in (4, 4.5, 5, 6, 8, 9, 10)]
        assert answers == ["a4", "a4", "a5", "a6", "a8", "a9", "a9"]
        for minutes in (0, 3.99, 6.01, 7.5):
            with pytest.raises(HistoryMissing, match="acme/web"):
                await payers.payer("acme", "web", at(minutes))


async def test_a_timeline_may_begin_with_a_replay(stage: Connection, store: SQLiteStore) -> None:
    end = await write(stage, "bindings", story("web", 2, first=5))
    await write(stage, "watermarks", [watermark(10, [end, 0])])
    await act_replay(stage, "history", [story("web", 5), story("api", 1), []], 5.5)
    history = await Replays(stage).completed("history", wait_seconds=SECONDS)
    for _ in range(2):
        async with Payers(stage, store, "usage", begin=history) as payers:
            answers = [await account(payers, "web", minutes) for minutes in (0.5, 1, 3, 5, 6)]
            assert answers == [None, "a1", "a3", "a5", "a6"]
            assert await account(payers, "api", 9) == "a1"


async def test_what_ends_the_following_is_told_to_whoever_asks(stage: Connection, store: SQLiteStore) -> None:
    async with Payers(stage, store, "usage") as payers:
        asked = asyncio.create_task(account(payers, "web", 1))
        await write(stage, "bindings", [(b"acme/web", b"not JSON")])
        with pytest.raises(Malformed):
            await asked


async def test_the_timelines_of_a_running_installation_are_what_it_published(
    shared: Installation, connection: Connection, publisher: Publisher, store: SQLiteStore
) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main", "spare", projects=("web", "api"))
    rebinding = [
        asyncio.create_task(publisher.send(bind(organization, project, account)))
        for _ in range(40)
        for account in ("spare", "main")
        for project in ("web", "api")
    ]
    # Begun, left in the middle, and begun again, while payers change.
    for _ in range(3):
        async with Payers(connection, store, "usage", max_batch=5) as payers:
            await payers.until(datetime.now(UTC) - timedelta(seconds=1), wait_seconds=SECONDS)
            found = await payers.payer(organization, "web", datetime.now(UTC), wait_seconds=SECONDS)
            assert found is not None
    await asyncio.gather(*rebinding)
    changes = [
        one.event
        for one in await published(shared)
        if one.topic == "bindings" and one.data["organization"] == organization
    ]
    assert len(changes) == 162
    async with Payers(connection, store, "usage") as payers:
        assert await payers.payer(organization, "never", datetime.now(UTC), wait_seconds=SECONDS) is None
        for change in changes:
            current, previous, project = (change["data"][name] for name in ("current", "previous", "project"))
            began = datetime.fromisoformat(current["establishedAt"])
            payer = await payers.payer(organization, project, began)
            before = await payers.payer(organization, project, began - timedelta(microseconds=1))
            assert payer is not None
            assert (payer.account, payer.binding_id) == (current["account"], current["bindingId"])
            assert (before and before.binding_id) == (previous and previous["bindingId"])
            assert before is None or before.ended_at == began


async def test_an_installation_without_watermarks_is_named(services: Addresses, store: SQLiteStore) -> None:
    elsewhere = Connection(services.kafka_bootstrap_servers, "nowhere.")
    with pytest.raises(TopicMissing, match=r"nowhere\.watermarks"):
        await Payers(elsewhere, store, "usage").__aenter__()
