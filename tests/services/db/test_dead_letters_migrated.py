"""Migration 0011: dead letters as they were kept before, and those that were redriven."""

import hashlib
import json

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import Action, actions_on
from db.dead_letters import Choice, Standing, find_dead_letters, numbers_of
from db.migrate import migrate
from schemas.instants import parse_instant
from tests.services.db.earlier_tables import SHARDS, migrated_to, run

_AT = "2026-07-01T12:00:00.000000Z"
_KEEP = """
    INSERT INTO dead_letters (topic, partition, "offset", timestamp, reason, detail, key, header_names, header_values,
        value, key_id, wrapped_key, sealed, recorded_at, redriven_at)
    VALUES ('t.projects', 0, {}, '2026-07-01T12:00:00Z', '{}', '', {}, {}, {}, {}, {}, {}, {}, '2026-07-01T12:00:01Z',
        {})
"""
_SEALED = ("NULL", "'k'", "'w'", "convert_to(repeat('x', 40), 'UTF8')")
_LOG = "INSERT INTO log VALUES (3, 5, '2026-07-01T12:00:02Z', 'dead-letters', NULL, {}, '')"

_ROW = "INSERT INTO log VALUES (3, {}, '2026-07-01T12:00:02Z', '{}', {}, '', '')"


def kept(offset: int, key: str, value: str, reason: str = "InvalidFact", redriven: str = "NULL") -> str:
    """A row as it was kept before."""
    return _KEEP.format(offset, reason, key, "'{}'", "'{}'", value, "NULL", "NULL", "NULL", redriven)


def said(value: object) -> str:
    """JSON, as SQL."""
    return f"convert_to('{json.dumps(value)}', 'UTF8')"


async def test_what_can_still_be_found_is_filled_in(empty: AsyncEngine) -> None:
    await migrated_to(empty, "0010")
    data = {"topic": "t.projects", "partition": 0, "offset": 1, "timestamp": _AT, "size": 77, "sha256": "ab" * 32}
    told = {"id": "3-5", "subject": "t.projects/0/1", "odd": "\\u0000", "data": data}
    await run(
        empty,
        kept(1, "'globex'", said({"data": {"organization": "acme"}}), redriven="'2026-07-02T00:00:00Z'"),
        kept(2, "'globex'", said({"data": {"organization": "No Name"}})),
        kept(3, "'\\xff'", said([1])),
        kept(4, "NULL", "NULL", "Tombstone"),
        _KEEP.format(5, "CardNumber", *["NULL"] * 8),
        _KEEP.format(6, "UnknownType", "'acme'", "'{}'", "'{}'", *_SEALED, "NULL"),
        "CREATE TABLE log_p0 PARTITION OF log FOR VALUES FROM (0) TO (1000000)",
        _LOG.format(said(told)),
    )
    reported: list[str] = []
    await migrate(empty, "here", SHARDS, report=reported.append)
    assert reported[0] == "0011: looking for the dead letters in the log"
    async with empty.connect() as connection:
        numbers = [number for number, _ in await numbers_of(connection, Choice())]
        letters = await find_dead_letters(connection, numbers)
        actions = [await actions_on(connection, number) for number in numbers]
    assert [one.organization for one in letters] == ["acme", "globex", None, None, None, "acme"]
    assert [one.event_id for one in letters] == ["3-5", *[None] * 5]
    assert [one.size for one in letters] == [77, len(json.dumps({"data": {"organization": "No Name"}})), 3, 0, 0, 12]
    assert [one.is_kept for one in letters] == [True, True, True, True, False, True]
    assert (letters[0].sha256, letters[0].recorded_at) == (b"\xab" * 32, parse_instant("2026-07-01T12:00:02Z"))
    assert letters[2].sha256 == hashlib.sha256(b"[1]").digest()
    redriven = parse_instant("2026-07-02T00:00:00Z")
    assert actions == [[Action("Redriven", "unknown", redriven, None, redriven, None, False, None)], *[[]] * 5]
    assert [one.standing for one in letters] == [Standing.REDRIVEN, *[Standing.WAITING] * 5]


async def test_without_dead_letters_the_log_is_read_for_organizations_alone(empty: AsyncEngine) -> None:
    """Those are filled in by migration 0010, some positions of all shards at a time."""
    rows = {1: "acme/web", 2: "t/0/1", 3: None, 1999: "acme", 2000: "globex/api", 200_000: "acme/web"}
    await migrated_to(empty, "0009")
    await run(
        empty,
        "CREATE TABLE log_p0 PARTITION OF log FOR VALUES FROM (0) TO (1000000)",
        *(
            _ROW.format(position, "dead-letters" if position == 2 else "notices", f"'{key}'" if key else "NULL")
            for position, key in rows.items()
        ),
        "UPDATE shards SET position = 200000 WHERE shard = 3",
    )
    reported: list[str] = []
    await migrate(empty, "here", SHARDS, report=reported.append)
    assert reported == [f"0010: position {number},000 of 200,000 in each shard" for number in (100, 200)]
    async with empty.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM dead_letter_actions"))).scalar_one() == 0
        found = await connection.execute(text("SELECT position, boundary FROM log ORDER BY position"))
        assert [tuple(row) for row in found] == [
            (1, "acme"), (2, None), (3, None), (1999, "acme"), (2000, "globex"), (200_000, "acme"),
        ]  # fmt: skip
