"""A token that holds says who asks; one that is odd in any way is refused (docs/contract.md section 12).

Each attack starts from a token that holds, or would hold but for what is tried.
"""

import hmac
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe, jws
from joserfc.jwk import ECKey, OctKey
from joserfc.jws import JWSRegistry

from schemas.askers import Grant, Role, Unidentified, Verified
from schemas.tokens import LARGEST_TOKEN_BYTES, bearer_token, take_apart
from tests.security.conftest import Guard
from tests.support.tokens import ISSUER, SigningKey, TokenIssuer, bearing, encoded

Many = tuple[Guard, dict[str, TokenIssuer]]

_NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
_UNIX = int(_NOW.timestamp())
_SYSTEM = "\u017fY\uff33tem\uff1arelay"  # with a long s, a wide one, and a wide colon
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


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
        ({"alg": "ES256"}, "kid is not that of one key for its alg"),
        ({"alg": "RS256", "kid": None}, "no kid, and not just one"),
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
        *(({"sub": one}, "a name of the system's own") for one in ("system:", "SYSTEM:timers", _SYSTEM)),
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


@pytest.mark.parametrize("exp", (b"NaN", b"Infinity", b"-Infinity", b"0x7fffffff", b"+1900000000", b"1_900_000_000"))
async def test_numbers_that_are_no_json(guard: Guard, issuer: TokenIssuer, exp: bytes) -> None:
    claims = b'{"iss":"https://login.example","aud":"whopays","sub":"alice","exp":%s}' % exp
    await guard.refuses(issuer.key.sign(b'{"alg":"EdDSA","kid":"first"}', claims), "claims cannot be read")


@pytest.mark.parametrize("exp", (1e300, 10**39, 10**60, 4e15, 1_900_000_000.5))
async def test_a_token_may_count_for_very_long(guard: Guard, issuer: TokenIssuer, exp: float) -> None:
    assert (await guard.accepts(issuer.token(exp=exp))).expires > _NOW


