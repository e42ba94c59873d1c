"""What is asked once an organization has another shard: its events go on, and ids of before still count."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from db.engine import create_engine
from db.resharding import reshard
from db.shard_ranges import shard_ranges
from db.shards import all_heads
from embedded import Addresses
from tests.services.http.committing import commit, commit_at
from tests.services.http.served import Served, serving
from tests.support.installations import database
from workers.runtime.settings import Settings

_EVENTS = "/v1/organizations/acme/events"


@pytest_asyncio.fixture
async def shared(services: Addresses, template: str) -> AsyncIterator[Served]:
    """A server of an installation that was given seven shards after something was said."""
    async with database(services, template) as (name, url):
        engine = create_engine(url)
        try:
            await commit(engine, "acme", "a", "b", "c")
            await commit(engine, "other", *(f"p{number}" for number in range(20)))
            async with engine.connect() as connection:
                published = {shard: head.position for shard, head in (await all_heads(connection)).items()}
            done = await reshard(engine, name, 7, published)
            settings = Settings(
                database_url=url, installation=name, auth="trusted", shards=7, first_shard=done.now.first
            )
            async with serving(engine, settings) as made:
                yield made
        finally:
            await engine.dispose()


def _subjects(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [event["subject"] for event in response.json()]


async def test_events_of_both_shards(shared: Served) -> None:
    shard = shared.settings.shard_of("acme")
    position = await commit_at(shared.engine, shard, "acme", "d", "e")
    async with shared.engine.connect() as connection:
        old, new = (await shard_ranges(connection)).shards_of("acme")
    assert new == shard
    assert position > 20

    async def asked(**parameters: object) -> httpx.Response:
        return await shared.client.get(_EVENTS, params={name: str(value) for name, value in parameters.items()})

    whole = await asked()
    assert _subjects(whole) == [f"acme/{name}" for name in "abcde"]
    ids = [event["id"] for event in whole.json()]
    assert [one.partition("-")[0] for one in ids] == [str(old)] * 3 + [str(new)] * 2
    for at, event_id in enumerate(ids):
        assert _subjects(await asked(after=event_id)) == [f"acme/{name}" for name in "abcde"[at + 1 :]]
        assert (await asked(atLeast=event_id)).status_code == 200
    assert whole.headers["whopays-as-of"] == ids[-1]
    for nowhere in (
        f"{old}-4",
        f"{new}-{position + 1}",
        f"{(old + 1) % 48}-1",
        f"{new + 1 if new < 54 else new - 1}-1",
    ):
        assert (await asked(after=nowhere)).status_code == 400, nowhere
    headers = {"accept": "text/event-stream", "last-event-id": ids[1]}
    told = []
    async with shared.client.stream("GET", _EVENTS, headers=headers) as response:
        async for line in response.aiter_lines():
            told += [line.removeprefix("id: ")] if line.startswith("id: ") else []
            if len(told) == 3:
                break
    assert told == ids[2:]
