"""Events followed into one's own store: each once, in order, without holes; from the topic, or from a replay."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from embedded import Addresses
from tests.services.client.acting import Written, act_replay, changed, event, make_topic, notice, story, write
from tests.services.client.telling import bind, new_organization, set_up
from tests.support.installations import Installation
from tests.support.kafka import published
from tests.support.processes import DIE_WITH_PARENT
from whopays_client import (
    AccountChanged,
    AccountPhaseChanged,
    BindingChanged,
    Connection,
    Malformed,
    ProjectBillingNotice,
    Publisher,
    Replays,
    SequenceGap,
    SQLiteStore,
    Subscriber,
    TopicMissing,
)
from whopays_client.postgresql import PostgreSQLStore

Sequences = list[tuple[str, int]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """A store in a file, with a table of the reader's own that takes whatever it is given, also twice."""
    made = SQLiteStore(tmp_path / "reader.db")
    connection = sqlite3.connect(tmp_path / "reader.db", isolation_level=None)
    connection.execute("CREATE TABLE seen (subject TEXT, sequence INTEGER)")
    connection.close()
    yield made
    made.close()


@pytest_asyncio.fixture
async def pool(engine: AsyncEngine) -> AsyncIterator[Any]:
    """Connections to a PostgreSQL database with a table of the reader's own."""
    url = engine.url.set(drivername="postgresql")
    async with asyncpg.create_pool(url.render_as_string(hide_password=False), min_size=1, max_size=3) as made:
        await made.execute("CREATE TABLE seen (subject text, sequence bigint)")
        yield made


@pytest_asyncio.fixture
async def stage(services: Addresses) -> Connection:
    """Topics on which only the test speaks."""
    made = Connection(services.kafka_bootstrap_servers, f"s{uuid4().hex[:12]}.")
    await make_topic(made, "bindings", 3)
    return made


def reading(stage: Connection, store: SQLiteStore, **options: Any) -> Subscriber[BindingChanged, sqlite3.Connection]:
    """Return a reader of bindings that ends with what is there."""
    return Subscriber(stage, store, "reader", [BindingChanged], **{"until_end": True, **options})


async def read_all(subscriber: Subscriber[BindingChanged, sqlite3.Connection], fail_at: int = 0) -> Sequences:
    """Keep what is left, in the reader's own table too, and return it. Raises RuntimeError at one number."""
    found = []
    async with subscriber:
        async for change in subscriber:
            keep(change.transaction, change.heard.subject, change.heard.order)
            found.append((change.heard.subject, change.heard.order))
            if change.heard.order == fail_at:
                raise RuntimeError("in the middle")
    return found


async def loop(subscriber: Subscriber[BindingChanged, sqlite3.Connection]) -> list[tuple[int, int]]:
    """Keep what an open reader hands out, and return the numbers and how many are missed before each."""
    found = []
    async for change in subscriber:
        keep(change.transaction, change.heard.subject, change.heard.order)
        found.append((change.heard.order, change.missed))
    return found


def keep(transaction: sqlite3.Connection, subject: str, sequence: int) -> None:
    """Write what was seen into the reader's own table."""
    transaction.execute("INSERT INTO seen VALUES (?, ?)", (subject, sequence))


def seen(tmp_path: Path) -> Sequences:
    """Return what is committed in the reader's own table."""
    connection = sqlite3.connect(tmp_path / "reader.db")
    rows = connection.execute("SELECT subject, sequence FROM seen ORDER BY rowid").fetchall()
    connection.close()
    return rows


def numbers(project: str, *sequences: int) -> Sequences:
    """Return changes of a project of acme."""
    return [(f"acme/{project}", sequence) for sequence in sequences]


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


async def test_the_first_change_of_a_subject_may_have_any_number_and_repeats_are_dropped(
    stage: Connection, store: SQLiteStore
) -> None:
    await write(stage, "bindings", [*story("web", 2, first=41), *story("web", 2, first=41), *story("web", 1, first=43)])
    assert await read_all(reading(stage, store)) == numbers("web", 41, 42, 43)


