"""An issuer of a test's own, a server of its keys, and who verifies its tokens."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.askers import Unidentified, Verified
from tests.security.conftest import Guard
from tests.security.key_server import KeyServer, key_server
from tests.support.tokens import ISSUER, SigningKey, TokenIssuer, bearing
from workers.runtime.instruments import Instruments
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

FIRST, SECOND = SigningKey(key_id="first"), SigningKey(key_id="second")


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
    return TokenIssuer(tmp_path, key=FIRST)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """A server of keys."""
    with key_server() as running:
        running.publish(FIRST.public())
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
