"""An organization's events by the page and as a stream (docs/contract.md section 11)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import text

from embedded import Addresses
from tests.services.http.committing import commit
from tests.services.http.served import Served, served
from tests.support.waiting import patience

_BATCH, _STREAM = "application/cloudevents-batch+json", "text/event-stream"


async def _events(shared: Served, organization: str, **parameters: Any) -> httpx.Response:
    return await shared.client.get(f"/v1/organizations/{organization}/events", params=parameters)


def _problem(response: httpx.Response, name: str, *fields: tuple[str, str]) -> None:
    document = response.json()
    assert document["type"] == f"urn:whopays:problem:{name}", document
    assert document["status"] == response.status_code
    assert [(one["field"], one["reason"]) for one in document["violations"]] == list(fields)


class Reader:
    """Reads a stream of events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, Any]:
        """Return the next event: its id, and what it says."""
        found: dict[str, str] = {}
        async with asyncio.timeout(patience(30)):
            async for line in self._lines:
                if line == "" and "data" in found:
                    return found["id"], orjson.loads(found["data"])
                name, colon, value = line.partition(":")
                if name:
                    assert colon
                    found[name] = value.removeprefix(" ")
        raise EOFError

    async def end(self) -> None:
        """Wait for the end of the stream, before which nothing but comments comes."""
        with pytest.raises(EOFError):
            await self.next()


@asynccontextmanager
async def _reading(
    shared: Served, organization: str, last: str | None = None, **parameters: str
) -> AsyncIterator[Reader]:
    headers = {"accept": _STREAM} | ({} if last is None else {"last-event-id": last})
    path = f"/v1/organizations/{organization}/events"
    async with shared.client.stream("GET", path, params=parameters, headers=headers) as response:
        if response.status_code != 200:
            await response.aread()
        yield Reader(response)


