"""An issuer's keys: which of them count, how they are read, and what happens while they cannot be (section 12)."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from structlog.testing import capture_logs

from schemas.askers import Unidentified, Verified
from tests.security.conftest import Guard
from tests.security.key_server import KeyServer, answer, key_server
from tests.support.tokens import ISSUER, SigningKey, TokenIssuer, bearing, encoded
from tests.support.waiting import until
from workers.runtime.instruments import Instruments
from workers.runtime.roles import SERVE
from workers.runtime.settings import Settings
from workers.runtime.tokens import issuing, reading
from workers.runtime.tokens.issuing import UNKNOWN_KEY_EVERY_SECONDS
from workers.runtime.tokens.keys import read_keys
from workers.runtime.tokens.verifying import Tokens

_FIRST, _SECOND = SigningKey(key_id="first"), SigningKey(key_id="second")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now


@pytest.fixture
def own(tmp_path: Path) -> TokenIssuer:
    """An issuer of the test's own."""
    return TokenIssuer(tmp_path, key=_FIRST)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """A server of keys."""
    with key_server() as running:
        running.publish(_FIRST.public())
        yield running


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What is logged, captured."""
    with capture_logs() as found:
        yield found


@asynccontextmanager
async def verifying(
    jwks: str, clock: Clock | None = None, instruments: Instruments | None = None
) -> AsyncIterator[Guard]:
    """Yield who verifies tokens of the issuer whose keys are there."""
    settings = Settings(auth="jwt", issuers={ISSUER: {"audiences": ["whopays"], "jwks": jwks}})  # type: ignore[dict-item]
    async with Tokens(settings, instruments, clock or Clock()) as tokens:
        yield Guard(tokens)


async def waiting(guard: Guard, token: bytes) -> "asyncio.Task[Verified | Unidentified]":
    """Return a verification that has begun."""
    task = asyncio.create_task(guard.tokens.verify(bearing(token), datetime.now(UTC)))
    await asyncio.sleep(0)
    return task


def _said(key: Any, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": "k", **more}


@pytest.mark.parametrize(
    "key",
    (
        _FIRST.public(use="enc"),
        _FIRST.public(key_ops=["encrypt"]),
        _FIRST.public(key_ops=[]),
        _FIRST.public(key_ops="verify"),
        _FIRST.public(alg="ES256"),
        _FIRST.public(alg=7),
        _FIRST.public(kid=7),
        _FIRST.public(x="AAAA"),
        _FIRST.public(x=None),
        _FIRST.public(crv="Ed448"),
        _said(OKPKey.generate_key("Ed448")),
        _said(OKPKey.generate_key("X25519")),
        _said(ECKey.generate_key("P-384")),
        _said(ECKey.generate_key("P-521")),
        _said(ECKey.generate_key("P-256"), x=_said(ECKey.generate_key("P-256"))["x"]),
        _said(OctKey.generate_key(256)) | {"k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
        {"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"},
        {"kty": "none"},
        {},
        "first",
        None,
    ),
)
def test_keys_that_are_not_for_this(key: object) -> None:
    keys = read_keys(json.dumps({"keys": [key, _SECOND.public()]}).encode())
    assert ([one.key_id for one in keys.usable], keys.unusable) == (["second"], 1)


def test_rsa_keys_need_2048_bits() -> None:
    large = _said(RSAKey.generate_key(2048))
    for bits in (1024, 2047):
        n = generate_private_key(65537, bits).public_key().public_numbers().n
        small = large | {"n": encoded(n.to_bytes(256, "big")).decode()}
        keys = read_keys(json.dumps({"keys": [small, large]}).encode())
        assert (keys.usable[0].public.public_key.key_size, keys.unusable) == (2048, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "more",
    ({"alg": "EdDSA"}, {"alg": "Ed25519"}, {"use": "sig"}, {"key_ops": ["sign", "verify"]}),
)
async def test_keys_that_are(own: TokenIssuer, more: dict[str, Any]) -> None:
    own.publish(own.key.public(**more))
    async with verifying(str(own.jwks)) as guard:
        for algorithm in ("EdDSA", "Ed25519"):
            await guard.accepts(own.token(header={"alg": algorithm}))


async def test_a_token_without_kid_needs_one_key_that_fits(own: TokenIssuer) -> None:
    nameless, other = SigningKey(key_id=None), SigningKey("ES256", key_id="x")
    own.publish(nameless.public(), other.public())
    async with verifying(str(own.jwks)) as guard:
        await guard.accepts(own.token(key=nameless))
        await guard.accepts(own.token(key=other, header={"kid": None}))
        await guard.refuses(own.token(key=nameless, header={"kid": "x"}), "kid is not that of one key for its alg")
    own.publish(nameless.public(), _FIRST.public())
    async with verifying(str(own.jwks)) as guard:
        await guard.refuses(own.token(key=nameless), "no kid, and not just one")
        await guard.accepts(own.token())


async def test_a_kid_that_two_keys_have(own: TokenIssuer) -> None:
    own.publish(_FIRST.public(kid="x"), _SECOND.public(kid="x"), SigningKey("ES256").public(kid="x"))
    async with verifying(str(own.jwks)) as guard:
        await guard.refuses(own.token(header={"kid": "x"}), "kid is not that of one key for its alg")


async def test_a_file_is_read_again(own: TokenIssuer) -> None:
    instruments = Instruments((SERVE,))
    registry = instruments.registry
    async with verifying(str(own.jwks), instruments=instruments) as guard:
        first = own.token()
        await guard.accepts(first)
        read_at = registry.get_sample_value("whopays_issuer_keys_read_timestamp_seconds", {"issuer": ISSUER})
        assert read_at
        own.publish(_SECOND.public())
        # An unknown key has them read at once; whoever held on to the old one is no longer known.
        await guard.accepts(own.token(key=_SECOND))
        await guard.refuses(first, "kid is not the id of one of its issuer's keys")
        counted = {one: registry.get_sample_value("whopays_tokens_total", {"outcome": one}) for one in _OUTCOMES}
        assert counted == {"verified": 2, "known": 0, "refused": 1}


_OUTCOMES = ("verified", "known", "refused")


async def test_a_file_that_changes_is_noticed_in_the_background(
    own: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading._File, "again_seconds", 0.01)
    async with verifying(str(own.jwks)) as guard:
        first = own.token()
        await guard.accepts(first)
        own.publish(_FIRST.public(kid="first", x=_SECOND.public()["x"]))

        async def is_another() -> bool:
            return isinstance(await guard(first), Unidentified)

        await until(is_another, "the other key of that name")
        await guard.refuses(first, "signature is not its issuer's")


@pytest.mark.parametrize(
    "broken", (b"", b"{}", b'{"keys":{}}', b"[]", b"<html>", b'{"keys":[],"keys":[]}', b"x" * 300_000, None)
)
async def test_the_last_good_keys_count(own: TokenIssuer, broken: bytes | None, lines: list[Any]) -> None:
    clock = Clock()
    async with verifying(str(own.jwks), clock) as guard:
        await guard.accepts(own.token())
        if broken is None:
            own.jwks.unlink()
        else:
            own.jwks.write_bytes(broken)
        await guard.refuses(own.token(key=_SECOND), "kid is not the id of one")
        await guard.accepts(own.token("bob"))
        (said,) = (line for line in lines if line["event"] == "issuer_keys_not_read")
        assert (said["issuer"], said["then"]) == (ISSUER, "the keys read before go on to count")
        own.publish(_SECOND.public())
        clock.now += UNKNOWN_KEY_EVERY_SECONDS
        await guard.accepts(own.token(key=_SECOND))


async def test_keys_that_are_withdrawn_all(own: TokenIssuer) -> None:
    async with verifying(str(own.jwks)) as guard:
        own.publish()
        await guard.refuses(own.token(key=_SECOND), "kid is not the id of one")
        await guard.refuses(own.token(), "kid is not the id of one")


async def test_unknown_keys_are_asked_for_twice_a_minute_at_most(server: KeyServer, own: TokenIssuer) -> None:
    clock = Clock()
    async with verifying(server.url, clock) as guard:
        await guard.accepts(own.token())
        assert server.asked == ["/keys?all=1"]
        await asyncio.gather(
            *(guard.refuses(own.token(header={"kid": f"k{i}"}), "kid is not the id") for i in range(99))
        )
        assert len(server.asked) == 2
        server.publish(_FIRST.public(), _SECOND.public())
        clock.now += UNKNOWN_KEY_EVERY_SECONDS - 1
        await guard.refuses(own.token(key=_SECOND), "kid is not the id of one")
        assert len(server.asked) == 2
        clock.now += 1
        both = await asyncio.gather(guard(own.token(key=_SECOND)), guard(own.token("bob", key=_SECOND)))
        assert all(isinstance(one, Verified) for one in both)
        assert len(server.asked) == 3


async def test_keys_that_never_were_do_not_keep_a_new_one_from_being_known(
    server: KeyServer, own: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known as soon as keys may be asked for again, though nobody asks then: long before the usual time."""
    clock = Clock()
    async with verifying(server.url, clock) as guard:
        await guard.accepts(own.token())
        await guard.refuses(own.token(header={"kid": "never was"}), "kid is not the id of one")
        server.publish(_FIRST.public(), _SECOND.public())
        monkeypatch.setattr(issuing, "UNKNOWN_KEY_EVERY_SECONDS", 0.05)
        await guard.refuses(own.token(key=_SECOND), "kid is not the id of one")
        assert len(server.asked) == 2
        clock.now += 1

        async def is_known() -> bool:
            keys = guard.tokens._keys[ISSUER].current
            return keys is not None and keys.knows("second")

        await until(is_known, "the new key")
        assert len(server.asked) == 3
        await guard.accepts(own.token(key=_SECOND))


