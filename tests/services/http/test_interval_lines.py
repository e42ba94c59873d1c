"""All intervals as lines, from one snapshot (docs/contract.md section 11)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from sqlalchemy import text

from embedded import Addresses
from tests.services.http.served import Served, served
from tests.services.questions.story import SHARD, tell, text_of
from tests.support.waiting import patience, until

_LINES = "application/x-ndjson"
_MANY = 40_000


@pytest_asyncio.fixture(scope="module")
async def story(services: Addresses, template: str) -> AsyncIterator[Served]:
    """A server that knows the story of tests/services/questions/story.py, and a large account beside."""
    async with served(services, template) as made:
        await tell(made.engine)
        async with made.engine.begin() as connection:
            for statement in _FILL:
                await connection.execute(text(statement), {"many": _MANY, "from": "2026-03-01T00:00:00Z"})
        yield made


async def _lines(story: Served, path: str, **parameters: Any) -> tuple[httpx.Response, list[Any]]:
    url = f"/v1/organizations/{path}/intervals"
    response = await story.client.get(url, params=parameters, headers={"accept": _LINES})
    return response, [orjson.loads(line) for line in response.content.splitlines()]


@pytest.mark.parametrize(
    "path", ("acme/projects/web", "acme/accounts/main", "acme/accounts/spare", "acme/projects/idle")
)
@pytest.mark.parametrize("period", ({}, {"from": text_of(2), "until": text_of(5)}, {"until": text_of(9)}))
async def test_lines_are_the_items_of_the_pages(story: Served, path: str, period: dict[str, str]) -> None:
    url = f"/v1/organizations/{path}/intervals"
    page = (await story.client.get(url, params=period)).json()
    response, (*items, last) = await _lines(story, path, **period)
    assert (response.status_code, response.headers["content-type"]) == (200, _LINES)
    assert response.content.endswith(b"\n")
    assert "etag" not in response.headers
    assert items == page["items"]
    as_of = response.headers["whopays-as-of"]
    assert as_of.startswith(f"{SHARD}-")
    assert last == {
        "closedUntil": response.headers["whopays-closed-until"],
        "asOf": as_of,
        "items": len(items),
        "settled": page["settled"],
    }


async def test_what_lines_do_not_go_with(story: Served) -> None:
    response, (problem,) = await _lines(story, "acme/projects/web", limit=5, cursor="x")
    assert response.status_code == 400
    assert {one["field"] for one in problem["violations"]} == {"limit", "cursor"}
    response, (problem,) = await _lines(story, "acme/projects/unheard")
    assert (response.status_code, problem["type"]) == (404, "urn:whopays:problem:ProjectNotFound")
    assert "whopays-as-of" in response.headers
    response, (problem,) = await _lines(story, "acme/accounts/unheard")
    assert (response.status_code, problem["type"]) == (404, "urn:whopays:problem:AccountNotFound")
    url = "/v1/organizations/acme/projects/web/intervals"
    head = await story.client.head(url, headers={"accept": _LINES})
    assert (head.status_code, head.headers["content-type"], head.content) == (200, _LINES, b"")


async def test_lines_are_of_one_snapshot_however_long_they_are_read(story: Served) -> None:
    url = "/v1/organizations/large/accounts/main/intervals"
    found: list[Any] = []
    headers = {"accept": _LINES, "accept-encoding": "identity"}
    async with asyncio.timeout(patience(120)), story.client.stream("GET", url, headers=headers) as response:
        async for line in response.aiter_lines():
            if not found:
                async with story.engine.begin() as connection:
                    await connection.execute(
                        text("UPDATE accounts SET currency_code = 'USD' WHERE organization = 'large'")
                    )
            found.append(orjson.loads(line))
    assert found[-1]["items"] == len(found) - 1 == _MANY
    assert [one["project"] for one in found[:-1]] == sorted(f"p{number}" for number in range(1, _MANY + 1))
    assert {one["currencyCode"] for one in found[:-1]} == {"EUR"}


async def test_an_answer_that_fails_says_so(story: Served) -> None:
    async def reader_is_ended() -> bool:
        async with story.engine.begin() as connection:
            return bool((await connection.execute(text(_END_READERS))).all())

    # It takes so little at a time that the answer, of many megabytes, cannot be through when its session is ended.
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", story.port))
    reader, writer = await asyncio.open_connection(sock=client, limit=4096)
    try:
        path = "/v1/organizations/large/accounts/main/intervals"
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {_LINES}\r\nConnection: close\r\n\r\n".encode()
        )
        async with asyncio.timeout(patience(120)):
            answer = await reader.readuntil(b"\n{")
            await until(reader_is_ended, "a session that waits for its client")
            answer += await reader.read(-1)
    finally:
        writer.close()
    (last,) = [line for line in answer.splitlines()[-6:] if line.startswith(b"{")][-1:]
    assert orjson.loads(last)["problem"]["type"] == "urn:whopays:problem:Unavailable"


async def test_who_leaves_holds_no_snapshot(story: Served) -> None:
    url = "/v1/organizations/large/accounts/main/intervals"
    async with story.client.stream("GET", url, headers={"accept": _LINES}) as response:
        await anext(response.aiter_lines())

    async def nobody_reads() -> bool:
        async with story.engine.connect() as connection:
            return bool((await connection.execute(text(_READERS))).scalar_one() == 0)

    await until(nobody_reads, "the end of the snapshot")


_FILL = (
    """
    INSERT INTO accounts
        (organization, account, version, phases, sequence, phase, conditions, currency_code, payment_terms, holds)
    VALUES ('large', 'main', 1, 1, 1, 'Incomplete', '[]', 'EUR', '{"netDays": 30}', '[]')
    """,
    """
    INSERT INTO projects (organization, project, state, version)
    SELECT 'large', 'p' || n, 'Active', 1 FROM generate_series(1, CAST(:many AS integer)) AS n
    """,
    """
    INSERT INTO bindings (organization, project, number, account, from_instant)
    SELECT 'large', 'p' || n, 1, 'main', CAST(CAST(:from AS text) AS timestamptz)
    FROM generate_series(1, CAST(:many AS integer)) AS n
    """,
)
_READERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
"""
_END_READERS = _READERS.replace("count(*)", "pg_terminate_backend(pid)")
