"""Who asks, where tokens are checked: found out before a batch is decided, kept with what follows, and never again.

Everything is real but the broker: tokens, their issuers, and the database.
"""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from db import questions
from db.dead_letter_actions import begin_redrives, discard
from db.dead_letters import Choice, numbers_of, value_of
from db.log import read, row_hash
from db.questions.asked import asked
from db.questions.snapshots import snapshot_of
from db.reading_positions import read_at_least
from db.redriven import kept_askers
from db.rewrapping import rewrap
from db.sealing import KEY_BYTES, LocalKeys
from db.shards import all_heads, shard_of
from db.tables import metadata
from schemas.askers import Asker, Unidentified, Verified
from schemas.instants import parse_instant
from schemas.records import REDRIVE_HEADER, Record
from schemas.topics import Topic
from tests.support.batches import batches, progress_of, records
from tests.support.installations import KEYS
from tests.support.messages import Said, account, command
from tests.support.tokens import ISSUER, SigningKey, TokenIssuer, bearing
from workers.batches.transaction import Batches, Stopping
from workers.consuming.admin_commands import ADMIN_COMMANDS
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

ADMIN = ({"organization": "acme", "role": "account-admin"},)
_READ = ADMIN_COMMANDS.reader(Settings())
_NEWEST_FIRST = ("fifth", "fourth", "third", "other", "main")
KEPT_UNDER = Settings(encryption_keys=json.loads(KEYS)).keys()


class Guarded:
    """Batches of a worker that checks the tokens of some issuers."""

    def __init__(self, engine: AsyncEngine, stopping: asyncio.Event | None = None, **issuers: Any) -> None:
        self.behind: Sequence[Record] = ()
        """What waits before the commands in their partition."""
        self._tokens = Tokens(Settings(auth="jwt", issuers=issuers))
        self.batches: Batches = batches(engine, stopping, verify=self._tokens.verify)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._tokens)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def __call__(self, *said: Record) -> None:
        """Process commands, noting how far they are read."""
        await self.batches.process(Role.ADMIN_COMMANDS, said, _READ, progress_of([*self.behind, *said], 0))


@pytest.fixture
def issuer(tmp_path: Path) -> TokenIssuer:
    """An issuer of the test's own."""
    return TokenIssuer(tmp_path)


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What is logged, captured."""
    with capture_logs() as found:
        yield found


@pytest.fixture(autouse=True)
async def _read_to_nothing(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await read_at_least(connection, Topic.ADMIN_COMMANDS, {0: 0})


def carrying(token: bytes | None, said: Said) -> Said:
    """Return a command with a token, or without one, and nobody's authid."""
    return replace(said, headers=(*said.headers, *(bearing(token) if token else ())))


def create(name: str, token: bytes | None, **more: Any) -> Said:
    """Return the command that creates an account, sent with a token."""
    return carrying(token, account("acme", name, **({"ce_authid": None} | more)))


async def results(engine: AsyncEngine) -> list[tuple[str, str, list[str], str | None]]:
    """Return every result: the command's id, its outcome and why, and whose it is."""
    said = [json.loads(row.value) for row in await _all(engine, _RESULTS)]
    return [
        (
            one["data"]["commandId"],
            one["data"]["outcome"],
            [broken["reason"] for broken in one["data"]["violations"]],
            one.get("authid"),
        )
        for one in said
    ]


