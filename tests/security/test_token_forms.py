"""How a token is written: how long it is, what its parts hold, and that none has two spellings.

docs/contract.md section 12.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jws import JWSRegistry

from schemas.askers import Unidentified
from schemas.tokens import LARGEST_TOKEN_BYTES, bearer_token, take_apart
from tests.security.conftest import Guard
from tests.support.tokens import SigningKey, TokenIssuer, encoded


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
