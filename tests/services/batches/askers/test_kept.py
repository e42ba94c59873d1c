"""Who asked is kept in the log, under its hash, and found there."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db import questions
from db.log import read, row_hash
from db.placing import shard_of
from db.questions.asked import asked
from db.questions.snapshots import snapshot_of
from db.shards import all_heads
from schemas.instants import parse_instant
from tests.services.batches.askers.guarded import ADMIN, READ, Guarded, all_rows, create, results
from tests.support.batches import batches, records
from tests.support.messages import account, bind
from tests.support.tokens import ISSUER, TokenIssuer
from workers.runtime.roles import Role

_NEWEST_FIRST = ("fifth", "fourth", "third", "other", "main")


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
    kept = [json.loads(row.asked) if row.asked else None for row in await all_rows(engine, _ASKED)]
    assert kept == [
        by_alice,
        {"person": "mallory", "issuer": ISSUER, "roles": []},
        None,
        by_alice | {"roles": []},
        by_alice,
    ]
    assert [tuple(row) for row in await all_rows(engine, "SELECT command_id FROM inbox")] == [("create-main",)]
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
    # Whatever is refused leaves its result alone: that of the first is the first event there is.
    said = [bind("acme", "web", "none", "first"), *(account("acme", name) for name in ("main", "other", "third"))]
    await batches(engine).process(Role.ADMIN_COMMANDS, records(*said), READ)
    monkeypatch.setattr(questions.asked, "_LOOKED_AT", 2)
    monkeypatch.setattr(questions.asked, "_LOOKING_SECONDS", seconds)
    pages: list[list[str]] = []
    async with engine.connect() as connection:
        known = await snapshot_of(connection, shard_of("acme", 48))
        key: tuple[Any, ...] | None = ()
        while key is not None:
            items, key = await asked(connection, known, "acme", limit=2, after=key or None)
            pages.append([one["commandId"] for one in items])
        monkeypatch.setattr(questions.asked, "_LOOKING_SECONDS", 60.0)
        every, _ = await asked(connection, known, "acme", limit=9, until=datetime.max.replace(tzinfo=UTC))
    assert every[-1]["eventId"].endswith("-1")
    assert [one["commandId"] for one in every] == ["create-third", "create-other", "create-main", "first"]
    assert [name for page in pages for name in page] == [one["commandId"] for one in every]
    assert [len(page) for page in pages] == ([2, 2] if seconds else [1, 1, 1, 1]), pages


_ASKED = "SELECT CAST(asked AS text) AS asked FROM log WHERE topic = 'command-results' ORDER BY shard, position"
