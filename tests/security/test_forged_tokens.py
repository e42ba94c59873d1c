"""Tokens that are not signed by a key of their issuer, as that key signs (docs/contract.md section 12)."""

import hmac
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwe, jws
from joserfc.jwk import ECKey, OctKey

from schemas.askers import Unidentified
from tests.security.conftest import Guard
from tests.support.tokens import SigningKey, TokenIssuer, encoded

Many = tuple[Guard, dict[str, TokenIssuer]]
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HEAD = b'{"alg":"EdDSA","kid":"first"}'


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
        await guard.refuses(one.token(iss=issuers["ES256"].name), "kid does not name exactly one key")

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