async def test_a_key_that_is_known_waits_for_nothing(server: KeyServer, own: TokenIssuer) -> None:
    async with verifying(server.url) as guard:
        await guard.accepts(own.token())
        asked, go_on = threading.Event(), threading.Event()

        def hang(request: BaseHTTPRequestHandler) -> None:
            asked.set()
            go_on.wait(30)
            server.give(request)

        server.answers = hang
        unknown = await waiting(guard, own.token(key=_SECOND))
        await asyncio.to_thread(asked.wait, 30)
        await guard.accepts(own.token("bob"))
        assert not unknown.done()
        server.publish(_FIRST.public(), _SECOND.public())
        go_on.set()
        assert isinstance(await unknown, Verified)


async def test_reading_waits_while_keys_were_never_read(own: TokenIssuer, tmp_path: Path, lines: list[Any]) -> None:
    hidden = own.jwks.rename(tmp_path / "later")
    instruments = Instruments((SERVE,))
    registry = instruments.registry
    async with verifying(str(own.jwks), instruments=instruments) as guard:
        task = await waiting(guard, own.token())

        async def is_said() -> bool:
            return any(line["event"] == "issuer_keys_not_read" for line in lines)

        await until(is_said, "the line that says it")
        assert not task.done()
        assert guard.tokens.unread() == [ISSUER]
        assert registry.get_sample_value("whopays_issuer_keys_read_timestamp_seconds", {"issuer": ISSUER}) == 0
        # What is wrong with a token on its own is said at once.
        await guard.refuses(own.token(aud="other"), "aud holds none")
        hidden.rename(own.jwks)
        assert isinstance(await task, Verified)
        assert guard.tokens.unread() == []


