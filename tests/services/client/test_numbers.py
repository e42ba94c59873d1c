"""By what an event is told apart from one that comes again: its number, or its place in the log."""

from pathlib import Path
from typing import Any

from tests.services.client.acting import make_topic, notice, story, write
from tests.services.client.reading import numbers, read_all, reading, seen
from tests.services.client.telling import new_organization, set_up
from whopays_client import (
    AccountChanged,
    AccountPhaseChanged,
    Connection,
    ProjectBillingNotice,
    Publisher,
    SQLiteStore,
    Subscriber,
)


async def test_the_first_change_of_a_subject_may_have_any_number_and_repeats_are_dropped(
    stage: Connection, store: SQLiteStore
) -> None:
    await write(stage, "bindings", [*story("web", 2, first=41), *story("web", 2, first=41), *story("web", 1, first=43)])
    assert await read_all(reading(stage, store)) == numbers("web", 41, 42, 43)


async def test_changes_that_come_again_in_the_same_batch_are_dropped(
    stage: Connection, store: SQLiteStore, tmp_path: Path
) -> None:
    await write(stage, "bindings", story("web", 10))
    assert await read_all(reading(stage, store)) == numbers("web", *range(1, 11))
    await write(stage, "bindings", [*story("web", 90), *story("web", 50, first=41), *story("web", 5, first=91)])
    assert await read_all(reading(stage, store)) == numbers("web", *range(11, 96))
    assert seen(tmp_path) == numbers("web", *range(1, 96))
    assert await read_all(reading(stage, store)) == []


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
