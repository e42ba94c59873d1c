"""Who asked is kept, sealed, with a dead letter, and counts when that is redriven."""

import json
from base64 import b64decode, b64encode
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import begin_redrives, discard
from db.dead_letters import Choice, numbers_of, value_of
from db.redriven import kept_askers
from db.rewrapping import rewrap
from db.sealing import KEY_BYTES, LocalKeys
from db.tables import metadata
from schemas.askers import Asker, Unidentified, Verified
from schemas.records import REDRIVE_HEADER, Record
from schemas.topics import Topic
from tests.services.batches.askers.guarded import ADMIN, Guarded, all_rows, carrying, results
from tests.support.batches import records
from tests.support.installations import KEYS
from tests.support.messages import Said, command
from tests.support.tokens import SigningKey, TokenIssuer
from workers.runtime.settings import Settings

KEPT_UNDER = Settings(encryption_keys=json.loads(KEYS)).keys()


async def test_a_dead_letter_keeps_who_asked(engine: AsyncEngine, issuer: TokenIssuer) -> None:
    await _alter(engine, "ALTER TABLE accounts ADD CONSTRAINT no_poison CHECK (display_name <> 'poison')")
    alice, data = issuer.token("alice", ADMIN, iat=None), {"displayName": "poison", "ce_authid": None}
    create_main = command("CreateAccount", "c-1", "acme", binary=True, account="main", **data)
    of_another = command("CreateAccount", "c-2", "acme", binary=True, account="other", **data)
    bound = issuer.token("alice", ADMIN, iat=None, command={"source": "/tests", "id": "c-1"})
    unreadable = Said(Topic.ADMIN_COMMANDS, b"acme", b"{")
    tombstone = Said(Topic.ADMIN_COMMANDS, b"acme", None)
    said = records(
        carrying(bound, create_main),
        carrying(alice, unreadable),
        unreadable,
        carrying(alice, tombstone),
        carrying(alice, of_another),
    )
    secret = replace(said[0], headers=(*said[0].headers, ("CE_Authorization", b"Bearer " + alice)), offset=9)
    async with Guarded(engine, **issuer.configured) as guarded:
        await guarded(*said, secret)
        assert await results(engine) == []
        await _insist_on_no_token(engine, alice, bound)
        redriven = await _redriven(engine)
        assert len(redriven) == 6
        async with engine.connect() as connection:
            kept = await kept_askers(connection, redriven, KEPT_UNDER)
        whose = [kept[record.place] for record in redriven]
        assert [one.asker.person if isinstance(one, Verified) else "nobody" for one in whose] == [
            "alice", "alice", "nobody", "alice", "alice", "alice",
        ]  # fmt: skip
        assert isinstance(whose[0], Verified)
        assert whose[0].command == ("/tests", "c-1")
        assert isinstance(whose[0].asker, Asker)
        assert [grant.role for grant in whose[0].asker.grants or ()] == ["account-admin"]

        await _alter(engine, "ALTER TABLE accounts DROP CONSTRAINT no_poison")
        # A stolen id helps nobody: on another value, or on the same one under other headers, it is only a header.
        body = replace(redriven[0], offset=20, value=(redriven[0].value or b"").replace(b"main", b"mine"))
        headers = tuple((name, b"c-9" if name == "ce_id" else text_) for name, text_ in redriven[0].headers)
        for forged in (body, replace(redriven[0], offset=21, headers=headers), replace(body, offset=22, key=b"x")):
            await guarded(forged)
            assert (await results(engine))[-1][2] == ["Unauthenticated"]
        # The key of its issuer is gone meanwhile: the letter is what counts, and only once.
        issuer.publish(SigningKey(key_id="second").public())
    async with Guarded(engine, **issuer.configured) as guarded:
        before = len(await results(engine))
        await guarded(redriven[0], redriven[4], replace(redriven[0], offset=40))
        await guarded(redriven[0], redriven[4])
        assert (await results(engine))[before:] == [("c-1", "Applied", [], "alice"), ("c-2", "Applied", [], "alice")]
        # What still cannot be answered keeps who asked, and so on.
        await guarded(redriven[1])
        (again,) = await _redriven(engine)
        async with engine.connect() as connection:
            assert isinstance((await kept_askers(connection, [again], KEPT_UNDER))[again.place], Verified)


async def test_keys_and_erasing_cover_who_asked(engine: AsyncEngine, issuer: TokenIssuer) -> None:
    alice = issuer.token("alice", ADMIN, iat=None)
    said = records(*(carrying(alice, Said(Topic.ADMIN_COMMANDS, b"acme", value)) for value in (b"{", None, b"[")))
    async with Guarded(engine, **issuer.configured) as guarded:
        await guarded(*said)
    old = {name: b64decode(key) for name, key in json.loads(KEYS).items()}
    new = LocalKeys({"new": b"n" * KEY_BYTES}, "new")
    redriven = await _redriven(engine)
    async with engine.begin() as connection:
        assert await rewrap(connection, LocalKeys(old | {"new": b"n" * KEY_BYTES}, "new"), 10) == 3
    async with engine.connect() as connection:
        kept = await kept_askers(connection, redriven, new)
        lost = await kept_askers(connection, redriven, KEPT_UNDER)
    assert [isinstance(one, Verified) for one in kept.values()] == [True, True, True]
    assert [isinstance(one, Unidentified) for one in lost.values()] == [True, True, True]
    async with engine.begin() as connection:
        numbers = [number for number, _ in await numbers_of(connection, Choice())]
        await discard(connection, numbers, "ada", "of no use", erases=True)
        erased = await kept_askers(connection, redriven, new)
    assert [isinstance(one, Unidentified) for one in erased.values()] == [True, True, True]
    assert [tuple(row) for row in await all_rows(engine, "SELECT asker, wrapped_key FROM dead_letters")] == [
        (None,) * 2
    ] * 3


async def _redriven(engine: AsyncEngine) -> list[Record]:
    """Begin to redrive the dead letters that wait, and return their records as they are put on the topic."""
    async with engine.begin() as connection:
        numbers = [number for number, _ in await numbers_of(connection, Choice())]
        redrives, _ = await begin_redrives(connection, numbers, "ada", again=False)
    return [
        replace(
            one.kept.record,
            offset=100 + one.kept.number,
            value=value_of(one.kept, KEPT_UNDER),
            headers=(*others(one.kept.record), (REDRIVE_HEADER, one.id.hex.encode())),
        )
        for one in redrives
        if not one.is_resumed
    ]


def others(record: Record) -> tuple[tuple[str, bytes | None], ...]:
    """Return a record's headers but the one that says that it was redriven."""
    return tuple(header for header in record.headers if header[0] != REDRIVE_HEADER)


async def _insist_on_no_token(engine: AsyncEngine, *tokens: bytes) -> None:
    """Nothing of a token is anywhere in the database."""
    for table in metadata.tables:
        rows = await all_rows(engine, f"TABLE {table}")
        found = repr([tuple(row) for row in rows])
        for token in tokens:
            for part in (token, *token.split(b".")):
                assert part.decode() not in found, table
                assert b64encode(part).decode()[4:-4] not in found, table


async def _alter(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))
