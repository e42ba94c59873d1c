"""The form of questions and answers, to the letter of section 11 of the contract; raw where clients correct it."""

import asyncio
import gzip
import json
import re
import time

import httpx
import pytest

from tests.support.serving import Server
from tests.support.waiting import patience

O = "/v1/organizations/acme"  # noqa: E741 (the contract's own abbreviation)
SNAPSHOT = {"whopays-as-of", "whopays-closed-until"}


async def raw(server: Server, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are; return status, headers and body of the answer."""
    reader, writer = await asyncio.open_connection(*server.address)
    try:
        writer.write(request)
        async with asyncio.timeout(patience(30)):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
    finally:
        writer.close()
    return int(head[0].split()[1]), headers, body


def problem(response: httpx.Response, name: str) -> list[tuple[str, str]]:
    """Return the reasons and fields of a problem, which has this name."""
    document = response.json()
    assert document["type"] == f"urn:whopays:problem:{name}", document
    assert document["status"] == response.status_code
    assert response.headers["content-type"] == "application/problem+json"
    return [(one["reason"], one["field"]) for one in document["violations"]]


async def test_all_that_is_wrong_is_told_at_once(ask: httpx.AsyncClient) -> None:
    response = await ask.get(f"{O}/projects/Web/intervals?from=x&colour=red&limit=0&cursor=z&atLeast=1&limit=1")
    assert response.status_code == 400
    assert problem(response, "InvalidParameter") == [
        ("Malformed", "project"), ("Malformed", "from"), ("Unknown", "colour"), ("Repeated", "limit"),
        ("Malformed", "cursor"), ("Malformed", "atLeast"),
    ]  # fmt: skip
    # Whose event it is cannot be told where the organization is none.
    misnamed = await ask.get("/v1/organizations/No%20Name/events?after=0-1&atLeast=0-1")
    assert problem(misnamed, "InvalidParameter") == [("Malformed", "organization")]


@pytest.mark.parametrize(
    ("query", "path", "found"),
    (
        ("unbound=true&account=main&at=2026-01-01T00:00:00Z", "projects", {"account", "at"}),
        ("unbound=false&at=2026-01-01T00:00:00Z", "projects", {"at"}),
        (
            "id=a&project=web&account=main&outcome=Applied&limit=1",
            "results",
            {"project", "account", "outcome", "limit"},
        ),
        ("from=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "accounts/main/intervals", {"until"}),
        ("since=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "audit", {"until"}),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "audit", {"until"}),
        ("from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "projects/web/intervals", {"until"}),
    ),
)
async def test_what_does_not_go_together(ask: httpx.AsyncClient, query: str, path: str, found: set[str]) -> None:
    violations = problem(await ask.get(f"{O}/{path}?{query}"), "InvalidParameter")
    assert {reason for reason, _ in violations} == {"Conflicting"}
    assert {field for _, field in violations} == found


async def test_the_first_hundred_are_named_and_all_counted(ask: httpx.AsyncClient) -> None:
    response = await ask.get(f"{O}?{'&'.join(f'p{number}=1' for number in range(150))}")
    assert len(problem(response, "InvalidParameter")) == 100
    assert response.json()["violationCount"] == 150


async def test_the_order_of_judging(ask: httpx.AsyncClient) -> None:
    wrong = {"Accept": "text/html"}
    problem(await ask.post(f"{O}/nothing?x=1", headers=wrong), "NotFound")
    problem(await ask.post(f"{O}/projects/WEB?x=1", headers=wrong), "MethodNotAllowed")
    problem(await ask.get(f"{O}/projects/WEB?x=1", headers=wrong), "NotAcceptable")
    problem(await ask.get(f"{O}/projects/none?x=1"), "InvalidParameter")
    problem(await ask.get(f"{O}/projects/none"), "ProjectNotFound")


async def test_other_methods(ask: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        response = await ask.request(method, f"{O}/projects/web")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
        problem(response, "MethodNotAllowed")


@pytest.mark.parametrize("method", (b"FOO", b"get", b"G", b"GETS", b"!#$%&'*+.^_`|~-", b"A" * 5_000))
async def test_methods_that_nobody_knows(server: Server, method: bytes) -> None:
    """They are judged as others are: the path first. A body is read, and the connection goes on."""
    many = [(b"projects/web", 405), (b"projects/web/", 404), (b"projects/web?x=1", 405)]
    reader, writer = await asyncio.open_connection(*server.address)
    try:
        for path, status in many:
            writer.write(method + b" /v1/organizations/acme/" + path + b" HTTP/1.1\r\nHost: localhost\r\n")
            writer.write(b"Content-Length: 5\r\n\r\nGET /")
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 %d " % status)
            assert (b"\r\nallow: get, head\r\n" in head) is (status == 405)
            length = re.search(rb"\r\ncontent-length: ([0-9]+)\r\n", head)
            assert length is not None
            said = json.loads(await reader.readexactly(int(length[1])))
            assert said["status"] == status
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("path", "status"),
    (
        (b"/v1/organizations/acme/", 404),
        (b"//v1/organizations/acme", 404),
        (b"/v1/organizations//projects", 404),
        (b"/v1/organizations/acme/projects/web%2fpayer", 404),
        (b"/v1/organizations/acme/projects/web%2F", 404),
        (b"/v1/organizations/acme%2Fprojects", 404),
        (b"/v1/organizations/..%2facme", 404),
        (b"/v1/organizations/acme/projects/..", 400),
        (b"/v1/organizations/acme/../acme", 404),
        (b"/v1/organizations/acme/projects/%2e%2e/payer", 400),
        (b"/v1/organizations/acme/projects/web%00", 400),
        (b"/v1/organizations/acme/projects/%ED%A0%80", 400),
        (b"/v1/organizations/acme/projects/%ff", 400),
        (b"/v1/organizations/acme/projects/%zz", 400),
        (b"/v1/organizations/acme/projects/we%62", 200),
        (b"/v1/organizations/acme/projects/" + b"a" * 254, 400),
        (b"/v1/organizations/acme/projects/" + b"a" * 253, 404),
        (b"/v1/organizations/acme?%00=%00", 400),
        (b"/v1/organizations/acme?%ED%A0%80", 400),
        (b"/v1/organizations/acme?=", 400),
        (b"/v1/organizations/acme?&&", 200),
        (b"/v1/organizations/acme?", 200),
        (b"/v1/organizations/acme/results?id=" + b"a" * 1_000_000, 400),
        (b"/v1/organizations/acme/results?id=%E2%80%AE", 400),
        (b"http://elsewhere/v1/organizations/acme", 200),
    ),
)  # fmt: skip
async def test_paths_as_they_are_sent(server: Server, path: bytes, status: int) -> None:
    found, headers, body = await raw(
        server, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert found == status, body[:300]
    assert "location" not in headers
    if status >= 400:
        assert headers["content-type"] == "application/problem+json"
        assert len(body) < 5000


async def test_what_is_no_http_ends_without_harm(server: Server, ask: httpx.AsyncClient) -> None:
    for request in (b"GET /v1/\xff HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n", b"FOO BAR\r\n\r\n"):
        found, _, _ = await raw(server, request)
        assert found == 400
    assert (await ask.get("/livez")).status_code == 200


@pytest.mark.parametrize("path", (O, f"{O}/projects", f"{O}/projects/none", "/livez", "/openapi.json", f"{O}?x=1"))
async def test_head_is_get_without_a_body(ask: httpx.AsyncClient, path: str) -> None:
    got, head = await ask.get(path), await ask.head(path)
    volatile = {"date", "x-request-id", *SNAPSHOT}
    assert head.status_code == got.status_code
    assert head.content == b""
    assert {n: v for n, v in head.headers.items() if n not in volatile} == {
        n: v for n, v in got.headers.items() if n not in volatile
    }


async def test_what_is_known_is_not_sent_again(ask: httpx.AsyncClient) -> None:
    for path in (O, f"{O}/projects", f"{O}/projects/web", f"{O}/accounts/main", "/openapi.json"):
        first = await ask.get(path)
        tag = first.headers["etag"]
        assert re.fullmatch(r'W/"[0-9a-f]+"', tag)
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = await ask.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (await ask.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_the_payer_of_now_has_no_tag(ask: httpx.AsyncClient) -> None:
    assert "etag" not in (await ask.get(f"{O}/projects/web/payer")).headers
    now = await ask.get(f"{O}/projects/web/payer", headers={"If-None-Match": "*"})
    assert now.status_code == 200
    assert "etag" in (await ask.get(f"{O}/projects/web/payer?at=2026-01-01T00:00:00Z")).headers


async def test_compressed_where_it_is_accepted_and_worth_it(ask: httpx.AsyncClient, server: Server) -> None:
    plain = await ask.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    _, headers, body = await raw(server, request)
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == plain.content
    assert headers["etag"] == plain.headers["etag"]
    small = await ask.get(O, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers


async def test_which_answers_tell_their_snapshot(ask: httpx.AsyncClient) -> None:
    async def told(path: str, status: int, **headers: str) -> set[str]:
        response = await ask.get(path, headers=headers)
        assert response.status_code == status
        return SNAPSHOT & set(response.headers)

    assert await told(O, 200) == SNAPSHOT
    assert await told(O, 304, **{"If-None-Match": "*"}) == SNAPSHOT
    for path in ("projects/none", "projects/none/payer", "accounts/none", "results?id=nobodys"):
        assert await told(f"{O}/{path}", 404) == SNAPSHOT
    assert await told(f"{O}?x=1", 400) == set()
    assert await told(O, 406, Accept="text/html") == set()
    assert await told("/v1/replays", 200) == set()


async def test_waiting_for_what_does_not_come(ask: httpx.AsyncClient) -> None:
    shard, position = (await ask.get(O)).headers["whopays-as-of"].split("-")
    known = await ask.get(f"{O}/projects/web?atLeast={shard}-{position}&closedAtLeast=2026-01-01T00:00:00Z")
    assert known.status_code == 200
    response = await ask.get(f"{O}/projects/none?atLeast={shard}-{int(position) + 1000}")
    problem(response, "NotYetKnown")
    assert SNAPSHOT | {"retry-after"} <= set(response.headers)
    other = await ask.get(f"{O}?atLeast={(int(shard) + 1) % 48}-1")
    assert problem(other, "InvalidParameter") == [("OutOfRange", "atLeast")]


async def test_headers_of_every_answer(ask: httpx.AsyncClient) -> None:
    for path in (O, f"{O}/projects/none", f"{O}/", "/v1/replays", f"{O}?x=1"):
        headers = (await ask.get(path, headers={"Origin": "https://elsewhere.example"})).headers
        assert headers["cache-control"] == "private, no-cache"
        assert headers["vary"] == "Accept, Accept-Encoding, Authorization"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert not [name for name in headers if name.startswith("access-control-")]
        assert "server" not in headers


async def test_every_request_has_an_id_of_its_own(ask: httpx.AsyncClient) -> None:
    answers = [await ask.get(path) for path in (O, f"{O}/none", "/console/none", "/version", "/apis/none")]
    answers += [await ask.post("/"), await ask.get(O, headers={"Host": "elsewhere.example"})]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)
    assert len(set(ids)) == len(ids)


async def test_pages(ask: httpx.AsyncClient) -> None:
    whole = (await ask.get(f"{O}/accounts/main/intervals")).json()["items"]
    for limit in (1, 3, len(whole)):
        found, cursor, pages = [], "", 0
        while True:
            response = await ask.get(f"{O}/accounts/main/intervals?limit={limit}{cursor}")
            page = response.json()
            found += page["items"]
            pages += 1
            if page["next"] is None:
                break
            assert page["items"]
            cursor = f"&cursor={page['next']}"
        assert found == whole
        assert pages == -(-len(whole) // limit)


async def test_a_cursor_of_another_question_is_refused(ask: httpx.AsyncClient) -> None:
    cursor = (await ask.get(f"{O}/projects?limit=1")).json()["next"]
    assert (await ask.get(f"{O}/projects?limit=2&cursor={cursor}")).status_code == 200
    for path in (f"{O}/accounts?", f"{O}/projects?state=Active&", "/v1/organizations/globex/projects?"):
        assert problem(await ask.get(f"{path}cursor={cursor}"), "InvalidParameter") == [("Conflicting", "cursor")]


async def test_requests_are_logged_by_id_and_path_without_what_was_asked(
    server: Server, ask: httpx.AsyncClient
) -> None:
    response = await ask.get(f"{O}/results?id=somebodys-secret-id")
    line = await server.logged(response.headers["x-request-id"])
    assert '"path": "/v1/organizations/{organization}/results"' in line
    for path in ("/v1/nothing/somebodys", "/apis/somebodys"):
        began = time.perf_counter()
        response = await ask.get(path)
        said = json.loads(await server.logged(response.headers["x-request-id"]))
        assert (said["path"], said["status"]) == ("none", 404), "its only line"
        assert 0 < said["milliseconds"] <= (time.perf_counter() - began) * 1000
    assert not [line for line in server.lines if "somebodys" in line or "acme" in line]
