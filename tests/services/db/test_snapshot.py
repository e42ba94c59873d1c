"""The snapshot in which an audit reads: of one instant, for as long as it takes; and what it says of redrives."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.audit import action_troubles, organizations, snapshot
from tests.support.waiting import until


@pytest.mark.parametrize("limit", ("transaction_timeout", "statement_timeout"))
async def test_it_may_take_as_long_as_it_takes(engine: AsyncEngine, limit: str) -> None:
    shown = text(f"SHOW {limit}")
    async with snapshot(engine) as connection:
        assert (await connection.execute(shown)).scalar_one() == "0"
    async with engine.connect() as connection:
        assert (await connection.execute(shown)).scalar_one() != "0", "everybody else is limited"


async def test_it_sees_one_instant_and_changes_nothing(engine: AsyncEngine) -> None:
    count = text("SELECT count(*) FROM organizations")
    add = text("INSERT INTO organizations (organization) VALUES ('acme')")
    async with snapshot(engine) as connection:
        assert (await connection.execute(count)).scalar_one() == 0
        async with engine.begin() as writing:
            await writing.execute(add)
        assert (await connection.execute(count)).scalar_one() == 0
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await connection.execute(add)


async def test_it_waits_for_whoever_takes_rows_out_of_the_log_and_sees_what_came_of_that(engine: AsyncEngine) -> None:
    async def seen() -> list[str]:
        async with snapshot(engine) as connection:
            return await organizations(connection)

    async def is_waiting() -> bool:
        async with engine.connect() as watching:
            return bool((await watching.execute(_WAITING)).scalar_one())

    async with engine.begin() as archiving:
        await archiving.execute(text("LOCK TABLE log IN ACCESS EXCLUSIVE MODE"))
        await archiving.execute(text("INSERT INTO projects (organization, project, state, version) " + _PROJECT))
        reading = asyncio.create_task(seen())
        await until(is_waiting, "the snapshot at the log")
    assert await reading == ["acme"]


_PROJECT = "VALUES ('acme', 'web', 'Active', 1)"
_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


async def test_what_is_wrong_with_redrives_is_said_of_each(engine: AsyncEngine) -> None:
    """Of what is not read though its partition was read beyond it; and of what came of one and names another."""
    actions = (
        ("unread beyond", 0, 4, False, "redriven as t/0/4, which is said to be read"),
        ("unread yet", 0, 5, False, None), ("read", 0, 3, True, None),
        ("elsewhere", 1, 4, False, None), ("of a lagging partition", 2, 4, False, None),
    )  # fmt: skip
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO reading_positions VALUES ('t', 0, 5), ('t', 2, 4), ('u', 1, 99)"))
        troubles, numbers = [], {}
        for place, (name, partition, offset, is_read, trouble) in enumerate(actions):
            numbers[name] = number = await _letter(connection, 100 + place)
            values = {"number": number, "partition": partition, "offset": offset, "is_read": is_read}
            await connection.execute(_REDRIVEN, values)
            if trouble is not None:
                troubles.append((number, trouble))
        others = (
            # Where the record of "read" was put, at another instant or offset, or beside it: none comes of it.
            (0, 3, 1, None, False), (0, 2, 0, None, False), (1, 3, 0, None, False),
            (0, 3, 0, numbers["unread yet"], True),
        )  # fmt: skip
        for partition, offset, later, origin, is_wrong in others:
            number = await _letter(connection, offset, partition, later, origin)
            if is_wrong:
                troubles.append((number, f"it came of dead letter {numbers['read']}, but says that it came of"))
        found = [one async for one in action_troubles(connection)]
        assert [number for number, _ in found] == [number for number, _ in troubles]
        assert all(said in trouble for (_, trouble), (_, said) in zip(found, troubles, strict=True)), found
        await connection.execute(text("UPDATE dead_letters SET origin = :read WHERE origin IS NOT NULL"), numbers)
        assert [number async for number, _ in action_troubles(connection)] == [numbers["unread beyond"]]


async def _letter(
    connection: AsyncConnection, offset: int, partition: int = 0, later: int = 0, origin: int | None = None
) -> int:
    values = {"partition": partition, "offset": offset, "later": later, "origin": origin}
    number: int = (await connection.execute(_LETTER, values)).scalar_one()
    return number


_LETTER = text(
    """
    INSERT INTO dead_letters (topic, partition, "offset", timestamp, reason, detail, recorded_at, size, origin)
    VALUES ('t', :partition, :offset, timestamptz '2027-01-31' + make_interval(secs => :later), 'Tombstone', '', now(),
        0, :origin) RETURNING number
    """
)
_REDRIVEN = text(
    """
    INSERT INTO dead_letter_actions
        (number, ordinal, action, by, at, redrive_id, sent_at, partition, "offset", timestamp)
    VALUES (:number, 1, 'Redriven', 'ada', now(), gen_random_uuid(), now(), :partition, :offset,
        CASE WHEN CAST(:is_read AS boolean) THEN timestamptz '2027-01-31' END)
    """
)
