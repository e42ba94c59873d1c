"""Tokens of keys that are not known yet: how soon they are, and how often is asked for them (section 12)."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from schemas.askers import Verified
from tests.security.issuers.conftest import FIRST, SECOND, Clock, verifying, waiting
from tests.security.key_server import KeyServer
from tests.support.tokens import ISSUER, TokenIssuer
from tests.support.waiting import until
from workers.runtime.tokens import issuing, reading
from workers.runtime.tokens.issuing import UNKNOWN_KEY_EVERY_SECONDS


async def test_unknown_keys_are_asked_for_twice_a_minute_at_most(server: KeyServer, own: TokenIssuer) -> None:
    clock = Clock()
    async with verifying(server.url, clock) as guard:
        await guard.accepts(own.token())
        assert server.asked == ["/keys?all=1"]
        await asyncio.gather(
            *(guard.refuses(own.token(header={"kid": f"k{i}"}), "kid is not the id") for i in range(99))
        )
        assert len(server.asked) == 2
        server.publish(FIRST.public(), SECOND.public())
        clock.now += UNKNOWN_KEY_EVERY_SECONDS - 1
        await guard.refuses(own.token(key=SECOND), "kid is not the id of one")
        assert len(server.asked) == 2
        clock.now += 1
        both = await asyncio.gather(guard(own.token(key=SECOND)), guard(own.token("bob", key=SECOND)))
        assert all(isinstance(one, Verified) for one in both)
        assert len(server.asked) == 3


async def test_keys_that_never_were_do_not_keep_a_new_one_from_being_known(
    server: KeyServer, own: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known as soon as keys may be asked for again, no sooner, though nobody asks then or at the usual time."""
    monkeypatch.setattr(reading._Url, "again_seconds", 86_400.0)
    clock = Clock()
    async with verifying(server.url, clock) as guard:
        await guard.accepts(own.token())
        keys = guard.tokens._keys[ISSUER]
        await guard.refuses(own.token(header={"kid": "never was"}), "kid is not the id of one")
        server.publish(FIRST.public(), SECOND.public())
        monkeypatch.setattr(issuing, "UNKNOWN_KEY_EVERY_SECONDS", 0.05)
        await guard.refuses(own.token(key=SECOND), "kid is not the id of one")
        for _ in range(10):  # whatever would read them at once has had its turn
            await asyncio.sleep(0)
        assert (keys._refreshing, len(server.asked)) == (None, 2)
        clock.now += 1

        async def is_known() -> bool:
            return keys.current is not None and keys.current.knows("second")

        await until(is_known, "the new key")
        assert (keys._is_wanted.is_set(), len(server.asked)) == (False, 3)
        await guard.accepts(own.token(key=SECOND))


async def test_a_key_that_is_known_waits_for_nothing(server: KeyServer, own: TokenIssuer) -> None:
    async with verifying(server.url) as guard:
        await guard.accepts(own.token())
        asked, go_on = threading.Event(), threading.Event()

        def hang(request: BaseHTTPRequestHandler) -> None:
            asked.set()
            go_on.wait(30)
            server.give(request)

        server.answers = hang
        unknown = await waiting(guard, own.token(key=SECOND))
        await asyncio.to_thread(asked.wait, 30)
        await guard.accepts(own.token("bob"))
        assert not unknown.done()
        server.publish(FIRST.public(), SECOND.public())
        go_on.set()
        assert isinstance(await unknown, Verified)