async def test_a_gap_is_told_with_what_to_do(stage: Connection, store: SQLiteStore, tmp_path: Path) -> None:
    await write(stage, "bindings", [*story("api", 2), *story("web", 2), *story("web", 2, first=5)])
    async with reading(stage, store) as subscriber:
        with pytest.raises(SequenceGap, match="whopays replay start NAME --organization acme --project web") as gap:
            await loop(subscriber)
        assert (gap.value.subject, gap.value.last, gap.value.seen) == ("acme/web", 2, 5)
        # What came before is handled, and the gap stays one.
        assert seen(tmp_path) == numbers("api", 1, 2) + numbers("web", 1, 2)
        with pytest.raises(SequenceGap):
            await loop(subscriber)
        await subscriber.refetch(gap.value)
        assert await loop(subscriber) == [(5, 2), (6, 0)]


async def test_a_reader_may_go_on_by_itself_with_what_is_still_there(stage: Connection, store: SQLiteStore) -> None:
    await write(stage, "bindings", [*story("web", 2), *story("web", 1, first=5), *story("web", 1, first=8)])
    async with reading(stage, store, on_gap="refetch") as subscriber:
        found = await loop(subscriber)
    assert found == [(1, 0), (2, 0), (5, 2), (8, 2)]


async def test_what_stands_on_another_partition_is_no_gap_once_it_is_fetched(
    stage: Connection, store: SQLiteStore
) -> None:
    await write(stage, "bindings", story("web", 2))
    assert await read_all(reading(stage, store)) == numbers("web", 1, 2)
    await write(stage, "bindings", story("web", 1, first=4), partition=1)
    await write(stage, "bindings", story("web", 1, first=3), partition=2)
    async with reading(stage, store, on_gap="refetch") as subscriber:
        found = await loop(subscriber)
    assert found == [(3, 0), (4, 0)]


async def test_a_gap_can_be_filled_from_a_replay(stage: Connection, store: SQLiteStore) -> None:
    await write(stage, "bindings", [*story("web", 1), *story("web", 1, first=4)])
    await act_replay(stage, "lacking", [story("web", 2), story("api", 4)], 10)
    await act_replay(stage, "all", [story("web", 4), story("api", 4)], 10)
    replays = Replays(stage)
    async with reading(stage, store) as subscriber:
        with pytest.raises(SequenceGap) as gap:
            await loop(subscriber)
        with pytest.raises(SequenceGap) as still:
            await subscriber.fill(gap.value, await replays.completed("lacking"))
        assert still.value.last == 2
        await subscriber.fill(gap.value, await replays.completed("all"))
        assert await loop(subscriber) == [(2, 0), (3, 0), (4, 0)]


async def test_a_snapshot_then_what_follows_without_hole_or_overlap(
    stage: Connection, store: SQLiteStore, tmp_path: Path
) -> None:
    await write(stage, "bindings", [*story("web", 4), *story("api", 2)])
    await act_replay(stage, "snapshot", [story("web", 1, first=3), [], story("api", 1, first=2)], 3.5)
    snapshot = await Replays(stage).completed("snapshot")
    begun: dict[str, Any] = {"begin": snapshot}
    async with reading(stage, store, max_batch=1, **begun) as subscriber:
        async for change in subscriber:
            keep(change.transaction, change.heard.subject, change.heard.order)
            break
    assert len(seen(tmp_path)) == 1
    # Begun again in the middle of the snapshot, and then with more that was said meanwhile.
    await write(stage, "bindings", story("web", 1, first=5), partition=0)
    await write(stage, "bindings", story("new", 1), partition=1)
    await read_all(reading(stage, store, **begun))
    assert sorted(seen(tmp_path)) == sorted(numbers("web", 3, 4, 5) + numbers("api", 2) + numbers("new", 1))
    assert await read_all(reading(stage, store, **begun)) == []


