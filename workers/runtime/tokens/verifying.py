"""Verifying tokens: the only place where a caller is authenticated."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Self

from schemas.askers import Unidentified, Verified
from schemas.tokens import bearer_token, take_apart
from workers.runtime.instruments import Instruments
from workers.runtime.metric import Found
from workers.runtime.settings import Settings
from workers.runtime.tokens.claims import Claims, issuer_of, read_claims
from workers.runtime.tokens.counting import TokenMetrics
from workers.runtime.tokens.issuing import IssuerKeys
from workers.runtime.tokens.keys import Keys

_REMEMBERED_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Known:
    """A token whose signature is valid as long as its issuer has these keys."""

    claims: Claims
    issuer: IssuerKeys
    keys: Keys
    size: int


class Tokens:
    """Authenticates callers by tokens. While entered, it keeps the keys of the configured issuers up to date.

    Valid tokens are remembered by their digest, up to 8 MiB of them, until their issuer's keys change.
    """

    def __init__(
        self,
        settings: Settings,
        instruments: Instruments | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = TokenMetrics(instruments)
        self._issuers = settings.issuers
        self._grants_claim = settings.grants_claim
        self._keys = {name: IssuerKeys(one, self._metrics, clock) for name, one in self._issuers.items()}
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._known_bytes = 0
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._running = [asyncio.create_task(keys.run()) for keys in self._keys.values()]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def unread(self) -> list[str]:
        """Return the issuers whose keys were never read: their tokens wait, and the process is not ready."""
        return [name for name, keys in self._keys.items() if keys.current is None]

    async def verify(
        self, headers: Iterable[tuple[str | bytes, bytes | None]], at: datetime
    ) -> Verified | Unidentified:
        """Return who asks, by the token in the headers of a record or request, as of an instant.

        Waits for an issuer's keys if they were never read, however long that takes.
        """
        token = bearer_token(headers)
        if isinstance(token, Unidentified):
            self._metrics.token(Found.REFUSED)
            return token
        return await self.verify_token(token, at)

    async def verify_token(self, token: bytes, at: datetime) -> Verified | Unidentified:
        """Return who asks, by a token, as of an instant."""
        digest = sha256(token).digest()
        instant = at.timestamp()
        known = self._known.get(digest)
        if known is not None and known.issuer.current is known.keys:
            self._known.move_to_end(digest)
            return self._counted(known.claims.at(instant), Found.KNOWN)
        found = await self._verified(digest, token, instant)
        return self._counted(found, Found.VERIFIED)

    async def _verified(self, digest: bytes, token: bytes, instant: float) -> Verified | Unidentified:
        """Make cheap checks first, and check all claims before waiting for keys."""
        jws = take_apart(token)
        if isinstance(jws, Unidentified):
            return jws
        issuer = issuer_of(jws.claims, self._issuers)
        if isinstance(issuer, Unidentified):
            return issuer
        claims = read_claims(jws.claims, issuer, self._grants_claim)
        if isinstance(claims, Unidentified):
            return claims
        found = claims.at(instant)
        if isinstance(found, Unidentified):
            return found
        keys = self._keys[issuer.name]
        key = await keys.key(jws.key_id, jws.algorithm)
        if isinstance(key, Unidentified):
            return key
        # A verification takes about 50 µs, and thousands may come in a row: let other tasks run.
        await asyncio.sleep(0)
        if not key[0].verifies(jws.algorithm, jws.signed, jws.signature):
            return Unidentified("the token's signature is not its issuer's")
        self._remember(digest, _Known(claims, keys, key[1], len(token)))
        return found

    def _remember(self, digest: bytes, known: _Known) -> None:
        before = self._known.pop(digest, None)
        self._known[digest] = known
        self._known_bytes += known.size - (before.size if before else 0)
        while self._known_bytes > _REMEMBERED_BYTES:
            _, oldest = self._known.popitem(last=False)
            self._known_bytes -= oldest.size

    def _counted(self, found: Verified | Unidentified, outcome: Found) -> Verified | Unidentified:
        if isinstance(found, Unidentified):
            self._metrics.token(Found.REFUSED)
        else:
            self._metrics.token(outcome, found.asker.ignored_grants)
        return found
