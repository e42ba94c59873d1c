"""Who asks is found out once, before a batch is decided, and never again."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.askers import Asker, Verified
from tests.services.batches.askers.guarded import ADMIN, Guarded, create, results
from tests.support.batches import batches, records
from tests.support.messages import account
from tests.support.tokens import ISSUER, SigningKey, TokenIssuer
from workers.batches.transaction import Stopping


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