async def test_the_log_keeps_who_asked_under_its_hash(engine: AsyncEngine, issuer: TokenIssuer) -> None:
    mallory = issuer.token("mallory", [{"organization": "other", "role": "operator"}], iat=None)
    said = [
        create("main", issuer.token("Alice", ADMIN, iat=None)),
        create("other", mallory),
        create("third", None),
        create("fourth", issuer.token("alice", ADMIN, iat=None), ce_authid="bob"),
        create("fifth", issuer.token("alice", ADMIN, iat=None), dryRun=True),
    ]
    async with Guarded(engine, **issuer.configured) as guarded:
        await guarded(*records(*said))
    assert await results(engine) == [
        ("create-main", "Applied", [], "Alice"),
        ("create-other", "Rejected", ["Forbidden", "Forbidden"], "mallory"),
        ("create-third", "Rejected", ["Unauthenticated"], None),
        ("create-fourth", "Rejected", ["Unauthenticated"], None),
        ("create-fifth", "Applied", [], "alice"),
    ]
    by_alice = {"person": "alice", "issuer": ISSUER, "roles": ["account-admin"]}
    kept = [json.loads(row.asked) if row.asked else None for row in await _all(engine, _ASKED)]
    assert kept == [
        by_alice,
        {"person": "mallory", "issuer": ISSUER, "roles": []},
        None,
        by_alice | {"roles": []},
        by_alice,
    ]
    assert [tuple(row) for row in await _all(engine, "SELECT command_id FROM inbox")] == [("create-main",)]
    await _insist_on_the_audit(engine)
    # The hashes cover it: without it, or with another one, the chain breaks.
    async with engine.connect() as connection:
        rows = await read(connection, dict.fromkeys(await all_heads(connection), 0), 100)
    before = b""
    for row in rows:
        assert row.hash == row_hash(before, row.topic, row.key, row.value, row.asked)
        assert row.asked is None or row.hash != row_hash(before, row.topic, row.key, row.value)
        before = row.hash


async def _insist_on_the_audit(engine: AsyncEngine) -> None:
    """Who asked is found: all of it by the page, by person in any spelling, and from an instant on."""
    async with engine.connect() as connection:
        known = await snapshot_of(connection, shard_of("acme", 48))

        async def found(**chosen: Any) -> list[Any]:
            return (await asked(connection, known, "acme", **{"limit": 100} | chosen))[0]

        everything = await found()
        assert [one["commandId"] for one in everything] == [f"create-{name}" for name in _NEWEST_FIRST]
        assert everything[3] == {
            "person": "mallory",
            "issuer": ISSUER,
            "roles": [],
            "commandType": "io.milo.billing.CreateAccount.v1",
            "commandId": "create-other",
            "commandSource": "/tests",
            "dryRun": False,
            "outcome": "Rejected",
            "account": "other",
            "reasons": ["Forbidden", "Forbidden"],
            "eventId": everything[3]["eventId"],
            "time": everything[3]["time"],
        }
        assert [(one["person"], one["roles"]) for one in await found(by="\uff21LICE")] == [
            ("alice", ["account-admin"]), ("alice", []), ("Alice", ["account-admin"]),
        ]  # fmt: skip
        assert await found(by="bob") == []
        since = parse_instant(everything[1]["time"])
        assert await found(since=since) == everything[:2]
        assert await found(since=since, by="alice") == everything[:2]
        assert await asked(connection, known, "acme", limit=2, since=since) == (everything[:2], None)
        page, key = await asked(connection, known, "acme", limit=3)
        assert (page, await found(after=key)) == (everything[:3], everything[3:])
        until = parse_instant(everything[3]["time"])
        assert await found(until=until) == everything[4:]
        assert await found(since=until, until=since, by="alice") == [
            one for one in everything if until <= parse_instant(one["time"]) < since and one["person"] == "alice"
        ]


