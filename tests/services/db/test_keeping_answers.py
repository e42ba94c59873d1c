"""What was answered, handled or dead-lettered is stored, so that it is recognized when it comes again."""

import hashlib
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.load import load
from db.memory import Memory
from db.sealing import Sealed, unseal
from db.store import store_claims, store_handled
from domain.dead_letters import Dead
from domain.messages import Claim
from domain.needs import Needs
from schemas.records import DeadLetterReason, Record
from schemas.results import CommandCompleted, Outcome
from tests.services.db.records_of_each_kind import LATER, NOW
from tests.services.db.storing import KEYS, NOTHING_IS_DUE, rows_of
from tests.support.letters import keep_letters

_RESULT = CommandCompleted(
    organization="acme", command_id="id", command_source="/source", command_type="type", dry_run=False,
    outcome=Outcome.WAITING, violations=(), violation_count=0, account="main", project=None, events=(), event_count=0,
)  # fmt: skip
_CARD = "acme-4111-1111-1111-1111"


async def test_a_final_result_takes_the_place_of_the_interim_one(engine: AsyncEngine) -> None:
    claim = Claim("acme", "/source", "id", b"print", 0, is_new=True)
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        await store_claims(connection, [(claim, _RESULT, 5, 7), (replace(claim, command_id="other"), _RESULT, 5, 8)])
        final = replace(_RESULT, outcome=Outcome.APPLIED)
        await store_claims(connection, [(replace(claim, fingerprint=b"", is_new=False), final, 6, 9)])
    rows = await rows_of(
        engine,
        "SELECT command_id, fingerprint, shard, position, outcome, project, account FROM inbox ORDER BY 1",
    )
    assert [tuple(row) for row in rows] == [
        ("id", b"print", 6, 9, "Applied", None, "main"),
        ("other", b"print", 5, 8, "Waiting", None, "main"),
    ]


async def test_claims_and_handled_records(engine: AsyncEngine) -> None:
    record = Record("billing.projects", 3, 2**40, NOW, None, (), None)
    recreated = replace(record, timestamp=LATER)
    other = replace(record, offset=1)
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        await store_claims(
            connection, [(Claim("acme", "/source/é", "id 1", b"\x00\xff", 0, is_new=True), _RESULT, 5, 7)]
        )
        await store_handled(connection, [record])
    needs = Needs(
        identities={("acme", "/source/é", "id 1"), ("acme", "/source/é", "id 2"), ("globex", "/source/é", "id 1")}
    )
    needs.records += [recreated, other]
    async with engine.begin() as connection:
        known = await load(connection, needs, KEYS, Memory(0, len), now=NOTHING_IS_DUE)
        assert known.answered.fingerprints == {("acme", "/source/é", "id 1"): b"\x00\xff"}
        assert known.handled == set()
        needs.records.append(record)
        assert (await load(connection, needs, KEYS, Memory(0, len), now=NOTHING_IS_DUE)).handled == {record.place}


async def test_dead_letters_are_kept_whole_but_for_what_must_not_be(engine: AsyncEngine) -> None:
    record = Record("billing.projects", 0, 0, NOW, b"\xff\x00", (("a\0", b"\x00"), ("é", None)), b"\xfe")
    dead = [
        Dead(record, DeadLetterReason.UNDECODABLE, "not UTF-8", False, "acme", organization="acme"),
        Dead(replace(record, offset=1), DeadLetterReason.CARD_NUMBER, "a card", False, "acme", organization="acme"),
        Dead(replace(record, offset=2), DeadLetterReason.UNKNOWN_TYPE, "unknown", True, "acme"),
        Dead(
            replace(record, offset=3, key=None, headers=(), value=None), DeadLetterReason.TOMBSTONE, "none", True, "a"
        ),
        Dead(replace(record, offset=4), DeadLetterReason.CARD_NUMBER, "a card", True, "a", organization=_CARD),
    ]
    async with engine.begin() as connection:
        await keep_letters(connection, dead, LATER, KEYS, {dead[3].record.place: 1})
        rows = await connection.execute(
            text('SELECT key, header_names, header_values, value FROM dead_letters ORDER BY "offset"')
        )
        beside = await connection.execute(
            text('SELECT organization, size, sha256, shard, position, origin FROM dead_letters ORDER BY "offset"')
        )
        sealed = (await connection.execute(text("SELECT * FROM dead_letters WHERE sealed IS NOT NULL"))).all()
        names, values = [b"a\0", "é".encode()], [b"\x00", None]
        assert [tuple(row) for row in rows] == [
            (b"\xff\x00", names, values, b"\xfe"),
            (None, None, None, None),
            (b"\xff\x00", names, values, None),
            (None, [], [], None),
            (None, None, None, None),
        ]
        sha256 = hashlib.sha256(b"\xfe").digest()
        assert [tuple(row) for row in beside] == [
            ("acme", 1, sha256, 7, 1, None),
            ("acme", 1, None, 7, 2, None),
            (None, 1, sha256, 7, 3, None),
            (None, 0, None, 7, 4, 1),
            (None, 1, None, 7, 5, None),
        ]
    # What may be personal is kept, but only for whoever has the key.
    (letter,) = sealed
    assert (letter.offset, letter.key_id) == (2, "first")
    about = f"dead-letter:{dead[2].record.place}"
    assert unseal(Sealed(letter.key_id, letter.wrapped_key, letter.sealed), about, KEYS) == b"\xfe"
