"""Who pays for each of many projects, as a document and as lines (docs/contract.md section 11)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from sqlalchemy import text

from db.published import note_published
from embedded import Addresses
from schemas.instants import format_instant
from tests.services.http.committing import commit
from tests.services.http.served import Served, served
from tests.services.questions.story import LEGACY_ID, TICK, day, interval, tell, text_of
from tests.support.waiting import patience, until

_JSON, _LINES = "application/json", "application/x-ndjson"
_WEB = {"organization": "acme", "project": "web"}


@pytest_asyncio.fixture(scope="module")
async def story(services: Addresses, template: str) -> AsyncIterator[Served]:
    """A server that knows the story of tests/services/questions/story.py."""
    async with served(services, template) as made:
        await tell(made.engine)
        yield made


async def _ask(story: Served, body: Any, media: str = _JSON, **parameters: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"content-type": media, "accept": "*/*"}
    return await story.client.post("/v1/payers/lookup", content=content, headers=headers, params=parameters)


async def _ask_lines(story: Served, *questions: Any, **parameters: str) -> list[Any]:
    body = b"\n".join(one if isinstance(one, bytes) else orjson.dumps(one) for one in questions)
    response = await _ask(story, body, _LINES, **parameters)
    assert (response.status_code, response.headers["content-type"]) == (200, _LINES)
    assert response.content.endswith(b"\n")
    return [orjson.loads(line) for line in response.content.splitlines()]


def _answer(project: str, at: str, payer: Any, *, known: bool = True, settled: bool = True) -> dict[str, Any]:
    return {
        "organization": "acme",
        "project": project,
        "at": at,
        "payer": payer,
        "known": known,
        "settled": settled,
    }


def _at(project: str, instant: str) -> dict[str, str]:
    return {"organization": "acme", "project": project, "at": instant}


CASES = (
    (_at("web", text_of(1)), _answer("web", text_of(1), interval("web", "main", 1, 1, 2))),
    (
        _at("web", format_instant(day(2) - TICK)),
        _answer("web", format_instant(day(2) - TICK), interval("web", "main", 1, 1, 2)),
    ),
    (_at("web", text_of(2)), _answer("web", text_of(2), interval("web", "spare", 2, 2, 3))),
    (_at("web", text_of(5)), _answer("web", text_of(5), interval("web", "main", 3, 3))),
    (_at("web", text_of(6)), _answer("web", text_of(6), interval("web", "main", 3, 3), settled=False)),
    (_at("web", "0001-01-01T00:00:00Z"), _answer("web", "0001-01-01T00:00:00.000000Z", None)),
    (
        _at("web", "9999-12-31T23:59:59.9999999Z"),
        _answer("web", "9999-12-31T23:59:59.999999Z", interval("web", "main", 3, 3), settled=False),
    ),
    (
        _at("web", "2026-03-02T13:30:15.000002+01:00"),
        _answer("web", text_of(2), interval("web", "spare", 2, 2, 3)),
    ),
    (_at("api", text_of(1)), _answer("api", text_of(1), interval("api", "main", 1, 1, 4, bindingId=LEGACY_ID))),
    (_at("api", text_of(4)), _answer("api", text_of(4), None)),
    (_at("idle", text_of(4)), _answer("idle", text_of(4), None)),
    (_at("unheard", text_of(4)), _answer("unheard", text_of(4), None, known=False)),
)


async def test_answers_are_in_the_order_of_the_questions(story: Served) -> None:
    questions, answers = [case[0] for case in CASES], [case[1] for case in CASES]
    for order in (1, -1):
        response = await _ask(story, {"questions": questions[::order]})
        assert response.status_code == 200
        assert response.json() == {"closedUntil": text_of(5), "answers": answers[::order]}
        assert not {"etag", "whopays-as-of", "whopays-closed-until"} & response.headers.keys()
        lines = await _ask_lines(story, *questions[::order])
        assert lines == [*answers[::order], {"closedUntil": text_of(5), "answers": len(CASES)}]


async def test_without_an_instant_it_is_now(story: Served) -> None:
    (web, late, other), end = (
        (
            answers := await _ask_lines(
                story,
                _WEB,
                {"organization": "acme", "project": "late", "at": None},
                {"organization": "globex", "project": "web"},
            )
        )[:3],
        answers[3],
    )
    assert web["at"] == late["at"] == other["at"] > text_of(7)
    assert (web["payer"], late["payer"]) == (interval("web", "main", 3, 3), interval("late", "main", 1, 7))
    assert other["payer"] == interval("web", "main", 1, 1, organization="globex")
    assert not web["settled"]
    assert end["answers"] == 3


async def test_nothing_asked_nothing_closed(story: Served) -> None:
    assert (await _ask(story, {"questions": []})).json() == {"closedUntil": None, "answers": []}
    assert await _ask_lines(story) == [{"closedUntil": None, "answers": 0}]


async def test_a_document_is_refused_with_all_that_is_wrong(story: Served) -> None:
    refused = await _ask(story, {"questions": [_WEB, {"organization": "acme", "at": "then"}], "x": 1})
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
    found = {(one["field"], one["reason"]) for one in refused.json()["violations"]}
    assert found == {("/x", "Unknown"), ("/questions/1/project", "Missing"), ("/questions/1/at", "Malformed")}
    assert refused.json()["violationCount"] == 3


async def test_lines_are_refused_by_the_last_line(story: Served) -> None:
    *_, last = await _ask_lines(story, *[_WEB] * 17, _WEB | {"at": "then"}, _WEB, b"{")
    assert last["problem"]["type"] == "urn:whopays:problem:InvalidBody"
    assert last["problem"]["status"] == 400
    assert [one["field"] for one in last["problem"]["violations"]] == ["/17/at", "/19"]
    *_, last = await _ask_lines(story, *[{}] * 3000)
    assert (last["problem"]["violationCount"], len(last["problem"]["violations"])) == (6000, 100)
    *_, last = await _ask_lines(story, _WEB, b" " * 300_000)
    assert [one["field"] for one in last["problem"]["violations"]] == ["/1"]


@pytest.mark.parametrize(
    ("headers", "status", "name"),
    (
        ({"content-type": "text/plain"}, 415, "UnsupportedMediaType"),
        ({}, 415, "UnsupportedMediaType"),
        ({"content-type": _JSON, "content-encoding": "gzip"}, 415, "UnsupportedMediaType"),
        ({"content-type": _JSON, "accept": _LINES}, 406, "NotAcceptable"),
        ({"content-type": _LINES, "accept": _JSON}, 406, "NotAcceptable"),
        ({"content-type": f"{_JSON}; charset=utf-8"}, 200, None),
        ({"content-type": f"{_LINES}; charset=latin-1"}, 415, "UnsupportedMediaType"),
    ),
)
async def test_what_is_not_understood(story: Served, headers: dict[str, str], status: int, name: str | None) -> None:
    response = await story.client.post("/v1/payers/lookup", content=b'{"questions":[]}', headers=headers)
    assert response.status_code == status
    assert name is None or response.json()["type"] == f"urn:whopays:problem:{name}"


async def test_a_body_that_says_that_it_is_too_large_is_not_read(story: Served) -> None:
    for media, size in ((_JSON, 2**26), (_LINES, 2**40)):
        reader, writer = await asyncio.open_connection("127.0.0.1", story.port)
        try:
            head = (
                "POST /v1/payers/lookup HTTP/1.1\r\nhost: localhost\r\n"
                f"content-type: {media}\r\ncontent-length: {size}\r\n\r\n"
            )
            writer.write(head.encode())
            async with asyncio.timeout(patience(30)):
                answer = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readuntil(b"}")
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b"BodyTooLarge" in body
        finally:
            writer.close()
            await writer.wait_closed()


async def test_a_document_of_too_many(story: Served) -> None:
    assert len((await _ask(story, {"questions": [_WEB] * 10_000})).json()["answers"]) == 10_000
    refused = await _ask(story, {"questions": [_WEB] * 10_001})
    assert (refused.status_code, refused.json()["type"]) == (413, "urn:whopays:problem:TooManyQuestions")


async def test_lines_however_many_are_sent_before_any_answer_is_read(story: Served) -> None:
    answered, last = 0, ""
    async with asyncio.timeout(patience(120)):
        async with story.client.stream(
            "POST",
            "/v1/payers/lookup",
            content=_many(30),
            headers={"content-type": _LINES, "accept-encoding": "identity"},
        ) as response:
            async for line in response.aiter_lines():
                last = line
                answered += 1
    assert orjson.loads(last) == {"closedUntil": text_of(5), "answers": 30_000}
    assert answered == 30_001


async def _many(thousands: int) -> AsyncIterator[bytes]:
    for _ in range(thousands):
        yield (orjson.dumps(_WEB) + b"\n") * 1000


async def test_answers_know_the_events_that_are_waited_for(story: Served) -> None:
    first = await commit(story.engine, "waited", "a")
    second = await commit(story.engine, "other", "a")
    waits = f"{first[0]}-{first[1]},{second[0]}-{second[1]}"
    assert (await _ask(story, {"questions": [_WEB]}, atLeast=waits)).status_code == 200
    late = asyncio.create_task(_ask(story, {"questions": [_WEB]}, atLeast=f"{first[0]}-{first[1] + 1}"))
    lines = asyncio.create_task(_ask_lines(story, _WEB, atLeast=f"{first[0]}-{first[1] + 1}"))
    await commit(story.engine, "waited", "b")
    assert (await late).status_code == 200
    assert len(await lines) == 2
    for wrong, reason in (
        (f"{first[0]}-x", "Malformed"),
        ("48-1", "OutOfRange"),
        ("1-1,1-2", "Repeated"),
        ("", "Malformed"),
    ):
        for media in (_JSON, _LINES):
            refused = await _ask(story, b"", media, atLeast=wrong)
            assert refused.status_code == 400
            assert [(one["field"], one["reason"]) for one in refused.json()["violations"]] == [("atLeast", reason)]


async def test_what_is_not_known_in_time_is_asked_for_again(story: Served) -> None:
    shard, position, instant = await commit(story.engine, "closing", "a")
    question = {"questions": [{"organization": "closing", "project": "a"}]}
    closes = asyncio.create_task(_ask(story, question, closedAtLeast=format_instant(instant)))
    async with story.engine.begin() as connection:
        await note_published(connection, {shard: position})
    answer = await closes
    assert (answer.status_code, answer.json()["closedUntil"]) == (200, format_instant(instant))
    later = format_instant(instant + timedelta(days=1))
    one = orjson.dumps(question["questions"][0])
    for refused in await asyncio.gather(
        _ask(story, question, closedAtLeast=later),
        _ask(story, one, _LINES, closedAtLeast=later),
        # What is closed of one of them is not of the other.
        _ask(story, one + b"\n" + orjson.dumps(_WEB), _LINES, closedAtLeast=format_instant(instant)),
    ):
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:whopays:problem:NotYetKnown")
        assert int(refused.headers["retry-after"]) >= 1


async def test_large_requests_take_turns(services: Addresses, template: str) -> None:
    async with served(services, template, serve_heavy_requests=1) as made:
        # Whoever holds the locks of the tables lets a lookup go on for as long as it likes.
        async with made.engine.begin() as connection:
            await connection.execute(text("LOCK TABLE projects IN ACCESS EXCLUSIVE MODE"))
            first = asyncio.create_task(_ask_lines(made, _WEB))
            await until(lambda: _waits(made), "a lookup that waits for the table")
            large = b" " * 2**17 + b"."
            for refused in await asyncio.gather(_ask(made, orjson.dumps(_WEB), _LINES), _ask(made, large)):
                assert (refused.status_code, refused.json()["type"]) == (429, "urn:whopays:problem:TooManyRequests")
                assert int(refused.headers["retry-after"]) >= 1
            assert (await _ask(made, large[1:])).status_code == 400, "a small one is read at once"
        assert len(await first) == 2
        assert len(await _ask_lines(made, _WEB)) == 2


async def _waits(made: Served) -> bool:
    async with made.engine.connect() as connection:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool((await connection.execute(text(waiting))).scalar_one())