@pytest.mark.parametrize("seconds", (60.0, 0.0))
async def test_commands_that_are_rare_are_looked_for_in_parts(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Until a page is full, or looking has taken long enough: then the page ends, and the next one goes on."""
    said = (account("acme", name) for name in ("main", "other", "third"))
    await batches(engine).process(Role.ADMIN_COMMANDS, records(*said), _READ)
    monkeypatch.setattr(questions.asked, "_LOOKED_AT", 2)
    monkeypatch.setattr(questions.asked, "_LOOKING_SECONDS", seconds)
    pages: list[list[str]] = []
    async with engine.connect() as connection:
        known = await snapshot_of(connection, shard_of("acme", 48))
        key: tuple[Any, ...] | None = ()
        while key is not None:
            items, key = await asked(connection, known, "acme", limit=2, after=key or None)
            pages.append([one["commandId"] for one in items])
    assert [one for page in pages for one in page] == ["create-third", "create-other", "create-main"]
    assert [len(page) for page in pages] == ([2, 1] if seconds else [1, 1, 1, 0]), pages


@pytest.mark.parametrize("behind", (0, 1), ids=("in order", "read ahead"))
@pytest.mark.parametrize("what_happened", ("key withdrawn", "issuer removed", "grants called otherwise"))
async def test_what_was_accepted_once_needs_no_token_again(
    engine: AsyncEngine, issuer: TokenIssuer, tmp_path: Path, what_happened: str, behind: int
) -> None:
    alice = issuer.token("alice", ADMIN, iat=None)
    asked = create("main", alice), create("next", alice, dryRun=True), create("main", None)
    said = records(*asked, offset=behind)
    before = records(*[account("elsewhere", "other")] * behind)
    async with Guarded(engine, **issuer.configured) as guarded:
        guarded.behind = before
        await guarded(*said)
    answered = await results(engine)
    assert [outcome for _, outcome, _, _ in answered] == ["Applied", "Applied", "Rejected"]
    match what_happened:
        case "key withdrawn":
            issuer.publish(SigningKey(key_id="second").public())
            later = Guarded(engine, **issuer.configured)
        case "issuer removed":
            later = Guarded(engine, **TokenIssuer(tmp_path, "https://other.example").configured)
        case _:
            later = Guarded(engine, **issuer.configured)
            later.batches = batches(engine, verify=_nothing_granted)
    later.behind = before
    async with later:
        await later(*said)
        assert await results(engine) == answered
        # What is sent again is read elsewhere, and needs a token that holds.
        again = replace(said[0], offset=3 + behind)
        await later(*said, again)
        (_, outcome, reasons, _) = (await results(engine))[-1]
        assert len(await results(engine)) == len(answered) + 1
        assert (outcome, set(reasons)) in (("Rejected", {"Unauthenticated"}), ("Rejected", {"Forbidden"}))


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
    assert [tuple(row) for row in await _all(engine, "SELECT asker, wrapped_key FROM dead_letters")] == [
        (None,) * 2
    ] * 3


async def test_a_worker_that_waits_for_keys_can_stop(engine: AsyncEngine, issuer: TokenIssuer) -> None:
    issuer.jwks.unlink()
    stopping = asyncio.Event()
    async with Guarded(engine, stopping, **issuer.configured) as guarded:
        waiting = asyncio.create_task(guarded(*records(create("main", issuer.token("alice", ADMIN, iat=None)))))
        await asyncio.sleep(0)
        assert not waiting.done()
        stopping.set()
        with pytest.raises(Stopping):
            await waiting
    assert await results(engine) == []


async def _nothing_granted(*_: object) -> Verified:
    return Verified(Asker("alice", ISSUER, ()), datetime(2030, 1, 1, tzinfo=UTC))


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
        rows = await _all(engine, f"TABLE {table}")
        found = repr([tuple(row) for row in rows])
        for token in tokens:
            for part in (token, *token.split(b".")):
                assert part.decode() not in found, table
                assert b64encode(part).decode()[4:-4] not in found, table


async def _alter(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def _all(engine: AsyncEngine, statement: str) -> Sequence[Any]:
    async with engine.connect() as connection:
        return (await connection.execute(text(statement))).all()


_RESULTS = "SELECT value FROM log WHERE topic = 'command-results' ORDER BY shard, position"
_ASKED = "SELECT CAST(asked AS text) AS asked FROM log WHERE topic = 'command-results' ORDER BY shard, position"
