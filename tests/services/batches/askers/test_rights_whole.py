"""Rights from the token to the payer: what two people must do, dry runs, and what was accepted before a right ended.

Everything is real but the broker: tokens, their issuers, and the database.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.messages import Due, DueKind
from tests.services.batches.askers.guarded import Guarded, results
from tests.support.batches import records
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.tokens import EVERYTHING, TokenIssuer, bearing
from tests.support.waiting import until
from workers.consuming.payment_profiles import PAYMENT_PROFILES
from workers.consuming.projects import PROJECTS
from workers.runtime.settings import Settings

_NOBODY: dict[str, Any] = {"ce_authid": None}


class _Desk:
    """Where commands come in: of one organization with a project and two accounts."""

    def __init__(self, engine: AsyncEngine, guarded: Guarded) -> None:
        self._engine = engine
        self._guarded = guarded
        self._offsets = count()

    async def report(self) -> None:
        """Report a payment profile and a project."""
        for consumer, said in ((PAYMENT_PROFILES, profile("acme")), (PROJECTS, project("acme", "web"))):
            await self._guarded.batches.process(consumer.role, records(said), consumer.reader(Settings()))

    async def send(self, token: bytes, said: Said) -> tuple[str, list[str]]:
        """Send a command with a token, and return what comes of it."""
        signed = replace(said, headers=(*said.headers, *bearing(token)))
        await self._guarded(*records(signed, offset=next(self._offsets)))
        _, outcome, reasons, _ = (await results(self._engine))[-1]
        return outcome, reasons

    async def payer(self) -> str | None:
        """Return who pays for the project."""
        async with self._engine.connect() as connection:
            found = await connection.execute(text("SELECT account FROM projects WHERE project = 'web'"))
            account: str | None = found.scalar_one()
            return account


@pytest.fixture
def issuers(tmp_path: Path) -> Sequence[TokenIssuer]:
    """Two issuers that are both believed."""
    return [TokenIssuer(tmp_path, f"https://{name}.example") for name in ("one", "two")]


def _token(issuer: TokenIssuer, person: str, *roles: str, **lists: list[str]) -> bytes:
    grants = [{"organization": "acme", "role": role, **lists} for role in roles]
    return issuer.token(person, grants or EVERYTHING, iat=None)


async def test_one_person_with_two_tokens_is_one(engine: AsyncEngine, issuers: Sequence[TokenIssuer]) -> None:
    one, two = issuers
    async with Guarded(engine, **one.configured, **two.configured) as guarded:
        desk = _Desk(engine, guarded)
        await desk.report()
        admin = _token(one, "Zoë", "account-admin")
        assert (await desk.send(admin, account("acme", "main", **_NOBODY)))[0] == "Applied"
        operator = _token(one, "olga", "operator")
        hold = command("SuspendAccount", "hold", "acme", account="main", reason="Administrative", **_NOBODY)
        assert (await desk.send(operator, hold))[0] == "Applied"
        request = command("RequestReactivation", "r", "acme", account="main", resolution="paid", **_NOBODY)
        assert (await desk.send(admin, request))[0] == "Applied"
        spellings = ("Zoë", "ZOË", "Zoe\u0308", "\uff3aoë")
        approving = [(issuer, person) for issuer in issuers for person in spellings]
        for number, (issuer, person) in enumerate(approving):
            approve = command("ApproveReactivation", f"a-{number}", "acme", account="main", **_NOBODY)
            assert await desk.send(_token(issuer, person, "approver"), approve) == ("Rejected", ["SelfApproval"])
        # The same rights with another person's name are not enough, and another person's own token is.
        forged = command("ApproveReactivation", "forged", "acme", account="main", ce_authid="bob")
        assert await desk.send(_token(two, "Zoë", "approver"), forged) == ("Rejected", ["Unauthenticated"])
        approve = command("ApproveReactivation", "approve", "acme", account="main", **_NOBODY)
        assert (await desk.send(_token(two, "bob", "approver"), approve))[0] == "Applied"


@pytest.mark.parametrize("is_dry", (False, True))
async def test_a_dry_run_needs_the_same_rights(
    engine: AsyncEngine, issuers: Sequence[TokenIssuer], *, is_dry: bool
) -> None:
    async with Guarded(engine, **issuers[0].configured) as guarded:
        desk = _Desk(engine, guarded)
        await desk.report()
        await desk.send(_token(issuers[0], "ada"), account("acme", "main", **_NOBODY))
        people = {
            (): ["Forbidden", "Forbidden"],
            ("project-owner",): ["Forbidden"],
            ("account-admin",): ["Forbidden"],
            ("project-owner", "account-user"): [],
        }
        for number, (roles, missing) in enumerate(people.items()):
            token = _token(issuers[0], "ann", *(roles or ("viewer",)))
            trying = bind("acme", "web", "main", f"b-{number}", dryRun=is_dry, **_NOBODY)
            assert await desk.send(token, trying) == ("Rejected" if missing else "Applied", missing)
        assert await desk.payer() == (None if is_dry else "main")
        async with engine.connect() as connection:
            ids = (await connection.execute(text("SELECT command_id FROM inbox ORDER BY command_id"))).scalars().all()
        assert ids == (["create-main"] if is_dry else ["b-3", "create-main"])


async def test_a_right_that_ends_stops_no_schedule(engine: AsyncEngine, issuers: Sequence[TokenIssuer]) -> None:
    one, two = issuers
    due = Due(DueKind.SCHEDULED_BINDING, "acme", "web")
    async with Guarded(engine, **one.configured) as guarded:
        desk = _Desk(engine, guarded)
        await desk.report()
        await desk.send(_token(one, "ada"), account("acme", "main", **_NOBODY))
        at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
        said = bind("acme", "web", "main", "later", effectiveAt=at, **_NOBODY)
        assert (await desk.send(_token(one, "ann", "project-owner", "account-user"), said))[0] == "Scheduled"
    # Neither her token, nor its issuer, nor any right of hers is known any more when it is due.
    async with Guarded(engine, **two.configured) as guarded:
        desk = _Desk(engine, guarded)
        cancel = command("CancelScheduledBinding", "cancel", "acme", project="web", **_NOBODY)
        assert (await desk.send(_token(one, "ann", "project-owner"), cancel))[1] == ["Unauthenticated"]

        async def is_done() -> bool:
            await guarded.batches.process_due([due])
            return await desk.payer() == "main"

        await until(is_done, "the scheduled binding")
    assert (await results(engine))[-1] == ("later", "Applied", [], "ann")
