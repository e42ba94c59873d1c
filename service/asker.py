"""Authenticates the asker by their token, and checks the host (docs/contract.md section 12)."""

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
"""The asker of every request with `WHOPAYS_AUTH=trusted`, which is loopback only; sees neither balance nor contact."""

_KEYS_SECONDS = 7.0
"""How long a request waits for keys that were never read: longer than verifying waits for a single unknown key."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]*)?")


async def who_asks(tokens: Tokens | None, headers: Headers) -> Verified:
    """Return the asker; without `tokens`, `TRUSTED`.

    Raises Problem `Unauthenticated`, or `Unavailable` while the keys of the token's issuer have never been read.
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
    """Return how many seconds remain until the token expires; a stream ends then."""
    return (asker.expires - datetime.now(UTC)).total_seconds()


def unauthenticated(why: str) -> Problem:
    """Return the problem for a request without a valid token."""
    return Problem("Unauthenticated", f"{why[0].upper()}{why[1:]}.", headers={"WWW-Authenticate": "Bearer"})


def check_host(headers: Headers) -> None:
    """Raise Problem if the `Host` header is not a loopback name: this defends against DNS rebinding."""
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
