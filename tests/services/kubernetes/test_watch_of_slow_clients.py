"""A watch whose client is slow: what is committed while it takes something is told next, not when something follows."""

import asyncio
from functools import partial
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from db.placing import shard_of
from schemas.parsing import read_command
from schemas.policy import OperatorPolicy
from service.kubernetes.admission import Admitted
from service.kubernetes.negotiation import AS_IT_IS
from service.kubernetes.options import read_options
from service.kubernetes.resources import BILLING_ACCOUNTS
from service.kubernetes.watching import Watch
from service.state import opened
from tests.support.batches import batches, records
from tests.support.messages import account
from tests.support.waiting import patience, until
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_READ = partial(read_command, max_value_bytes=1_000_000, policy=OperatorPolicy())


async def test_what_is_committed_while_the_last_is_taken_is_told_next(engine: AsyncEngine) -> None:
    settings = Settings(database_url=engine.url.render_as_string(hide_password=False))
    shard, commits = shard_of("acme", settings.shards), batches(engine)

    async def commit(name: str, offset: int) -> None:
        await commits.process(Role.ADMIN_COMMANDS, records(account("acme", name), offset=offset), _READ)

    async with opened(settings, asyncio.Event(), b"", None) as state:
        options = read_options(BILLING_ACCOUNTS, "acme", {"watch": "true", "resourceVersion": "0"})
        watch = Watch(state, BILLING_ACCOUNTS, "acme", options, AS_IT_IS, Admitted())
        await watch.begin()
        told = watch.lines()
        await commit("main", 0)
        assert await _names(told) == ["main"]
        # Until its next line is asked for, the watch stands where it told this one.
        known = state.waking.positions[shard]
        await commit("spare", 1)

        async def seen() -> bool:
            return state.waking.positions[shard] > known

        await until(seen, "the commit")
        assert await _names(told) == ["spare"]
        await told.aclose()


async def _names(told: Any) -> list[str]:
    """Return the names of the accounts that the next lines are about."""
    async with asyncio.timeout(patience(10)):
        piece = await anext(told)
    return [orjson.loads(line)["object"]["metadata"]["name"] for line in piece.splitlines()]
