"""Commands with tokens, batches that check them, and what comes of it.

Everything is real but the broker: tokens, their issuers, and the database.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.records import Record
from tests.support.batches import batches, progress_of
from tests.support.messages import Said, account
from tests.support.tokens import bearing
from workers.batches.transaction import Batches
from workers.consuming.admin_commands import ADMIN_COMMANDS
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

ADMIN = ({"organization": "acme", "role": "account-admin"},)
READ = ADMIN_COMMANDS.reader(Settings())


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
        await self.batches.process(Role.ADMIN_COMMANDS, said, READ, progress_of([*self.behind, *said], 0))


def carrying(token: bytes | None, said: Said) -> Said:
    """Return a command with a token, or without one, and nobody's authid."""
    return replace(said, headers=(*said.headers, *(bearing(token) if token else ())))


def create(name: str, token: bytes | None, **more: Any) -> Said:
    """Return the command that creates an account, sent with a token."""
    return carrying(token, account("acme", name, **({"ce_authid": None} | more)))


async def results(engine: AsyncEngine) -> list[tuple[str, str, list[str], str | None]]:
    """Return every result: the command's id, its outcome and why, and whose it is."""
    said = [json.loads(row.value) for row in await all_rows(engine, _RESULTS)]
    return [
        (
            one["data"]["commandId"],
            one["data"]["outcome"],
            [broken["reason"] for broken in one["data"]["violations"]],
            one.get("authid"),
        )
        for one in said
    ]


async def all_rows(engine: AsyncEngine, statement: str) -> Sequence[Any]:
    """Return the rows of a statement."""
    async with engine.connect() as connection:
        return (await connection.execute(text(statement))).all()


_RESULTS = "SELECT value FROM log WHERE topic = 'command-results' ORDER BY shard, position"
