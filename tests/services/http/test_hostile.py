"""Requests that nobody sends by accident: each is answered as the contract says, and nothing of the server suffers."""

import asyncio
from contextlib import AsyncExitStack

import orjson
import pytest

from embedded import Addresses
from tests.services.http.served import Served, served
from tests.support.waiting import patience

ROOT = b"/v1/organizations/acme"
STREAMS = (200, pytest.param(1000, marks=pytest.mark.chaos))

PATHS = {
    "an encoded slash": (ROOT + b"/projects/a%2fb", 404),
    "an encoded slash, in capitals": (ROOT + b"/projects/a%2Fb/payer", 404),
    "a way up": (ROOT + b"/../acme", 404),
    "an encoded way up": (ROOT + b"/projects/..%2f..%2fetc", 404),
    "dots that are encoded": (ROOT + b"/projects/%2e%2e", 400),
    "a name of dots": (b"/v1/organizations/..", 400),
    "an empty part": (b"/v1/organizations//projects", 404),
    "a slash at the end": (ROOT + b"/projects/", 404),
    "a name with dots": (ROOT + b"/projects/a.b.c", 404),
    "a line's end in a name": (ROOT + b"/projects/a%0ab/payer", 400),
    "a line's end in an organization": (b"/v1/organizations/a%0a%0d/projects", 400),
    "a line's end in another path": (b"/v2/%0a", 404),
    "NUL in a name": (ROOT + b"/projects/a%00b", 400),
    "a lone surrogate in a name": (ROOT + b"/projects/%ed%a0%80", 400),
    "bytes that are no text": (ROOT + b"/projects/%ff%fe", 400),
    "writing that turns around": (ROOT + b"/projects/%e2%80%aeabc", 400),
    "half an escape": (ROOT + b"/projects/a%2", 400),
    "NUL in a parameter": (ROOT + b"/projects?account=a%00b", 400),
    "a lone surrogate in a parameter": (ROOT + b"/projects?account=%ed%a0%80", 400),
    "year 0": (ROOT + b"/projects/a/payer?at=0000-01-01T00:00:00Z", 400),
    "the first year": (ROOT + b"/projects/a/payer?at=0001-01-01T00:00:00Z", 404),
    "the last year": (ROOT + b"/projects/a/payer?at=9999-12-31T23:59:59.999999Z", 404),
    "a year too many": (ROOT + b"/projects/a/payer?at=10000-01-01T00:00:00Z", 400),
    "beyond the last year by its offset": (ROOT + b"/projects/a/payer?at=9999-12-31T23:59:59-14:00", 400),
    "a leap second": (ROOT + b"/projects/a/payer?at=2016-12-31T23:59:60Z", 404),
    "a leap second of any day, by its offset": (ROOT + b"/projects/a/payer?at=2026-03-06T12:59:60.5%2B13:00", 404),
    "a leap second in the middle of an hour": (ROOT + b"/projects/a/payer?at=2026-03-05T12:00:60Z", 400),
    "digits of others": (ROOT + b"/projects?limit=%d9%a1", 400),
    "a number without end": (ROOT + b"/projects?limit=" + b"9" * 5000, 400),
    "an event beyond all": (ROOT + b"/events?after=0-99999999999999999999", 400),
    "a parameter twice": (ROOT + b"/projects?limit=1&limit=1", 400),
    "two thousand parameters": (ROOT + b"/projects?" + b"&".join(b"p%d=1" % one for one in range(2000)), 400),
    "a cursor of nothing": (ROOT + b"/projects?cursor=" + b"A" * 4000, 400),
}
BODIES = {
    "no JSON": b"{",
    "deep": b"[" * 100_000,
    "a lone surrogate": b'{"questions":[{"organization":"\\ud800","project":"a"}]}',
    "NUL": b'{"questions":[{"organization":"a\\u0000","project":"a"}]}',
    "a member twice": b'{"questions":[],"questions":[]}',
    "no number": b'{"questions":[{"organization":"a","project":"b","at":NaN}]}',
    "a leap second too many": b'{"questions":[{"organization":"a","project":"b","at":"2026-01-01T00:00:61Z"}]}',
    "bytes that are no text": b'{"questions":"\xff"}',
    "a megabyte of text": b'{"questions":"' + b"a" * 1_000_000 + b'"}',
    "a name of a megabyte": b'{"questions":[{"organization":"' + b"a" * 1_000_000 + b'","project":"a"}]}',
    "a byte order mark": b'\xef\xbb\xbf{"questions":[]}',
}


async def answered(server: Served, request: bytes) -> tuple[int, bytes]:
    """Return status and body of what answers a request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        async with asyncio.timeout(patience(30)):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def got(path: bytes, *headers: bytes) -> bytes:
    """Return a request whose answer ends the connection."""
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers, b"", b""])


def posted(body: bytes) -> bytes:
    """Return a lookup."""
    head = (
        b"POST /v1/payers/lookup HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    )
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(("path", "status"), PATHS.values(), ids=PATHS.keys())
async def test_odd_paths_and_parameters(shared: Served, path: bytes, status: int) -> None:
    found, body = await answered(shared, got(path))
    assert found == status, body[:1000]
    assert orjson.loads(body)["status"] == status


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_odd_bodies(shared: Served, body: bytes) -> None:
    found, told = await answered(shared, posted(body))
    assert found == 400, told[:1000]
    assert orjson.loads(told)["type"] == "urn:whopays:problem:InvalidBody"


@pytest.mark.parametrize("name", (b"Accept", b"If-None-Match", b"Accept-Encoding", b"Last-Event-ID"))
async def test_a_header_of_bytes_without_sense(shared: Served, name: bytes) -> None:
    found, body = await answered(shared, got(ROOT, name + b": " + b'\xff;q="' * 1000))
    assert found in {200, 406}, body[:1000]


async def test_a_path_of_a_megabyte(shared: Served) -> None:
    found, _ = await answered(shared, got(ROOT + b"/projects/" + b"a" * 1_000_000))
    assert 400 <= found < 500


async def test_a_parameter_of_a_megabyte(shared: Served) -> None:
    found, _ = await answered(shared, got(ROOT + b"/projects?account=" + b"a" * 1_000_000))
    assert found == 400


async def test_clients_that_dawdle_or_leave_hold_up_nobody(shared: Served) -> None:
    async with AsyncExitStack() as stack:
        for part in (got(ROOT)[:-2], got(ROOT)[:20], posted(b"{" * 5000)[:-4000], b""):
            _, writer = await asyncio.open_connection("127.0.0.1", shared.port)
            stack.callback(writer.close)
            writer.write(part)
            if part:
                # Half closed: nothing more will come.
                writer.write_eof()
        _, dawdling = await asyncio.open_connection("127.0.0.1", shared.port)
        stack.callback(dawdling.close)
        for byte in got(ROOT)[:-4]:
            dawdling.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await shared.client.get(ROOT.decode())).status_code == 200


@pytest.mark.parametrize("number", STREAMS)
async def test_very_many_streams_leave_room_for_questions(services: Addresses, template: str, number: int) -> None:
    async with served(services, template, database_pool_size=4) as server, AsyncExitStack() as stack:
        for _ in range(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            stack.callback(writer.close)
            writer.write(got(ROOT + b"/events", b"Accept: text/event-stream"))
            assert b"200" in await reader.readline()
        assert (await server.client.get(ROOT.decode())).status_code == 200
