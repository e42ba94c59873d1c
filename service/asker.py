"""Who asks, by their token, and from where (docs/contract.md section 12)."""

import asyncio
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address

from schemas.askers import Asker, Unidentified, Verified
from service.problems import Problem, Reason, Violation, unavailable
from workers.runtime.tokens.verifying import Tokens

Headers = Iterable[tuple[bytes, bytes]]

TRUSTED = Verified(Asker(""), datetime.max.replace(tzinfo=UTC))
"""Whoever reaches the loopback address of a service with `WHOPAYS_AUTH=trusted`: neither balance nor contact."""

_KEYS_SECONDS = 7.0
"""How long a request waits for keys that were never read: longer than verifying waits for a single unknown key."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]*)?")


async def who_asks(tokens: Tokens | None, headers: Headers) -> Verified:
    """Return who asks; without tokens that is whoever is trusted.

    Raises Problem `Unauthenticated`, and `Unavailable` while keys of the token's issuer were never read.
    """
    if tokens is None:
        return TRUSTED
    try:
        async with asyncio.timeout(_KEYS_SECONDS):
            found = await tokens.verify(headers, datetime.now(UTC))
    except TimeoutError:
        raise unavailable("The keys of the token's issuer could not be read yet.") from None
    if isinstance(found, Unidentified):
        raise unauthenticated(found.why)
    if found.command is not None:
        raise unauthenticated("the token is for one command, and asks nothing")
    return found


def seconds_left(asker: Verified) -> float:
    """Return for how long a token counts: a stream ends with it."""
    return (asker.expires - datetime.now(UTC)).total_seconds()


def unauthenticated(why: str) -> Problem:
    """Return the problem of a request of which nobody can tell who asks."""
    return Problem("Unauthenticated", f"{why[0].upper()}{why[1:]}.", headers={"WWW-Authenticate": "Bearer"})


def check_host(headers: Headers) -> None:
    """Refuse what a browser sends for a page of another host, whose name was made to lead here. Raises Problem."""
    named = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
    if not all(map(_is_loopback, named)):
        message = "With WHOPAYS_AUTH=trusted only localhost, or a loopback address, is answered for."
        raise Problem("Forbidden", "The request is for another host.", [Violation(Reason.FORBIDDEN, message, "Host")])


def _is_loopback(host: str) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].strip("[]").removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
