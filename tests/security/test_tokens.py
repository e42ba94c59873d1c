"""A token that holds says who asks; one that is odd in any way is refused (docs/contract.md section 12)."""

from datetime import UTC, datetime

from schemas.askers import Grant, Role
from tests.security.conftest import Guard
from tests.support.tokens import ISSUER, TokenIssuer


async def test_a_token_says_who_asks_and_what_they_may(guard: Guard, issuer: TokenIssuer) -> None:
    token = issuer.token(
        "alice",
        [{"organization": "acme", "role": "viewer"}, {"organization": "acme", "role": "nobody"}],
        exp=1_900_000_000,
        command={"source": "/ci", "id": "c1"},
    )
    found = await guard.accepts(token)
    assert (found.asker.person, found.asker.issuer) == ("alice", ISSUER)
    assert (found.asker.grants, found.asker.ignored_grants) == ((Grant("acme", Role.VIEWER),), 1)
    assert found.expires == datetime.fromtimestamp(1_900_000_060, UTC)
    assert found.command == ("/ci", "c1")
    assert await guard.accepts(token) is found, "what was verified is known"
