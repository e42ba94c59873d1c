"""Extracts a bearer token from headers and splits a JWS (docs/contract.md section 12). Nothing is verified here.

Whatever two parsers could interpret differently is refused, as in all JSON input (section 2).
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

from schemas.askers import Unidentified
from schemas.immutable import dataclass
from schemas.strict_json import NotStrictJson, read_object

LARGEST_TOKEN_BYTES = 8 * 1024
ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "RS256", "PS256")

_HEADER = ("authorization", b"authorization")
_TYPES = frozenset({"jwt", "at+jwt"})
_JWS_DOTS, _JWE_DOTS = 2, 4


@dataclass(frozen=True, slots=True)
class Jws:
    """The parts of a token: `signed` are the bytes that `signature` covers."""

    algorithm: str
    key_id: str | None
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def bearer_token(headers: Iterable[tuple[str | bytes, bytes | None]]) -> bytes | Unidentified:
    """Return the token of the one header `authorization` (in any case)."""
    values = [value for name, value in headers if name.lower() in _HEADER]
    if not values:
        return Unidentified("there is no header authorization with a bearer token")
    if len(values) > 1:
        return Unidentified("there are several headers authorization, where one must be")
    scheme, _, token = (values[0] or b"").partition(b" ")
    if scheme.lower() != b"bearer" or token == b"":
        return Unidentified("the header authorization is not Bearer, one blank and a token")
    return token


def take_apart(token: bytes) -> Jws | Unidentified:
    """Return the parts of a token in JWS compact form, if its header is acceptable for verification."""
    if len(token) > LARGEST_TOKEN_BYTES:
        return Unidentified("the token is longer than 8 KiB")
    match token.count(b"."):
        case dots if dots == _JWE_DOTS:
            return Unidentified("the token is encrypted, and must be signed only")
        case dots if dots != _JWS_DOTS:
            return Unidentified("the token is not a JWS of three parts")
    first, second, third = token.split(b".")
    header = _object(first, "header")
    if isinstance(header, Unidentified):
        return header
    if refused := _refused_header(header):
        return refused
    claims = _object(second, "claims")
    if isinstance(claims, Unidentified):
        return claims
    signature = _decoded(third)
    if signature is None:
        return _not_base64("signature")
    return Jws(header["alg"], header.get("kid"), claims, token[: len(first) + 1 + len(second)], signature)


def _refused_header(header: dict[str, Any]) -> Unidentified | None:
    """Return why a token with this header is refused, if it is. Keys in the header (jwk, jku, x5u) are ignored."""
    algorithm, kind, content = header.get("alg"), header.get("typ", "JWT"), header.get("cty", "")
    if algorithm not in ALGORITHMS:
        return Unidentified(f"the token's alg is not one of {', '.join(ALGORITHMS)}")
    for name in ("crit", "zip"):
        if name in header:
            return Unidentified(f"the token's header has {name}")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        return Unidentified("the token's typ is neither JWT nor at+jwt")
    if not isinstance(content, str) or content.lower().removeprefix("application/") == "jwt":
        return Unidentified("the token holds another token")
    if not isinstance(header.get("kid", ""), str):
        return Unidentified("the token's kid is not a string")
    return None


def _object(part: bytes, what: str) -> dict[str, Any] | Unidentified:
    raw = _decoded(part)
    if raw is None:
        return _not_base64(what)
    try:
        return read_object(raw)
    except NotStrictJson as error:
        return Unidentified(f"the token's {what} cannot be read: {error}")


def _decoded(part: bytes) -> bytes | None:
    """Return the decoded part; None if it is not encoded canonically."""
    try:
        raw = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw if urlsafe_b64encode(raw).rstrip(b"=") == part else None


def _not_base64(what: str) -> Unidentified:
    return Unidentified(f"the token's {what} is not base64url without padding")
