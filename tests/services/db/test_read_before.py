"""What a batch is told of records that were read before: of which they are, and nothing of any other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.load import load
from db.memory import Memory
from db.reading_positions import Span, read_at_least
from db.shards import lock_shards, move_heads
from db.store import store_handled
from domain.needs import Needs, Refused
from schemas.records import Record
from tests.services.db.storing import KEYS, NOTHING_IS_DUE

_NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
_RECORD = Record("a", 0, 5, _NOW, b"acme", (), b"?")
_READ = [
    replace(_RECORD, topic=topic, partition=partition, offset=offset)
    for topic, partition, offset in product("ab", (0, 1), (3, 9, 5, 4, 12))
]


async def _handled(engine: AsyncEngine, needs: Needs) -> set[str]:
    async with engine.connect() as connection:
        return (await load(connection, needs, KEYS, Memory(0, len), now=NOTHING_IS_DUE)).handled


async def test_records_that_claimed_no_id_are_known_by_place_and_instant(engine: AsyncEngine) -> None:
    known = [one for one in _READ if (one.topic, one.partition, one.offset) in {("a", 0, 3), ("a", 0, 12), ("a", 1, 4)}]
    async with engine.begin() as connection:
        await connection.execute(text("SELECT"))
        await store_handled(connection, [*known, replace(_RECORD, topic="b", timestamp=_NOW - timedelta(seconds=1))])
    assert await _handled(engine, Needs(records=_READ)) == {one.place for one in known}
    for one in known:
        assert await _handled(engine, Needs(records=[one])) == {one.place}
    assert await _handled(engine, Needs(records=[replace(known[0], offset=13), replace(known[0], offset=2)])) == set()


async def test_a_refused_command_was_accepted_where_it_was_read_and_means_what_was_claimed(engine: AsyncEngine) -> None:
    """Its place lies before the reading position, or was read ahead of it; and its id is claimed for its meaning."""
    async with engine.begin() as connection:
        for topic in "ab":
            await read_at_least(connection, topic, {0: 0, 1: 0})
        heads, _ = await lock_shards(connection, [1])
        await move_heads(connection, heads, [Span("a", 0, 0, 5, ahead=(7, 9)), Span("b", 1, 0, 2, ahead=(6,))])
        for name in ("claimed", "forgotten"):
            await connection.execute(_CLAIM, {"name": name, "fingerprint": name.encode() * 4})
        await connection.execute(_FORGET)
    for name, meaning in (("claimed", b"claimed" * 4), ("forgotten", b"forgotten" * 4)):
        told = [
            Refused(replace(one, partition=partition, topic=topic, offset=offset), ("acme", "/shop", name), meaning)
            for one, topic, partition, offset in product([_RECORD], "abc", (0, 1), range(11))
        ]
        accepted = {f"a/0/{offset}" for offset in (0, 1, 2, 3, 4, 7, 9)} | {f"b/1/{offset}" for offset in (0, 1, 6)}
        assert await _handled(engine, Needs(refused=told)) == accepted
        for identity, fingerprint in (
            (("acme", "/shop", name), b"another"),
            (("acme", "/shop", "none"), meaning),
            (("globex", "/shop", name), meaning),
            (("acme", "/other", name), meaning),
        ):
            refused = [
                Refused(_RECORD, identity, fingerprint),
                Refused(replace(_RECORD, offset=3), identity, fingerprint),
            ]
            assert await _handled(engine, Needs(refused=refused)) == set(), (identity, fingerprint)


_CLAIM = text(
    """
    INSERT INTO inbox (organization, source, command_id, fingerprint, shard, position, outcome)
    VALUES ('acme', '/shop', :name, :fingerprint, 1, 1, 'Applied')
    """
)
_FORGET = text(
    """
    WITH gone AS (DELETE FROM inbox WHERE command_id = 'forgotten' RETURNING *)
    INSERT INTO forgotten_commands (position, shard, digest, fingerprint)
    SELECT position, shard, command_digest(organization, source, command_id), substr(fingerprint, 1, 8) FROM gone
    """
)
