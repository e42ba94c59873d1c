"""What retention takes away: exactly what a list of the rows says, up to the limit, and nothing beside it."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.forgetting import (
    ForgottenLetters,
    forget_commands,
    forget_letters,
    forget_places,
    has_places,
    organizations_after,
)
from schemas.results import Outcome

_BEFORE = datetime(2026, 3, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_SHARDS = {"acme": 3, "globex": 5}
"""The shard that each organization has now."""
_UNTIL = {1: 7, 3: 10, 5: 4}
_OUTCOMES = (*Outcome, None)
_COMMANDS = [
    (organization, f"{outcome}-{shard}-{position}", shard, position, outcome)
    for organization, shards in (("acme", (1, 3)), ("globex", (5,)), ("other", (3,)))
    for shard, position, outcome in product(shards, (4, 5, 7, 8, 10, 11), _OUTCOMES)
]
_LEFT = text("SELECT command_id FROM inbox ORDER BY command_id")
_DIGESTED = text(
    """
    SELECT count(*) FROM forgotten_commands AS kept JOIN copied ON (copied.shard, copied.position) = (kept.shard,
        kept.position) AND kept.digest = command_digest(organization, source, command_id)
    WHERE kept.fingerprint = substr(copied.fingerprint, 1, 8)
    """
)


def _goes(organization: str, shard: int, position: int, outcome: Outcome | None) -> bool:
    """Return whether a command goes: it is answered for good, and neither its shard nor that of now holds it back."""
    return (
        organization in _SHARDS
        and outcome in (Outcome.APPLIED, Outcome.UNCHANGED, Outcome.REJECTED)
        and position <= min(_UNTIL[shard], _UNTIL[_SHARDS[organization]])
    )


async def test_commands_that_are_answered_for_good_go(engine: AsyncEngine) -> None:
    go = {f"{organization}/{name}" for organization, name, *rest in _COMMANDS if _goes(organization, *rest)}
    names = {f"{organization}/{name}" for organization, name, *_ in _COMMANDS}
    async with engine.begin() as connection:
        for organization, name, shard, position, outcome in _COMMANDS:
            values = {"organization": organization, "id": f"{organization}/{name}", "shard": shard}
            await connection.execute(_COMMAND, {**values, "position": position, "outcome": outcome})
        await connection.execute(text("CREATE TEMPORARY TABLE copied AS SELECT * FROM inbox"))
        assert await organizations_after(connection, "", 9) == ["acme", "globex", "other"]
        assert await organizations_after(connection, "acme", 1) == ["globex"]
        assert await organizations_after(connection, "other", 9) == []
        forgotten = 0
        for limit in (1, 5, len(go) - 8, 9, 9):
            number = await forget_commands(connection, _SHARDS, _UNTIL, limit)
            assert number == min(limit, len(go) - forgotten)
            forgotten += number
        assert set((await connection.execute(_LEFT)).scalars()) == names - go
        assert (await connection.execute(_DIGESTED)).scalar_one() == len(go)


async def test_places_before_the_beginning_of_their_partition_go(engine: AsyncEngine) -> None:
    places = [(topic, partition, offset) for topic in "ab" for partition in (0, 1) for offset in (3, 4, 5)]
    beginnings = {("a", 0): 4, ("a", 1): 0, ("b", 1): 9}
    async with engine.begin() as connection:
        assert not await has_places(connection)
        for topic, partition, offset in places:
            for seconds in (0, 1):
                values = {"topic": topic, "partition": partition, "offset": offset, "at": _BEFORE + seconds * _TICK}
                await connection.execute(_PLACE, values)
        assert await has_places(connection)
        assert [await forget_places(connection, beginnings, limit) for limit in (3, 9, 9)] == [3, 5, 0]
        left = text('SELECT DISTINCT topic, partition, "offset" FROM handled_records ORDER BY 1, 2, 3')
        assert [tuple(row) for row in await connection.execute(left)] == [
            place for place in places if place[2] >= beginnings.get(place[:2], 0)
        ]


_DISCARDED, _READ, _UNREAD = ("Discarded", None), ("Redriven", _BEFORE), ("Redriven", None)
_LETTERS: dict[str, tuple[bool, list[tuple[tuple[str, datetime | None], datetime]]]] = {
    "waits": (False, []),
    "discarded": (True, [(_DISCARDED, _BEFORE - _TICK)]),
    "discarded too late": (False, [(_DISCARDED, _BEFORE)]),
    "redriven and read": (True, [(_READ, _BEFORE - _TICK)]),
    "redriven and not read": (False, [(_UNREAD, _BEFORE - _TICK)]),
    "not read, then discarded": (False, [(_UNREAD, _BEFORE - _TICK), (_DISCARDED, _BEFORE - _TICK)]),
    "read, then discarded": (True, [(_READ, _BEFORE - _TICK), (_DISCARDED, _BEFORE - _TICK)]),
    "read, then discarded too late": (False, [(_READ, _BEFORE - _TICK), (_DISCARDED, _BEFORE)]),
    "discarded later than the one after": (True, [(_READ, _BEFORE + _TICK), (_DISCARDED, _BEFORE - _TICK)]),
}
"""Whether the content of a letter goes, and what was done with it and when."""
_CONTENT = ("key", "header_names", "value", "wrapped_key")


async def test_the_content_of_letters_that_are_done_with_goes(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        numbers = {
            name: await _letter(connection, _CONTENT[place % 4], actions)
            for place, (name, (_, actions)) in enumerate(_LETTERS.items())
        }
        go = [numbers[name] for name, (goes, _) in _LETTERS.items() if goes]
        every = sorted(numbers.values())
        assert await forget_letters(connection, 0, _BEFORE, 2) == ForgottenLetters(every[1], 1, [])
        assert await _whole(connection) == [number for number in every if number != go[0]]
        assert await forget_letters(connection, every[1], _BEFORE, 99) == ForgottenLetters(every[-1], len(go) - 1, [])
        assert await forget_letters(connection, 0, _BEFORE, 99) == ForgottenLetters(every[-1], 0, []), "they are erased"
        assert await forget_letters(connection, every[-1], _BEFORE, 99) == ForgottenLetters(None, 0, [])
        assert await _whole(connection) == [number for number in every if number not in go]


async def test_whatever_a_letter_still_holds_goes(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for name in _CONTENT:
            number = await _letter(connection, name, [(_DISCARDED, _BEFORE - _TICK)])
            assert await forget_letters(connection, number - 1, _BEFORE, 1) == ForgottenLetters(number, 1, []), name
            assert await forget_letters(connection, number - 1, _BEFORE, 1) == ForgottenLetters(number, 0, []), name


async def _letter(connection: AsyncConnection, content: str, actions: list[Any]) -> int:
    """Keep a dead letter of which one member alone is left."""
    held = {name: b"held" if name == content else None for name in ("key", "value", "wrapped_key")}
    names = [b"held"] if content == "header_names" else None
    number: int = (await connection.execute(_LETTER, {**held, "header_names": names})).scalar_one()
    for ordinal, ((action, read_at), at) in enumerate(actions, 1):
        values = {"number": number, "ordinal": ordinal, "action": action, "at": at, "read_at": read_at}
        await connection.execute(_ACTION, values)
    return number


async def _whole(connection: AsyncConnection) -> list[int]:
    return list((await connection.execute(_WHOLE)).scalars())


_COMMAND = text(
    """
    INSERT INTO inbox (organization, source, command_id, fingerprint, shard, position, outcome)
    VALUES (:organization, '/shop', :id, '\\x00112233445566778899', :shard, :position, :outcome)
    """
)
_PLACE = text(
    'INSERT INTO handled_records (topic, partition, "offset", timestamp) VALUES (:topic, :partition, :offset, :at)'
)
_LETTER = text(
    """
    INSERT INTO dead_letters (topic, partition, "offset", timestamp, reason, detail, recorded_at, size,
        key, header_names, value, wrapped_key)
    SELECT 't', 0, count(*), now(), 'Tombstone', '', now(), 0, :key, :header_names, :value, :wrapped_key
    FROM dead_letters
    RETURNING number
    """
)
_ACTION = text(
    """
    INSERT INTO dead_letter_actions
        (number, ordinal, action, by, at, reason, redrive_id, sent_at, partition, "offset", timestamp)
    SELECT :number, :ordinal, :action, 'ada', :at, CASE WHEN NOT sent THEN 'no use' END,
        CASE WHEN sent THEN gen_random_uuid() END, CASE WHEN sent THEN now() END, CASE WHEN sent THEN 0 END,
        CASE WHEN sent THEN 9 END, CAST(:read_at AS timestamptz)
    FROM (SELECT CAST(:action AS text) = 'Redriven' AS sent) AS said
    """
)
_WHOLE = text(
    """
    SELECT number FROM dead_letters
    WHERE key IS NOT NULL OR header_names IS NOT NULL OR value IS NOT NULL OR wrapped_key IS NOT NULL ORDER BY number
    """
)
