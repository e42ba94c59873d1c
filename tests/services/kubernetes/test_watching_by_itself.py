"""A watch by itself: of whoever may not see all, whose events are gone meanwhile, and whose server stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.published import note_published
from db.questions.reached import Reached
from db.shards import all_heads
from domain.reach import Reach
from schemas.askers import Names
from schemas.parsing import read_command
from schemas.policy import OperatorPolicy
from service.kubernetes.admission import Admitted
from service.kubernetes.negotiation import AS_IT_IS
from service.kubernetes.options import read_options
from service.kubernetes.resources import BILLING_ACCOUNTS
from service.kubernetes.watching import Watch
from service.state import opened
from tests.services.http.served import serving
from tests.services.kubernetes.cluster import BILLING
from tests.support.batches import batches, records
from tests.support.messages import account
from tests.support.waiting import patience
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_READ = partial(read_command, max_value_bytes=1_000_000, policy=OperatorPolicy())
_MAIN_ONLY = Admitted(reached=Reached(Reach(accounts=(Names(frozenset({"main"})),))))


async def _create(engine: AsyncEngine, *names: str, offset: int = 0) -> None:
    said = (account("acme", name) for name in names)
    await batches(engine).process(Role.ADMIN_COMMANDS, records(*said, offset=offset), _READ)


@asynccontextmanager
async def _watched(engine: AsyncEngine, asks: Admitted, version: str) -> AsyncIterator[Any]:
    """Yield the lines of a watch of all accounts of acme after a version."""
    settings = Settings(database_url=engine.url.render_as_string(hide_password=False))
    async with opened(settings, asyncio.Event(), b"", None) as state:
        options = read_options(BILLING_ACCOUNTS, "acme", {"watch": "true", "resourceVersion": version})
        watch = Watch(state, BILLING_ACCOUNTS, "acme", options, AS_IT_IS, asks)
        await watch.begin()
        async with asyncio.timeout(patience(30)), aclosing(watch.lines()) as lines:
            yield lines


async def test_what_is_out_of_reach_is_not_told(engine: AsyncEngine) -> None:
    async with _watched(engine, _MAIN_ONLY, "0") as lines:
        await _create(engine, "alpha", "main", "zeta")
        told = [orjson.loads(line) for line in (await anext(lines)).splitlines()]
        assert [one["object"]["metadata"]["name"] for one in told] == ["main"]


async def test_a_watch_that_falls_behind_what_is_kept_ends_with_the_reason(engine: AsyncEngine) -> None:
    async with _watched(engine, Admitted(), "0") as lines:
        await _create(engine, "main")
        first = orjson.loads((await anext(lines)).splitlines()[-1])
        assert first["object"]["metadata"]["name"] == "main"
        await _create(engine, "spare", "third", offset=1)
        async with engine.begin() as connection:
            heads = await all_heads(connection)
            await note_published(connection, {shard: head.position for shard, head in heads.items()})
            gone = "DELETE FROM log WHERE boundary = 'acme' AND position < (SELECT max(position) FROM log)"
            await connection.execute(text(gone))
        (told,) = [orjson.loads(line) async for piece in lines for line in piece.splitlines()]
    assert (told["type"], told["object"]["code"], told["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_a_watch_ends_where_the_server_stops(engine: AsyncEngine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    path = f"{BILLING}/namespaces/acme/billingaccounts?watch=true"
    settings = Settings(database_url=url, auth="trusted")
    async with (
        serving(engine, settings) as made,
        asyncio.timeout(patience(10)),
        made.client.stream("GET", path) as answer,
    ):
        await _create(engine, "main")
        lines = answer.aiter_lines()
        assert orjson.loads(await anext(lines))["type"] == "ADDED"
        made.server.stop()
        assert [line async for line in lines] == []
