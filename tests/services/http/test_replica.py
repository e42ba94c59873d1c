"""`whopays serve` on a replica, as a role that may only read: it answers as on the primary, and follows it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import orjson
import pytest
import pytest_asyncio
from sqlalchemy import make_url, text

from db.engine import create_engine
from db.migrate import migrate
from db.published import note_published
from tests.services.http.committing import SHARDS, commit, commit_binding
from tests.services.http.served import Served, serving
from tests.services.questions.story import tell
from tests.support.folders import temporary_folder
from tests.support.replicas import replicated
from tests.support.waiting import patience, until
from workers.runtime.settings import Settings

_INSTALLATION = "replicated"
O = "/v1/organizations/acme"  # noqa: E741 (the contract's own abbreviation)
_ROLE = (
    "CREATE ROLE asker LOGIN PASSWORD 'asks'",
    "GRANT USAGE ON SCHEMA public TO asker",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO asker",
)
_KUBERNETES = "/apis/billing.milo.io/v1alpha1/namespaces/acme"
_ASKED = (
    O, f"{O}/projects", f"{O}/projects?unbound=true", f"{O}/projects?account=main&at=2026-03-02T00:00:00Z",
    f"{O}/projects/web", f"{O}/projects/web/payer?at=2026-03-02T00:00:00Z", f"{O}/projects/web/intervals",
    f"{O}/accounts", f"{O}/accounts/main", f"{O}/accounts/main/phases", f"{O}/accounts/main/intervals",
    f"{O}/results", f"{O}/results?id=c1", f"{O}/events", "/v1/dead-letters", "/v1/replays", "/readyz",
    f"{O}/audit", f"{O}/audit?since=2026-03-02T00:00:00Z", f"{_KUBERNETES}/billingaccounts",
    f"{_KUBERNETES}/billingaccountbindings", "/",
)  # fmt: skip


@dataclass
class Both:
    """The same questions answered from the primary, and from the replica by a role that may only read."""

    primary: Served
    replica: Served


@pytest_asyncio.fixture(scope="module")
async def both() -> AsyncIterator[Both]:
    """A primary in which the story is told, and its replica, each with a server of questions."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        servers = await stack.enter_async_context(replicated(folder))
        engines = [create_engine(url) for url in (servers.primary_url, _as_asker(servers.replica_url))]
        for engine in engines:
            stack.push_async_callback(engine.dispose)
        await migrate(engines[0], _INSTALLATION, SHARDS)
        await tell(engines[0])
        async with engines[0].begin() as connection:
            for statement in _ROLE:
                await connection.execute(text(statement))

        async def has_come() -> bool:
            try:
                async with engines[1].connect() as connection:
                    return bool((await connection.execute(text("SELECT true FROM installation"))).scalar())
            except Exception:  # noqa: BLE001 (the role itself has yet to come)
                return False

        await until(has_come, "the replica")
        made = [
            await stack.enter_async_context(
                serving(
                    engine, Settings(database_url=url, installation=_INSTALLATION, auth="trusted", database_pool_size=4)
                )
            )
            for engine, url in zip(engines, (servers.primary_url, _as_asker(servers.replica_url)), strict=True)
        ]
        yield Both(*made)


def _as_asker(url: str) -> str:
    return make_url(url).set(username="asker", password="asks").render_as_string(hide_password=False)


async def test_it_is_a_replica_and_may_only_read(both: Both) -> None:
    async with both.replica.engine.connect() as connection:
        assert (await connection.execute(text("SELECT pg_is_in_recovery(), current_user"))).one() == (True, "asker")


@pytest.mark.parametrize("path", _ASKED)
async def test_answers_are_those_of_the_primary(both: Both, path: str) -> None:
    answers = []
    for server in (both.primary, both.replica):
        response = await server.client.get(path)
        assert response.status_code == 200, response.text
        told = [response.headers.get(name) for name in ("etag", "whopays-as-of", "whopays-closed-until")]
        answers.append((response.content, told))
    assert answers[0] == answers[1]


async def test_many_at_once(both: Both) -> None:
    questions = [{"organization": "acme", "project": name, "at": "2026-03-02T00:00:00Z"} for name in ("web", "none")]
    document = await both.replica.client.post("/v1/payers/lookup", json={"questions": questions})
    assert [one["known"] for one in document.json()["answers"]] == [True, False]
    lines = await both.replica.client.post(
        "/v1/payers/lookup",
        content=b"\n".join(map(orjson.dumps, questions)),
        headers={"content-type": "application/x-ndjson"},
    )
    assert [orjson.loads(line) for line in lines.content.splitlines()][:2] == document.json()["answers"]


async def test_what_is_committed_on_the_primary_is_waited_for(both: Both) -> None:
    shard, position, _ = await commit(both.primary.engine, "acme", "web")
    waiting = asyncio.create_task(both.replica.client.get(f"{O}?atLeast={shard}-{position + 1}"))
    assert (await both.replica.client.get(f"{O}?atLeast={shard}-{position}")).status_code == 200
    _, position, instant = await commit(both.primary.engine, "acme", "web")
    answer = await waiting
    assert (answer.status_code, answer.headers["whopays-as-of"]) == (200, f"{shard}-{position}")
    waiting = asyncio.create_task(
        both.replica.client.get(f"{O}/projects/web", params={"closedAtLeast": instant.isoformat()})
    )
    async with both.primary.engine.begin() as connection:
        await note_published(connection, {shard: position})
    assert (await waiting).status_code == 200


async def test_streams_go_on_although_nothing_notifies(both: Both) -> None:
    client = both.replica.client
    as_of = (await client.get(O)).headers["whopays-as-of"]
    async with client.stream("GET", f"{O}/events?after={as_of}", headers={"accept": "text/event-stream"}) as stream:
        shard, position, _ = await commit(both.primary.engine, "acme", "web")
        assert await _first(stream, "id: ") == f"id: {shard}-{position}"


async def test_watches_go_on_although_nothing_notifies(both: Both) -> None:
    client = both.replica.client
    path = f"{_KUBERNETES}/billingaccountbindings"
    position = (await client.get(path)).json()["metadata"]["resourceVersion"]
    async with client.stream("GET", f"{path}?watch=true&resourceVersion={position}") as watch:
        _, position = await commit_binding(both.primary.engine, "acme", "watched", "main")
        told = orjson.loads(await _first(watch, "{"))
    assert (told["type"], told["object"]["metadata"]["name"]) == ("ADDED", "watched-1")
    assert told["object"]["metadata"]["resourceVersion"] == str(position)


async def _first(response: httpx.Response, begins: str) -> str:
    async with asyncio.timeout(patience(30)):
        async for line in response.aiter_lines():
            if line.startswith(begins):
                return line
    raise EOFError
