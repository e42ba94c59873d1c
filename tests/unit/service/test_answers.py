"""How answers are written: every header of every kind of answer, what is compressed, and what is known already."""

import gzip
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import cast

import pytest
from starlette.types import Message

from db.questions.snapshots import Snapshot
from schemas.askers import Asker, Verified
from service import lines
from service.answers import Answer, answer, headers_of_snapshot, refusal, write
from service.asker import unauthenticated
from service.lines import _problem, send_lines
from service.problems import Problem, Reason, Violation
from service.questions import Asked
from service.rights import is_near
from service.state import State

_CLOSED = datetime(2027, 1, 31, 12, tzinfo=UTC)
_ALWAYS = {
    "cache-control": "private, no-cache",
    "vary": "Accept, Accept-Encoding, Authorization",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "x-request-id": "r1",
}
_TAG = 'W/"b3b51e0e0e8f2bd4c7ea7f0f"'


def _snapshot(closed: datetime | None = _CLOSED) -> Snapshot:
    return Snapshot(17, 4711, closed, _CLOSED)


async def _written(
    one: Answer, method: str = "GET", *headers: tuple[bytes, bytes]
) -> tuple[int, dict[str, str], bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await write(one, {"type": "http", "method": method, "headers": headers}, send, "r1")
    start, body = sent
    named = [(name.decode(), value.decode()) for name, value in start["headers"]]
    assert len(dict(named)) == len(named)
    return start["status"], dict(named), body["body"]


async def test_a_plain_answer() -> None:
    status, headers, body = await _written(answer({"a": 1}))
    tag = headers.pop("etag")
    assert (status, body) == (200, b'{"a":1}')
    assert headers == _ALWAYS | {"content-type": "application/json", "content-length": "7"}
    assert len(tag) == len(_TAG)
    assert tag.startswith('W/"')
    assert (await _written(answer({"a": 1})))[1]["etag"] == tag
    assert (await _written(answer({"a": 2})))[1]["etag"] != tag
    assert "etag" not in (await _written(answer({"a": 1}, has_tag=False)))[1]


async def test_an_answer_that_is_known_is_not_sent_again() -> None:
    told = answer({"a": 1}, _snapshot())
    tag = (await _written(told))[1]["etag"].encode()
    for known in ((b"if-none-match", tag),), ((b"if-none-match", b'"x"'), (b"if-none-match", tag)):
        status, headers, body = await _written(told, "GET", *known)
        assert (status, body) == (304, b"")
        assert headers == _ALWAYS | {
            "etag": tag.decode(),
            "whopays-as-of": "17-4711",
            "whopays-closed-until": "2027-01-31T12:00:00.000000Z",
        }
    assert (await _written(told, "GET", (b"if-none-match", b'"x"')))[0] == 200
    created = Answer(b"{}", status=201)
    assert (await _written(created, "GET", (b"if-none-match", b"*")))[0] == 201


async def test_head_says_what_get_would() -> None:
    got, asked = await _written(answer({"a": 1})), await _written(answer({"a": 1}), "HEAD")
    assert asked == (got[0], got[1], b"")


@pytest.mark.parametrize("size", (1024, 128 * 1024 - 1, 128 * 1024))
async def test_what_is_large_is_compressed_for_whoever_accepts_it(size: int) -> None:
    accepts = (b"accept-encoding", b"br"), (b"accept-encoding", b"gzip")
    _, headers, body = await _written(Answer(b"a" * size), "GET", *accepts)
    assert headers["content-encoding"] == "gzip"
    assert headers["content-length"] == str(len(body))
    assert gzip.decompress(body) == b"a" * size
    assert body[4:8] == bytes(4), "no time, so that the same answer is the same bytes"
    for others in ((), accepts[:1]):
        _, plain, whole = await _written(Answer(b"a" * size), "GET", *others)
        assert "content-encoding" not in plain
        assert whole == b"a" * size


async def test_what_is_small_is_sent_as_it_is() -> None:
    _, headers, body = await _written(Answer(b"a" * 1023), "GET", (b"accept-encoding", b"gzip"))
    assert "content-encoding" not in headers
    assert len(body) == 1023


async def test_a_problem() -> None:
    problem = Problem("Unavailable", "why", headers={"Retry-After": "1"})
    status, headers, body = await _written(refusal(problem, _snapshot(None)), "GET", (b"if-none-match", b"*"))
    assert (status, body) == (503, problem.body())
    assert headers == _ALWAYS | {
        "retry-after": "1",
        "whopays-as-of": "17-4711",
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
    }
    unknown = unauthenticated("the token is none")
    assert (await _written(refusal(unknown)))[1]["www-authenticate"] == "Bearer"
    assert unknown.detail == "The token is none."


@pytest.mark.parametrize(
    ("status", "tells"), ((200, True), (304, True), (404, True), (503, True), (400, False), (403, False), (410, False))
)
def test_which_answers_tell_of_what_they_are(status: int, tells: bool) -> None:
    assert bool(headers_of_snapshot(_snapshot(), status)) is tells
    assert headers_of_snapshot(None, status) == []


def _asked(method: str = "GET", client: str | None = "127.0.0.1", *headers: bytes) -> Asked:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent = [(name, b"x") for name in headers]
    scope = {"type": "http", "method": method, "client": client and (client, 1), "headers": sent}
    return Asked(
        cast(State, None), scope, receive, "r1", asker=Verified(Asker("ada"), datetime.max.replace(tzinfo=UTC))
    )


@pytest.mark.parametrize(
    ("client", "headers", "is_so"),
    (
        ("127.0.0.1", (), True),
        ("127.9.9.9", (b"accept",), True),
        ("::1", (), True),
        ("::ffff:127.0.0.1", (), True),
        ("::ffff:127.0.0.1", (b"forwarded",), False),
        ("::ffff:10.0.0.1", (), False),
        ("fe80::1%eth0", (), False),
        ("10.0.0.1", (), False),
        (None, (), False),
        ("127.0.0.1", (b"forwarded",), False),
        ("127.0.0.1", (b"x-forwarded-for",), False),
    ),
)
def test_who_asks_from_this_host(client: str | None, headers: tuple[bytes, ...], is_so: bool) -> None:
    assert is_near(_asked("GET", client, *headers)) is is_so


@pytest.mark.parametrize(
    ("error", "name"),
    (
        (Problem("EventsExpired", "gone"), "EventsExpired"),
        (TimeoutError(), "Unavailable"),
        (ConnectionResetError(), "Unavailable"),
        (ValueError("of a fault"), "Internal"),
    ),
)
def test_what_the_last_line_says(error: Exception, name: str) -> None:
    problem = _problem(error, _asked())
    assert problem.name == name
    assert "of a fault" not in problem.detail
    assert name != "Internal" or "r1" in problem.detail


@pytest.mark.parametrize(("left", "name"), ((0.5, "Unavailable"), (0.0, "Unauthenticated"), (-0.5, "Unauthenticated")))
def test_an_answer_that_takes_too_long_ends_with_its_token_or_before(
    monkeypatch: pytest.MonkeyPatch, left: float, name: str
) -> None:
    monkeypatch.setattr(lines, "seconds_left", lambda _: left)
    assert _problem(TimeoutError(), _asked()).name == name


async def test_head_of_lines() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def nothing() -> AsyncGenerator[bytes]:
        yield b"{}\n"

    asked = _asked("HEAD")
    await send_lines(asked, nothing(), asked.receive, send, _snapshot())
    start, body = sent
    assert dict(start["headers"]) == {
        **{name.encode(): value.encode() for name, value in _ALWAYS.items()},
        b"whopays-as-of": b"17-4711",
        b"whopays-closed-until": b"2027-01-31T12:00:00.000000Z",
        b"content-type": b"application/x-ndjson",
        b"x-accel-buffering": b"no",
    }
    assert body == {"type": "http.response.body", "body": b""}


def test_a_field_is_quoted() -> None:
    document = Problem("InvalidBody", "no", [Violation(Reason.UNKNOWN, "no", "x" * 101)], count=7).document()
    assert (document["violations"][0]["field"], document["violationCount"]) == ("x" * 100, 7)
