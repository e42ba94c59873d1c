"""Tokens for Kafka, had of a real endpoint of HTTP: how they are asked for, how long each is used, and what is none."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from workers.runtime.oauth import ClientCredentials, OAuthTokens, TokenRefused


class _Endpoint(ThreadingHTTPServer):
    """Gives tokens, numbered, with what it is told to say beside them; `asked` has each request's headers and body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[tuple[Mapping[str, str], str]] = []
        self.status, self.said = 200, b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class _Answer(BaseHTTPRequestHandler):
    server: _Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((dict(self.headers), body))
        said = self.server.said.replace(b"N", str(len(self.server.asked)).encode())
        self.send_response(self.server.status)
        self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *_: Any) -> None: ...  # noqa: A002 (the name that the base class gives it)


@contextmanager
def _endpoint() -> Iterator[_Endpoint]:
    with _Endpoint() as endpoint:
        thread = Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()


def _tokens(url: str, scope: str | None = None) -> OAuthTokens:
    return OAuthTokens(ClientCredentials(url, "a b", "s:t", scope))


async def test_a_token_is_used_for_most_of_its_life() -> None:
    with _endpoint() as endpoint:
        lives = (', "expires_in": 3600', ["t1", "t1"]), ("", ["t2", "t2"]), (', "expires_in": 0', ["t3", "t4"])
        for life, tokens in lives:
            endpoint.said = f'{{"access_token": "tN"{life}}}'.encode()
            provider = _tokens(endpoint.url)
            assert [await provider.token(), await provider.token()] == tokens
        endpoint.said = b'{"access_token": "tN", "expires_in": 60}'
        provider = _tokens(endpoint.url)
        assert set(await asyncio.gather(provider.token(), provider.token())) == {"t5"}


async def test_who_asks_for_a_token() -> None:
    with _endpoint() as endpoint:
        endpoint.said = b'{"access_token": "tN"}'
        await _tokens(endpoint.url).token()
        await _tokens(endpoint.url, "kafka read").token()
        (headers, form), (_, scoped) = endpoint.asked
    assert headers["Authorization"] == f"Basic {b64encode(b'a+b:s%3At').decode()}"
    assert headers["Accept"] == "application/json"
    assert (form, scoped) == ("grant_type=client_credentials", "grant_type=client_credentials&scope=kafka+read")


@pytest.mark.parametrize(
    ("status", "said", "why"),
    (
        (401, b"secret", "gives no token, but status 401"),
        (302, b"", "gives no token, but status 302"),
        (200, b"secret", "gives no token: its answer is not JSON"),
        (200, b"[]", "gives no token: its answer has no access_token"),
        (200, b'{"access_token": ""}', "gives no token: its answer has no access_token"),
        (200, b'{"access_token": 7}', "gives no token: its answer has no access_token"),
        (200, b'{"access_token": "t", "expires_in": "1"}', "gives no token: its answer has no access_token"),
    ),
)
async def test_an_endpoint_that_gives_no_token(status: int, said: bytes, why: str) -> None:
    with _endpoint() as endpoint:
        endpoint.status, endpoint.said = status, said
        with pytest.raises(TokenRefused) as refused:
            await _tokens(endpoint.url).token()
        assert len(endpoint.asked) == 1, "no redirect is followed"
    assert str(refused.value).endswith(f"{endpoint.url} {why}")


async def test_a_token_is_as_long_as_an_answer_may_be() -> None:
    with _endpoint() as endpoint:
        for beyond in (0, 1):
            around = '{"access_token": ""}'
            token = "t" * (64 * 1024 - len(around) + beyond)
            endpoint.said = f'{{"access_token": "{token}"}}'.encode()
            if beyond:
                with pytest.raises(TokenRefused, match="is not JSON"):
                    await _tokens(endpoint.url).token()
            else:
                assert await _tokens(endpoint.url).token() == token


async def test_an_endpoint_that_nobody_answers_for() -> None:
    with pytest.raises(TokenRefused, match=r"http://127\.0\.0\.1:1/ gives no token: \[Errno 111\] Connection refused$"):
        await _tokens("http://127.0.0.1:1/").token()
