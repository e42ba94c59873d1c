"""Commands that came with tokens, to look at who asked for what: decided as a worker that checks tokens does."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from tests.support.batches import nothing_kept, records
from tests.support.folders import temporary_folder
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, send
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.tokens import TokenIssuer, bearing
from workers.batches.transaction import Batches
from workers.consuming.admin_commands import ADMIN_COMMANDS
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

NORTH = "north"
_ADMIN, _APPROVER = ({"organization": NORTH, "role": role} for role in ("account-admin", "approver"))
_OWNER = {"organization": NORTH, "role": "project-owner", "projects": ["fjord", "glacier-*"]}


async def ask(installation: Installation) -> None:
    """Have several people ask for something in an organization of their own, some in vain."""
    facts = [profile(NORTH), *(project(NORTH, name) for name in ("fjord", "glacier-1", "lighthouse"))]
    await send(installation, facts)
    await all_consumed(installation)
    with temporary_folder() as folder:
        issuer = TokenIssuer(folder)
        checking = Settings(auth="jwt", issuers=issuer.configured)
        settings = installation.settings.model_copy(update={"auth": "jwt", "issuers": checking.issuers})
        async with Tokens(settings) as tokens:
            await _decide(installation, settings, tokens, issuer)


async def _decide(installation: Installation, settings: Settings, tokens: Tokens, issuer: TokenIssuer) -> None:
    working = Batches(
        installation.engine, settings, settings.keys(), Metrics(), asyncio.Event(), nothing_kept, tokens.verify
    )
    said = records(*_commands(issuer), offset=1_000_000)
    await working.process(Role.ADMIN_COMMANDS, said, ADMIN_COMMANDS.reader(settings))


def _commands(issuer: TokenIssuer) -> Iterable[Said]:
    def sent(said: Said, person: str, *grants: object) -> Said:
        return replace(said, headers=bearing(issuer.token(person, grants, iat=None)))  # type: ignore[arg-type]  # as claims

    for name in ("harbourmaster", "survey"):
        yield sent(account(NORTH, name, ce_authid=None), "ada", _ADMIN)
    yield sent(bind(NORTH, "fjord", "survey", "north-1", ce_authid=None), "olav", _OWNER, _ADMIN)
    yield sent(bind(NORTH, "lighthouse", "survey", "north-2", ce_authid=None), "olav", _OWNER, _ADMIN)
    yield sent(bind(NORTH, "glacier-1", "harbourmaster", "north-3", ce_authid="ada"), "mallory", _OWNER)
    closing = command("RequestClosure", "north-4", NORTH, account="harbourmaster", ce_authid=None)
    yield sent(closing, "ada", _ADMIN)
    yield sent(bind(NORTH, "fjord", "survey", "north-5", dryRun=True, ce_authid=None), "olav", _OWNER, _ADMIN)
    for person in ("ada", "ivy"):
        approving = command("ApproveClosure", f"north-6-{person}", NORTH, account="harbourmaster", ce_authid=None)
        yield sent(approving, person, _APPROVER, _ADMIN)
