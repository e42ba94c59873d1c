"""When an issuer's keys are read, and what counts while they cannot be (section 12)."""

from pathlib import Path
from typing import Any

import pytest

from schemas.askers import Unidentified, Verified
from tests.security.issuers.conftest import FIRST, SECOND, Clock, verifying, waiting
from tests.support.tokens import ISSUER, TokenIssuer
from tests.support.waiting import until
from workers.runtime.instruments import Instruments
from workers.runtime.roles import SERVE
from workers.runtime.tokens import reading
from workers.runtime.tokens.issuing import UNKNOWN_KEY_EVERY_SECONDS


async def test_a_file_is_read_again(own: TokenIssuer) -> None:
    instruments = Instruments((SERVE,))
    registry = instruments.registry
    async with verifying(str(own.jwks), instruments=instruments) as guard:
        first = own.token()
        await guard.accepts(first)
        read_at = registry.get_sample_value("whopays_issuer_keys_read_timestamp_seconds", {"issuer": ISSUER})
        assert read_at
        own.publish(SECOND.public())
        # An unknown key has them read at once; whoever held on to the old one is no longer known.
        await guard.accepts(own.token(key=SECOND))
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
        own.publish(FIRST.public(kid="first", x=SECOND.public()["x"]))

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
        await guard.refuses(own.token(key=SECOND), "kid is not the id of one")
        await guard.accepts(own.token("bob"))
        (said,) = (line for line in lines if line["event"] == "issuer_keys_not_read")
        assert (said["issuer"], said["then"]) == (ISSUER, "the keys read before stay valid")
        own.publish(SECOND.public())
        clock.now += UNKNOWN_KEY_EVERY_SECONDS
        await guard.accepts(own.token(key=SECOND))


async def test_keys_that_are_withdrawn_all(own: TokenIssuer) -> None:
    async with verifying(str(own.jwks)) as guard:
        own.publish()
        await guard.refuses(own.token(key=SECOND), "kid is not the id of one")
        await guard.refuses(own.token(), "kid is not the id of one")


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