@pytest.mark.parametrize(
    ("claims", "seconds", "why"),
    (
        ({"exp": _UNIX}, 59.9, None),
        ({"exp": _UNIX}, 60, "expired"),
        ({"exp": -(10**30)}, 0, "expired"),
        ({"nbf": _UNIX + 60}, 0, None),
        ({"nbf": _UNIX + 60}, -0.1, "nbf is to come"),
        ({"nbf": 10**30}, 0, "nbf is to come"),
        ({"iat": _UNIX + 60}, 0, None),
        ({"iat": _UNIX + 61}, 0.9, "iat is to come"),
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
    await guard.refuses(token, "iat is to come", _NOW - timedelta(seconds=61))
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


@pytest.mark.parametrize("size", (LARGEST_TOKEN_BYTES + 1, 1_000_000))
async def test_a_token_that_is_too_long(guard: Guard, issuer: TokenIssuer, size: int) -> None:
    token = issuer.token(padding="x" * (size * 3 // 4))
    await guard.refuses(token, "longer than 8 KiB")


async def test_the_longest_token(guard: Guard, issuer: TokenIssuer) -> None:
    padding = next(one for one in range(6000, 4000, -1) if len(issuer.token(padding="x" * one)) <= LARGEST_TOKEN_BYTES)
    token = issuer.token(padding="x" * padding)
    assert LARGEST_TOKEN_BYTES - 2 <= len(token) <= LARGEST_TOKEN_BYTES
    await guard.accepts(token)
    await guard.refuses(token + b"A" * (LARGEST_TOKEN_BYTES + 1 - len(token)), "longer than 8 KiB")


_HEAD = b'{"alg":"EdDSA","kid":"first"}'
_BODY = b'{"iss":"https://login.example","aud":"whopays","sub":"alice","exp":4000000000}'


@pytest.mark.parametrize(
    ("head", "body", "why"),
    (
        (b'{"alg":"EdDSA","kid":"first","kid":"first"}', _BODY, "header cannot be read: an object has the same member"),
        (b'{"alg":"EdDSA","kid":"first","jwk":{"a":1,"a":2}}', _BODY, "header cannot be read"),
        (b"\xef\xbb\xbf" + _HEAD, _BODY, "header cannot be read: a byte order mark"),
        (_HEAD, b"\xef\xbb\xbf" + _BODY, "claims cannot be read: a byte order mark"),
        (_HEAD, _BODY[:-1] + b',"sub":"bob"}', "claims cannot be read: an object has the same member"),
        (_HEAD, _BODY[:-1] + b',"s\\u0075b":"bob"}', "claims cannot be read: an object has the same member"),
        (_HEAD, _BODY[:-1] + b',"x":"\\ud800"}', "claims cannot be read"),
        (_HEAD, _BODY[:-1] + b',"x":"\\u0000"}', "claims cannot be read"),
        (_HEAD, _BODY[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}", "claims cannot be read: nested deeper"),
        (_HEAD, _BODY + b" {}", "claims cannot be read"),
        (_HEAD, _BODY[:-1] + b',"x":"\xff"}', "claims cannot be read: not UTF-8"),
        (_HEAD, b"[" + _BODY + b"]", "claims cannot be read"),
        (_HEAD, b"", "claims cannot be read"),
        (b"", _BODY, "header cannot be read"),
        (b"[]", _BODY, "header cannot be read"),
    ),
)
async def test_parts_that_are_no_strict_json(
    guard: Guard, issuer: TokenIssuer, head: bytes, body: bytes, why: str
) -> None:
    await guard.accepts(issuer.key.sign(_HEAD, _BODY))
    await guard.refuses(issuer.key.sign(head, body), why)


async def test_no_part_can_be_written_otherwise(guard: Guard, issuer: TokenIssuer) -> None:
    head, body, signature = issuer.token(padding="é?>~").split(b".")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # The last letter of 64 bytes has four bits that mean nothing; a lenient reader takes sixteen spellings for one.
    (last,) = signature[-1:]
    others = [signature[:-1] + alphabet[alphabet.index(last) ^ bits :][:1] for bits in range(1, 16)]
    for part in (*others, signature + b"=", signature + b"==", signature + b"\n", b" " + signature):
        await guard.refuses(b".".join((head, body, part)), "signature is not base64url without padding")
    for one, two in ((b"-", b"+"), (b"_", b"/")):
        standard = signature.replace(one, two)
        if standard != signature:
            await guard.refuses(b".".join((head, body, standard)), "signature is not base64url")
    await guard.refuses(b".".join((head + b"=", body, signature)), "header is not base64url")
    await guard.refuses(b".".join((head, body + b"!", signature)), "claims is not base64url")


async def test_a_token_without_a_signature(guard: Guard, issuer: TokenIssuer) -> None:
    head, body, _ = issuer.token().split(b".")
    await guard.refuses(b".".join((head, body, b"")), "signature is not its issuer's")
    none = encoded(b'{"alg":"none"}')
    for token in (none + b"." + body + b".", none + b"." + body + b"." + encoded(b"x")):
        await guard.refuses(token, "alg is not one of")
    for token in (head, head + b"." + body, b"..", b".", b"a.b.c.d", b"x" * 500):
        assert isinstance(await guard(token), Unidentified)


async def test_a_public_key_is_no_secret(guard: Guard, issuer: TokenIssuer) -> None:
    """HS256 with the bytes of the public key, in each form that a careless library would take for a secret."""
    body = issuer.token().split(b".")[1]
    public = issuer.key.key.public_key.public_bytes_raw()  # type: ignore[union-attr]
    for secret in (public, json.dumps(issuer.key.public()).encode(), issuer.key.key.as_pem(private=False)):
        for algorithm in ("HS256", "EdDSA"):
            signed = encoded(json.dumps({"alg": algorithm, "kid": "first"}).encode()) + b"." + body
            mac = hmac.digest(secret, signed, "sha256")
            assert isinstance(await guard(signed + b"." + encoded(mac)), Unidentified)


async def test_a_key_that_the_token_brings_along(guard: Guard, issuer: TokenIssuer) -> None:
    own = SigningKey(key_id="first")
    for header in ({"jwk": own.public()}, {"jku": "http://127.0.0.1:1/x"}, {"x5u": "http://127.0.0.1:1/x"}):
        await guard.refuses(issuer.token(key=own, header=header), "signature is not its issuer's")


async def test_a_token_that_is_encrypted_or_holds_another(guard: Guard, issuer: TokenIssuer) -> None:
    sealed = jwe.encrypt_compact({"alg": "dir", "enc": "A128GCM"}, issuer.token(), OctKey.generate_key(128))
    await guard.refuses(sealed.encode(), "encrypted")
    inner = issuer.token()
    await guard.refuses(issuer.key.sign(_HEAD, inner), "claims cannot be read")
    await guard.refuses(issuer.key.sign(_HEAD[:-1] + b',"cty":"JWT"}', inner), "holds another token")


def test_a_signature_by_other_libraries_words_is_the_same() -> None:
    """What this issuer of tests makes is what a library makes, so that what is refused is not refused by accident."""
    key = SigningKey("ES256")
    token = key.sign(b'{"alg":"ES256"}', b"{}")
    assert jws.deserialize_compact(token, ECKey.import_key(key.public()), ["ES256"]).payload == b"{}"


class TestOtherKeys:
    """Issuers whose keys are of other kinds."""

    @pytest.mark.parametrize("algorithm", ("EdDSA", "Ed25519", "ES256", "RS256", "PS256"))
    async def test_each_algorithm(self, algorithm: str, many: Many) -> None:
        guard, issuers = many
        await guard.accepts(issuers[algorithm].token())

    async def test_a_key_of_another_issuer(self, many: Many) -> None:
        guard, issuers = many
        one, other = issuers["EdDSA"], issuers["Ed25519"]
        await guard.refuses(one.token(key=other.key), "signature is not its issuer's")
        await guard.refuses(one.token(iss=other.name), "signature is not its issuer's")
        await guard.refuses(one.token(iss=issuers["ES256"].name), "kid is not that of one key for its alg")

    async def test_rsa_keys_sign_by_one_padding_or_the_other(self, many: Many) -> None:
        guard, issuers = many
        rs, ps = issuers["RS256"], issuers["PS256"]
        await guard.refuses(rs.token(header={"alg": "PS256"}), "signature is not its issuer's")
        await guard.refuses(ps.token(header={"alg": "RS256"}), "signature is not its issuer's")
        for alg in ("ES256", "EdDSA", "HS256"):
            assert isinstance(await guard(rs.token(header={"alg": alg})), Unidentified)

    async def test_signatures_of_other_forms(self, many: Many) -> None:
        guard, issuers = many
        issuer = issuers["ES256"]
        token = issuer.token()
        head, body, signature = token.split(b".")
        der = issuer.key.key.get_op_key("sign").sign(head + b"." + body, ECDSA(hashes.SHA256()))  # type: ignore[call-arg, union-attr, arg-type]
        raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))
        await guard.accepts(b".".join((head, body, encoded(raw))))
        zero, one, order = (number.to_bytes(32, "big") for number in (0, 1, _P256_ORDER))
        forged = (der, b"\0" * 64, zero + raw[32:], raw[:32] + zero, order + raw[32:], raw[:32] + order, one + one)
        for other in (*forged, b"\0" + raw, raw + b"\0", raw[:32] + b"\0" + raw[32:], raw[:63], b"\0" * 32):
            await guard.refuses(b".".join((head, body, encoded(other))), "signature is not its issuer's")
        # The mirrored signature is as valid as the first: it says the same, and nothing rests on its bytes.
        mirrored = raw[:32] + (_P256_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
        assert await guard.accepts(b".".join((head, body, encoded(mirrored)))) == await guard.accepts(token)
        assert signature


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_change_by_chance_goes_unnoticed(data: st.DataObject) -> None:
    """A token with any byte changed, left out or put in is no longer the same signed content."""
    original = _KEY.sign(_HEAD, _BODY)
    place = data.draw(st.integers(0, len(original) - 1))
    letter = data.draw(st.one_of(st.sampled_from(sorted(_LETTERS)), st.integers(0, 255))).to_bytes(1, "big")
    match data.draw(st.sampled_from(("replace", "remove", "insert", "cut", "repeat"))):
        case "replace":
            changed = original[:place] + letter + original[place + 1 :]
        case "remove":
            changed = original[:place] + original[place + 1 :]
        case "insert":
            changed = original[:place] + letter + original[place:]
        case "cut":
            changed = original[:place]
        case _:
            changed = original[:place] + original
    if changed != original:
        apart = take_apart(changed)
        assert isinstance(apart, Unidentified) or not JWSRegistry.algorithms["Ed25519"].verify(
            apart.signed, apart.signature, _KEY.key
        )


_KEY = SigningKey()
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ "


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_is_answered(raw: bytes) -> None:
    for token in (raw, encoded(raw) + b".." + encoded(raw), encoded(_HEAD) + b"." + encoded(raw) + b".AA"):
        take_apart(token)
        bearer_token((("authorization", raw), ("x", token)))
