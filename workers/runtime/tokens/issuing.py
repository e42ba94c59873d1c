"""The keys of one issuer: refreshed in the background, and when a token names an unknown key."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import structlog

from schemas.askers import Unidentified
from workers.runtime.delays import delays
from workers.runtime.issuers import Issuer
from workers.runtime.tokens.counting import TokenMetrics
from workers.runtime.tokens.keys import Key, Keys, read_keys
from workers.runtime.tokens.reading import read, source_of

UNKNOWN_KEY_WAITS_SECONDS = 5.0
UNKNOWN_KEY_EVERY_SECONDS = 30.0
_FIRST_RETRY_SECONDS = 1.0
_LAST_RETRY_SECONDS = 30.0

logger = structlog.get_logger()


class IssuerKeys:
    """The last good keys of an issuer; None until they were first read."""

    def __init__(self, issuer: Issuer, metrics: TokenMetrics, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
        self.current: Keys | None = None
        self._metrics = metrics
        self._clock = clock
        self._source = source_of(issuer)
        self._document: bytes | None = None
        self._were_read = asyncio.Event()
        self._refreshing: asyncio.Task[bool] | None = None
        self._asked_for_unknown = -UNKNOWN_KEY_EVERY_SECONDS
        self._is_wanted = asyncio.Event()
        metrics.issuer(issuer.name)

    async def run(self) -> None:
        """Keep the keys up to date until cancelled."""
        waits = delays(_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS)
        try:
            while True:
                if await self.refresh():
                    waits = delays(_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS)
                    await self._rest()
                else:
                    await asyncio.sleep(next(waits))
        finally:
            if self._refreshing is not None:
                self._refreshing.cancel()
                await asyncio.wait([self._refreshing])

    async def refresh(self) -> bool:
        """Read the keys, or join a read in progress; return whether it succeeded."""
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._read())
            self._refreshing.add_done_callback(self._refreshed)
        return await asyncio.shield(self._refreshing)

    async def key(self, key_id: str | None, algorithm: str) -> tuple[Key, Keys] | Unidentified:
        """Return the key that a token names, and the set that it belongs to.

        Waits until the keys were read for the first time, and briefly for an unknown key.
        """
        if self.current is None:
            await self._were_read.wait()
        if self.current is not None and not self.current.knows(key_id):
            await self._refresh_for_unknown()
        keys = self.current
        if keys is None or not keys.knows(key_id):
            return Unidentified("the token's kid is not the id of one of its issuer's keys")
        key = keys.fitting(key_id, algorithm)
        if key is not None:
            return key, keys
        if key_id is None:
            return Unidentified("the token has no kid, and its issuer does not have exactly one key for its alg")
        return Unidentified("the token's kid does not name exactly one key for its alg")

    async def _refresh_for_unknown(self) -> None:
        if self._refreshing is None:
            if self._may_ask_in() > 0:
                # The last unknown key may have been made up: it must not keep a new key from being learned later.
                self._is_wanted.set()
                return
            self._note_asking()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNKNOWN_KEY_WAITS_SECONDS):
                await self.refresh()

    async def _rest(self) -> None:
        """Wait until the keys are to be read again: earlier if an unknown key could not be looked up at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._source.again_seconds):
                while True:
                    await self._is_wanted.wait()
                    if (seconds := self._may_ask_in()) <= 0:
                        break
                    await asyncio.sleep(seconds)
            self._note_asking()

    def _may_ask_in(self) -> float:
        return self._asked_for_unknown + UNKNOWN_KEY_EVERY_SECONDS - self._clock()

    def _note_asking(self) -> None:
        self._asked_for_unknown = self._clock()
        self._is_wanted.clear()

    async def _read(self) -> bool:
        try:
            document = await read(self._source)
            if document != self._document:
                self._replace(document)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is logged, and the last good keys stay valid)
            logger.warning(
                "issuer_keys_not_read",
                issuer=self.issuer.name,
                jwks=self.issuer.jwks,
                why=str(error) or type(error).__name__,
                then="its tokens wait" if self.current is None else "the keys read before stay valid",
            )
            return False
        self._metrics.keys_read(self.issuer.name)
        return True

    def _replace(self, document: bytes) -> None:
        keys = read_keys(document)
        self._document, self.current = document, keys
        logger.info("issuer_keys_read", issuer=self.issuer.name, usable=len(keys.usable), unusable=keys.unusable)
        self._were_read.set()

    def _refreshed(self, _: "asyncio.Task[bool]") -> None:
        self._refreshing = None