def _redirect(request: BaseHTTPRequestHandler) -> None:
    answer(request, 302, Location="/elsewhere")


def _compressed(request: BaseHTTPRequestHandler) -> None:
    answer(request, 200, b'{"keys":[]}', Content_Encoding="gzip")


def _endless(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + b" " * 400_000)


def _cut(request: BaseHTTPRequestHandler) -> None:
    answer(request, 200, b'{"keys":[]}', Content_Length="100")


def _garbled(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\x16\x03\x01 not HTTP at all\r\n\r\n")


@pytest.mark.parametrize(
    ("answers", "why"),
    (
        (_redirect, "status 302, not 200"),
        (_compressed, "compressed"),
        (_endless, "longer than 256 KiB"),
        (_cut, "ended before its end"),
        (_garbled, "not answered as HTTP is"),
    ),
)
async def test_answers_that_are_not_taken(
    server: KeyServer, own: TokenIssuer, answers: Callable[[BaseHTTPRequestHandler], None], why: str, lines: list[Any]
) -> None:
    async with verifying(server.url) as guard:
        await guard.accepts(own.token())
        server.answers = answers
        await guard.refuses(own.token(key=_SECOND), "kid is not the id of one")
        await guard.accepts(own.token("bob"))
    (said,) = (line for line in lines if line["event"] == "issuer_keys_not_read")
    assert why in said["why"]
    assert "/elsewhere" not in server.asked


async def test_no_proxy_is_asked(server: KeyServer, own: TokenIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with verifying(server.url) as guard:
        await guard.accepts(own.token())


async def test_a_server_that_hangs_is_given_up(
    server: KeyServer, own: TokenIssuer, monkeypatch: pytest.MonkeyPatch, lines: list[Any]
) -> None:
    monkeypatch.setattr(reading, "READ_SECONDS", 0.2)
    gone = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        try:
            request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
            while not gone.wait(0.05):
                request.wfile.write(b" ")
        except OSError:
            gone.set()

    async with verifying(server.url) as guard:
        await guard.accepts(own.token())
        server.answers = drip
        await guard.refuses(own.token(key=_SECOND), "kid is not the id of one")
        assert any(line["event"] == "issuer_keys_not_read" for line in lines)
        assert await asyncio.to_thread(gone.wait, 30), "the connection is ended"
        server.answers = server.give
        await guard.accepts(own.token("bob"))