async def test_pages_are_published_values_by_position(shared: Served) -> None:
    shard, position, _ = await commit(shared.engine, "pages", "a", "b", "c")
    first = await _events(shared, "pages", limit=2)
    assert (first.status_code, first.headers["content-type"]) == (200, _BATCH)
    assert [event["id"] for event in first.json()] == [f"{shard}-{position - 2}", f"{shard}-{position - 1}"]
    assert first.headers["whopays-as-of"] == f"{shard}-{position}", "a page that is full is no less of the snapshot"
    async with shared.engine.connect() as connection:
        values = await connection.execute(
            text("SELECT value FROM log WHERE boundary = 'pages' ORDER BY position LIMIT 2")
        )
        assert first.content == b"[" + b",".join(values.scalars()) + b"]"
    rest = await _events(shared, "pages", limit=2, after=first.json()[-1]["id"])
    assert [event["subject"] for event in rest.json()] == ["pages/c"]
    assert rest.headers["whopays-as-of"] == f"{shard}-{position}"
    nothing = await _events(shared, "pages", after=rest.headers["whopays-as-of"])
    assert (nothing.json(), nothing.status_code) == ([], 200)
    again = await shared.client.get(first.request.url, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


async def test_types_are_selected_by_short_names(shared: Served) -> None:
    await commit(shared.engine, "typed", "a")
    assert len((await _events(shared, "typed", type="BindingChanged,ProjectBillingNotice")).json()) == 1
    assert (await _events(shared, "typed", type="CommandCompleted")).json() == []
    for wrong in ("DeadLetter", "Watermark", "", "BindingChanged,", "io.milo.billing.BindingChanged.v1"):
        _problem(await _events(shared, "typed", type=wrong), "InvalidParameter", ("type", "Malformed"))


async def test_what_is_no_place_is_refused(shared: Served) -> None:
    shard, position, _ = await commit(shared.engine, "placed", "a")
    for after, reason in (
        (f"{shard}-{position + 1}", "OutOfRange"),
        (f"{(shard + 1) % 48}-1", "OutOfRange"),
        ("1", "Malformed"),
        (f"{shard}-0{position}", "Malformed"),
    ):
        _problem(await _events(shared, "placed", after=after), "InvalidParameter", ("after", reason))
        async with _reading(shared, "placed", after=after) as reader:
            _problem(reader.response, "InvalidParameter", ("after", reason))
        async with _reading(shared, "placed", last=after) as reader:
            _problem(reader.response, "InvalidParameter", ("Last-Event-ID", reason))
    async with _reading(shared, "placed", limit="10") as reader:
        _problem(reader.response, "InvalidParameter", ("limit", "Conflicting"))
    # That is judged before parameters, and nothing is waited for.
    for query in ("", "?colour=red&limit=0", "?after=x", f"?atLeast={shard}-{position + 1}"):
        head = await shared.client.head(f"/v1/organizations/placed/events{query}", headers={"accept": _STREAM})
        assert (head.status_code, head.headers["allow"]) == (405, "GET")
    assert (await shared.client.head("/v1/organizations/placed/events")).status_code == 200


async def test_a_stream_goes_on_and_is_resumed(shared: Served) -> None:
    shard, position, _ = await commit(shared.engine, "streamed", "a", "b")
    async with _reading(shared, "streamed") as reader:
        assert reader.response.headers["content-type"] == _STREAM
        assert reader.response.headers["whopays-as-of"] == f"{shard}-{position}"
        assert "etag" not in reader.response.headers
        assert [(await reader.next())[1]["subject"] for _ in range(2)] == ["streamed/a", "streamed/b"]
        await commit(shared.engine, "streamed", "c")
        last, event = await reader.next()
        assert (last, event["id"], event["subject"]) == (f"{shard}-{position + 1}", last, "streamed/c")
    await commit(shared.engine, "streamed", "d")
    async with _reading(shared, "streamed", last, after=f"{shard}-{position}") as reader:
        assert (await reader.next())[1]["subject"] == "streamed/d", "where it was cut off wins"


async def test_streams_of_one_organization_share_what_is_read(shared: Served) -> None:
    await commit(shared.engine, "many", "a")
    async with _reading(shared, "many", type="CommandCompleted") as other, _reading(shared, "many") as first:
        await first.next()
        async with _reading(shared, "many") as second:
            await second.next()
            for project in ("b", "c", "d"):
                await commit(shared.engine, "many", project)
            for reader in (first, second):
                assert [(await reader.next())[1]["subject"] for _ in range(3)] == ["many/b", "many/c", "many/d"]
        assert other.response.status_code == 200


async def test_streams_end_when_the_server_stops(services: Addresses, template: str) -> None:
    async with served(services, template) as made:
        await commit(made.engine, "acme", "a")
        async with _reading(made, "acme") as reader:
            await reader.next()
            made.server.stop()
            await reader.end()
            await made.serving


async def test_what_is_no_longer_kept_is_gone(services: Addresses, template: str) -> None:
    async with served(services, template) as made:
        shard, _, _ = await commit(made.engine, "acme", "a", "b", "c")
        async with made.engine.begin() as connection:
            await connection.execute(text("DELETE FROM log WHERE position <= 2"))
        gone = await _events(made, "acme", after=f"{shard}-1")
        assert gone.status_code == 410
        _problem(gone, "EventsExpired")
        assert gone.json()["detail"] == f"Events are kept from {shard}-3 on; ask after {shard}-2."
        async with _reading(made, "acme", after=f"{shard}-0") as reader:
            assert reader.response.status_code == 410
        for kept in ({"after": f"{shard}-2"}, {}):
            assert [event["subject"] for event in (await _events(made, "acme", **kept)).json()] == ["acme/c"]


async def test_a_reader_that_falls_behind_misses_nothing(shared: Served) -> None:
    names = [f"p{number:04d}" for number in range(300)]
    shard, position, _ = await commit(shared.engine, "slow", "first")
    async with _reading(shared, "slow", after=f"{shard}-{position}") as reader:
        for begin in range(0, 300, 100):
            await commit(shared.engine, "slow", *names[begin : begin + 100])
        assert [(await reader.next())[1]["subject"] for _ in names] == [f"slow/{name}" for name in names]
        async with _reading(shared, "slow", after=f"{shard}-{position}") as late:
            assert [(await late.next())[1]["subject"] for _ in names] == [f"slow/{name}" for name in names]