async def test_events_without_a_number_are_told_apart_by_their_place_in_the_log(
    stage: Connection, store: SQLiteStore
) -> None:
    async def read() -> list[int]:
        async with Subscriber(stage, store, "notices", [ProjectBillingNotice], until_end=True) as subscriber:
            return [change.heard.order async for change in subscriber]

    await make_topic(stage, "notices", 1)
    await write(stage, "notices", [notice("web", 5), notice("web", 9), notice("web", 5)])
    assert await read() == [5, 9]
    # Told once more, as a replay would, and something new.
    await write(stage, "notices", [notice("web", 5), notice("web", 9), notice("web", 12), notice("api", 3)])
    assert await read() == [12, 3]


async def test_the_two_events_of_an_account_share_one_count(
    publisher: Publisher, connection: Connection, store: SQLiteStore
) -> None:
    organization = new_organization()
    await set_up(publisher, organization, "main")

    async def read(name: str, *events: Any) -> list[int]:
        async with Subscriber(connection, store, name, events, until_end=True) as subscriber:
            subject = f"{organization}/main"
            return [change.heard.order async for change in subscriber if change.heard.subject == subject]

    both = await read("both", AccountChanged, AccountPhaseChanged)
    assert both == list(range(1, len(both) + 1))
    one, other = await read("one", AccountChanged), await read("other", AccountPhaseChanged)
    assert sorted(one + other) == both
    assert one
    assert other


async def test_records_that_are_no_events_are_told_or_skipped_as_one_chooses(
    stage: Connection, store: SQLiteStore
) -> None:
    later = event("BindingRenamed", "7-1", "acme/web", {})
    foreign: list[Written] = [(b"acme/web", later), (b"acme/old", None), (b"x", b"not JSON")]
    await write(stage, "bindings", [*story("web", 1), *foreign, *story("web", 1, first=2)])
    with pytest.raises(Malformed, match="bindings/0/3"):
        await read_all(reading(stage, store))
    assert await read_all(reading(stage, store, on_malformed="skip")) == numbers("web", 1, 2)
    value = changed("web", 3, "a3", 3)[1]
    assert value is not None
    await write(stage, "bindings", [(b"acme/web", value.replace(b'"Bound"', b'"Unheard"'))])
    with pytest.raises(Malformed, match="change"):
        await read_all(reading(stage, store))


async def test_changes_that_come_again_in_the_same_batch_are_dropped(
    stage: Connection, store: SQLiteStore, tmp_path: Path
) -> None:
    await write(stage, "bindings", story("web", 10))
    assert await read_all(reading(stage, store)) == numbers("web", *range(1, 11))
    await write(stage, "bindings", [*story("web", 90), *story("web", 50, first=41), *story("web", 5, first=91)])
    assert await read_all(reading(stage, store)) == numbers("web", *range(11, 96))
    assert seen(tmp_path) == numbers("web", *range(1, 96))
    assert await read_all(reading(stage, store)) == []


@pytest.mark.parametrize("spoilt", ({"id": "another"}, {"id": 7}, {"subject": None}))
async def test_a_notice_with_a_foreign_envelope_is_told_or_skipped(
    stage: Connection, store: SQLiteStore, spoilt: dict[str, Any]
) -> None:
    key, value = notice("web", 2)
    bad: Written = (key, orjson.dumps({**orjson.loads(value or b""), **spoilt}))
    await make_topic(stage, "notices", 1)
    await write(stage, "notices", [notice("web", 1), bad, notice("web", 3)])

    async def read(on_malformed: Any) -> list[int]:
        options = {"until_end": True, "on_malformed": on_malformed}
        async with Subscriber(stage, store, "reader", [ProjectBillingNotice], **options) as subscriber:
            return [change.heard.order async for change in subscriber]

    with pytest.raises(Malformed, match="notices/0/1"):
        await read("raise")
    assert await read("skip") == [1, 3]


async def test_a_topic_that_is_missing_is_named(stage: Connection, store: SQLiteStore) -> None:
    with pytest.raises(TopicMissing, match=r"nowhere\.bindings"):
        await read_all(reading(Connection(stage.bootstrap_servers, "nowhere."), store))


async def _started(*arguments: str) -> asyncio.subprocess.Process:
    """Start a reader of its own process, which writes a line for each change."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.services.client.reader", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, preexec_fn=DIE_WITH_PARENT,
    )  # fmt: skip
