"""Which keys of an issuer count, and which one a token means (section 12)."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.security.issuers.conftest import FIRST, SECOND, verifying
from tests.support.tokens import SigningKey, TokenIssuer, encoded
from workers.runtime.tokens.keys import read_keys


def _said(key: Any, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": "k", **more}


@pytest.mark.parametrize(
    "key",
    (
        FIRST.public(use="enc"),
        FIRST.public(key_ops=["encrypt"]),
        FIRST.public(key_ops=[]),
        FIRST.public(key_ops="verify"),
        FIRST.public(alg="ES256"),
        FIRST.public(alg=7),
        FIRST.public(kid=7),
        FIRST.public(x="AAAA"),
        FIRST.public(x=None),
        FIRST.public(crv="Ed448"),
        _said(OKPKey.generate_key("Ed448")),
        _said(OKPKey.generate_key("X25519")),
        _said(ECKey.generate_key("P-384")),
        _said(ECKey.generate_key("P-521")),
        _said(ECKey.generate_key("P-256"), x=_said(ECKey.generate_key("P-256"))["x"]),
        _said(OctKey.generate_key(256)) | {"k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
        {"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"},
        {"kty": "none"},
        {},
        "first",
        None,
    ),
)
def test_keys_that_are_not_for_this(key: object) -> None:
    keys = read_keys(json.dumps({"keys": [key, SECOND.public()]}).encode())
    assert ([one.key_id for one in keys.usable], keys.unusable) == (["second"], 1)


def test_rsa_keys_need_2048_bits() -> None:
    large = _said(RSAKey.generate_key(2048))
    for bits in (1024, 2047):
        n = generate_private_key(65537, bits).public_key().public_numbers().n
        small = large | {"n": encoded(n.to_bytes(256, "big")).decode()}
        keys = read_keys(json.dumps({"keys": [small, large]}).encode())
        assert (keys.usable[0].public.public_key.key_size, keys.unusable) == (2048, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "more",
    (
        {"alg": "EdDSA"},
        {"alg": "Ed25519"},
        {"use": "sig"},
        {"key_ops": ["sign", "verify"]},
        {"key_ops": [7, "other", "sign"]},
    ),
)
async def test_keys_that_are(own: TokenIssuer, more: dict[str, Any]) -> None:
    own.publish(own.key.public(**more))
    async with verifying(str(own.jwks)) as guard:
        for algorithm in ("EdDSA", "Ed25519"):
            await guard.accepts(own.token(header={"alg": algorithm}))


async def test_a_token_without_kid_needs_one_key_that_fits(own: TokenIssuer) -> None:
    nameless, other = SigningKey(key_id=None), SigningKey("ES256", key_id="x")
    own.publish(nameless.public(), other.public())
    async with verifying(str(own.jwks)) as guard:
        await guard.accepts(own.token(key=nameless))
        await guard.accepts(own.token(key=other, header={"kid": None}))
        await guard.refuses(own.token(key=nameless, header={"kid": "x"}), "kid does not name exactly one key")
    own.publish(nameless.public(), FIRST.public())
    async with verifying(str(own.jwks)) as guard:
        await guard.refuses(own.token(key=nameless), "no kid, and its issuer does not have exactly one")
        await guard.accepts(own.token())


async def test_a_kid_that_two_keys_have(own: TokenIssuer) -> None:
    own.publish(FIRST.public(kid="x"), SECOND.public(kid="x"), SigningKey("ES256").public(kid="x"))
    async with verifying(str(own.jwks)) as guard:
        await guard.refuses(own.token(header={"kid": "x"}), "kid does not name exactly one key")
