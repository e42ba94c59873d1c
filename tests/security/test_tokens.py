"""A token that holds says who asks; one whose header or claims are odd, or out of time, is refused.

docs/contract.md section 12. Each attack starts from a token that holds, or would hold but for what is tried.
"""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.askers import Grant, Role, Unidentified, Verified
from tests.security.conftest import Guard
from tests.support.tokens import ISSUER, TokenIssuer, bearing
from workers.runtime.settings import Settings
from workers.runtime.tokens import verifying

_NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
_UNIX = int(_NOW.timestamp())
_SYSTEM = "\u017fY\uff33tem\uff1arelay"  # with a long s, a wide one, and a wide colon


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


async def test_what_was_not_used_for_longest_is_forgotten_first(
    issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = [issuer.token(name) for name in ("alice", "bobby", "carol")]
    monkeypatch.setattr(verifying, "_REMEMBERED_BYTES", len(first) + len(second))
    async with verifying.Tokens(Settings(auth="jwt", issuers=issuer.configured)) as tokens:
        guard = Guard(tokens)
        found = {token: await guard.accepts(token) for token in (first, second)}
        assert await guard.accepts(first) is found[first]
        found[third] = await guard.accepts(third)
        assert [await guard.accepts(token) is found[token] for token in (first, third, second)] == [True, True, False]


@pytest.mark.parametrize(
    "header",
    (
        {},
        {"typ": None},
        {"typ": "jwt"},
        {"typ": "AT+JWT"},
        {"kid": None},
        {"jwk": {"kty": "oct"}, "jku": "http://evil.example", "x5u": 7, "x5c": [], "other": True},
    ),
    ids=json.dumps,
)
async def test_headers_that_change_nothing(guard: Guard, issuer: TokenIssuer, header: dict[str, Any]) -> None:
    await guard.accepts(issuer.token(header=header))


@pytest.mark.parametrize(
    ("header", "why"),
    (
        *(
            ({"alg": one}, "alg is not one of")
            for one in ("none", "None", "", "HS256", "ES384", "RS512", "eddsa", None)
        ),
        *(({"alg": one}, "alg is not one of") for one in (7, True, ["EdDSA"], {"EdDSA": 1})),
        ({"alg": "ES256"}, "kid does not name exactly one key"),
        ({"alg": "RS256", "kid": None}, "no kid, and its issuer does not have exactly one"),
        *(({"crit": one}, "has crit") for one in (["exp"], [], "exp")),
        *(({"zip": one}, "has zip") for one in ("DEF", "", 0)),
        *(({"typ": one}, "neither JWT nor at+jwt") for one in ("JOSE", "JWE", "", "application/at+jwt", 7, ["JWT"])),
        *(({"cty": one}, "holds another token") for one in ("JWT", "jwt", "application/jwt", 7)),
        *(({"kid": one}, "kid is not a string") for one in (7, True, ["first"])),
        ({"kid": "../first"}, "kid is not the id of one of its issuer's keys"),
        ({"kid": "First"}, "kid is not the id of one of its issuer's keys"),
    ),
    ids=str,
)
async def test_headers_that_are_refused(guard: Guard, issuer: TokenIssuer, header: dict[str, Any], why: str) -> None:
    head = {"alg": "EdDSA", "typ": "JWT", "kid": "first"} | header
    said = {name: one for name, one in head.items() if one is not None}
    claims = json.dumps({"iss": ISSUER, "aud": "whopays", "sub": "alice", "exp": _UNIX + 9}).encode()
    await guard.refuses(issuer.key.sign(json.dumps(said).encode(), claims), why, _NOW)


@pytest.mark.parametrize("name", ("crit", "zip"))
async def test_members_that_must_not_be_there_at_all(guard: Guard, issuer: TokenIssuer, name: str) -> None:
    await guard.refuses(issuer.key.sign(b'{"alg":"EdDSA","kid":"first","%s":null}' % name.encode(), b"{}"), name)


@pytest.mark.parametrize(
    ("claims", "why"),
    (
        *(({"iss": one}, "iss is none of") for one in (f"{ISSUER}/", ISSUER.upper(), "", None, 7, [ISSUER])),
        *(({"aud": one}, "aud holds none of") for one in ("Whopays", "", None, [], ["other"], 7, {"whopays": 1})),
        ({"aud": ["whopays", 7]}, "aud holds none of"),
        *(({"exp": one}, "no exp that is a number") for one in (None, str(_UNIX + 9), True, [_UNIX + 9], math.inf)),
        *(({"nbf": one}, "nbf is not a number") for one in (str(_UNIX), False, [_UNIX], math.inf)),
        *(({"iat": one}, "iat is not a number") for one in (str(_UNIX), True, "")),
        *(({"sub": one}, "sub is not the name of a person") for one in (None, "", " alice", "alice\n", 7, ["alice"])),
        *(
            ({"sub": one}, "sub is not the name")
            for one in ("a" * 257, "a\u200bb", "a\u202eb", "a\u3164", "a\U000e0041")
        ),
        *(({"sub": one}, "a name reserved for the system") for one in ("system:", "SYSTEM:timers", _SYSTEM)),
        *(({"command": one}, "command is not a source and an id") for one in (0, "c1", {"id": "c1"}, False)),
        *(
            ({"command": one}, "command is not a source and an id")
            for one in ({"source": 1, "id": "a"}, {"source": "a", "id": "b", "type": "c"})
        ),
    ),
    ids=str,
)
async def test_claims_that_are_refused(guard: Guard, issuer: TokenIssuer, claims: dict[str, Any], why: str) -> None:
    said = {"iat": _UNIX, "exp": _UNIX + 9} | claims
    token = issuer.token(**said)
    if math.inf in claims.values():  # which Python writes in a way that is no JSON
        head, body = ({"alg": "EdDSA", "kid": "first"}, {"iss": ISSUER, "aud": "whopays", "sub": "alice"} | said)
        token = issuer.key.sign(json.dumps(head).encode(), json.dumps(body).replace("Infinity", "1e999").encode())
    await guard.refuses(token, why, _NOW)


@pytest.mark.parametrize("audience", (["whopays"], ["other", "whopays"]))
async def test_a_token_may_be_meant_for_several(guard: Guard, issuer: TokenIssuer, audience: list[str]) -> None:
    await guard.accepts(issuer.token(aud=audience))


@pytest.mark.parametrize("exp", (b"NaN", b"Infinity", b"-Infinity", b"0x7fffffff", b"+1900000000", b"1_900_000_000"))
async def test_numbers_that_are_no_json(guard: Guard, issuer: TokenIssuer, exp: bytes) -> None:
    claims = b'{"iss":"https://login.example","aud":"whopays","sub":"alice","exp":%s}' % exp
    await guard.refuses(issuer.key.sign(b'{"alg":"EdDSA","kid":"first"}', claims), "claims cannot be read")


@pytest.mark.parametrize("exp", (1e300, 10**39, 10**60, 4e15, 253_402_300_740, 1_900_000_000.5))
async def test_a_token_may_count_for_very_long(guard: Guard, issuer: TokenIssuer, exp: float) -> None:
    assert (await guard.accepts(issuer.token(exp=exp))).expires > _NOW


@pytest.mark.parametrize(
    ("claims", "seconds", "why"),
    (
        ({"exp": _UNIX}, 59.9, None),
        ({"exp": _UNIX}, 60, "expired"),
        ({"exp": -(10**30)}, 0, "expired"),
        ({"nbf": _UNIX + 60}, 0, None),
        ({"nbf": _UNIX + 60}, -0.1, "nbf is in the future"),
        ({"nbf": 10**30}, 0, "nbf is in the future"),
        ({"iat": _UNIX + 60}, 0, None),
        ({"iat": _UNIX + 61}, 0.9, "iat is in the future"),
        ({"nbf": -1.5, "iat": 0}, 0, None),
    ),
    ids=str,
)
async def test_when_a_token_counts(
    guard: Guard, issuer: TokenIssuer, claims: dict[str, Any], seconds: float, why: str | None
) -> None:
    token = issuer.token(**({"iat": _UNIX - 9, "exp": _UNIX + 9} | claims))
    at = _NOW + timedelta(seconds=seconds)
    if why is None:
        await guard.accepts(token, at)
    else:
        await guard.refuses(token, why, at)


async def test_a_token_that_is_known_is_judged_again_each_time(guard: Guard, issuer: TokenIssuer) -> None:
    token = issuer.token(iat=_UNIX, exp=_UNIX + 9)
    await guard.accepts(token, _NOW)
    await guard.refuses(token, "expired", _NOW + timedelta(seconds=69))
    await guard.refuses(token, "iat is in the future", _NOW - timedelta(seconds=61))
    await guard.accepts(token, _NOW)


@pytest.mark.parametrize(
    ("headers", "why"),
    (
        (lambda _: (), "no header authorization"),
        (lambda token: (("ce_authorization", b"Bearer " + token),), "no header authorization"),
        (lambda token: bearing(token) * 2, "several headers"),
        (lambda token: (*bearing(token), ("Authorization", b"Bearer x")), "several headers"),
        (lambda token: (*bearing(token), ("AUTHORIZATION", None)), "several headers"),
        *(
            (lambda token, scheme=scheme: (("authorization", scheme + token),), "not Bearer")
            for scheme in (b"", b"Basic ", b"Bearer", b"Bearer\t", b" Bearer ", b"Bearer: ")
        ),
        (lambda _: (("authorization", None),), "not Bearer"),
        (lambda _: (("authorization", b"Bearer "),), "not Bearer"),
        (lambda token: (("authorization", b"Bearer  " + token),), "not base64url"),
        (lambda token: (("authorization", b"Bearer " + token + b" "),), "not base64url"),
        (lambda token: (("authorization", b"Bearer " + token + b"\n"),), "not base64url"),
        (lambda token: (("authorization", b"Bearer " + token + b", Bearer " + token),), "token"),
    ),
)
async def test_headers_without_one_token(
    guard: Guard, issuer: TokenIssuer, headers: Callable[[bytes], tuple[tuple[str, bytes | None], ...]], why: str
) -> None:
    found = await guard.tokens.verify(headers(issuer.token()), datetime.now(UTC))
    assert isinstance(found, Unidentified)
    assert why in found.why


async def test_header_and_scheme_are_of_any_case(guard: Guard, issuer: TokenIssuer) -> None:
    for name, scheme in (("AUTHORIZATION", b"bearer "), (b"authorization", b"BEARER "), (b"Authorization", b"bEARER ")):
        found = await guard.tokens.verify(((name, scheme + issuer.token()), ("x", None)), datetime.now(UTC))
        assert isinstance(found, Verified)
