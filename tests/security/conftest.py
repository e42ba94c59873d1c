"""One issuer for all attacks on tokens, and who verifies its tokens."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from schemas.askers import Unidentified, Verified
from tests.support.tokens import SigningKey, TokenIssuer, bearing
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens


class Guard:
    """Who verifies tokens, as of now unless said otherwise."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    async def __call__(self, token: bytes, at: datetime | None = None) -> Verified | Unidentified:
        """Return what comes of a token."""
        return await self.tokens.verify(bearing(token), at or datetime.now(UTC))

    async def refuses(self, token: bytes, why: str, at: datetime | None = None) -> None:
        """Insist that a token is refused, by the check that is named, in words that repeat nothing of it."""
        found = await self(token, at)
        assert isinstance(found, Unidentified), found
        assert why in found.why
        for part in token.split(b"."):
            assert not part or part.decode(errors="replace") not in found.why

    async def accepts(self, token: bytes, at: datetime | None = None) -> Verified:
        """Insist that a token holds."""
        found = await self(token, at)
        assert isinstance(found, Verified), found
        return found


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> TokenIssuer:
    """An issuer whose keys nobody changes."""
    return TokenIssuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the keys of further issuers."""
    return tmp_path_factory.mktemp("issuers")


@pytest_asyncio.fixture(scope="session")
async def guard(issuer: TokenIssuer) -> AsyncIterator[Guard]:
    """Who verifies the issuer's tokens."""
    async with Tokens(Settings(auth="jwt", issuers=issuer.configured)) as tokens:
        yield Guard(tokens)


@pytest_asyncio.fixture(scope="session")
async def many(folder: Path) -> AsyncIterator[tuple[Guard, dict[str, TokenIssuer]]]:
    """An issuer for each algorithm, by its name, all of whose keys have the same id; and who verifies their tokens."""
    issuers = {
        one: TokenIssuer(folder, f"https://{one.lower()}.example", SigningKey(one))
        for one in ("EdDSA", "Ed25519", "ES256", "RS256", "PS256")
    }
    configured = {name: said for one in issuers.values() for name, said in one.configured.items()}
    async with Tokens(Settings(auth="jwt", issuers=configured)) as tokens:
        yield Guard(tokens), issuers
