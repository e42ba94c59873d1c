"""The keys in an issuer's JWK set: only those meant for signing, and of a supported kind."""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from schemas.strict_json import NotStrictJson, read_object

_SMALLEST_RSA_BITS = 2048
_EDDSA = frozenset({"EdDSA", "Ed25519"})
_ECDSA = frozenset({"ES256"})
_RSA = frozenset({"RS256", "PS256"})
_FOR_SIGNING = frozenset({"sign", "verify"})


class UnusableKeys(Exception):
    """A document is not a JWK set; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, and the algorithms that it may be used with."""

    key_id: str | None
    algorithms: frozenset[str]
    public: ECKey | OKPKey | RSAKey

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Return whether a signature was made with this key."""
        return JWSRegistry.algorithms[algorithm].verify(signed, signature, self.public)


@dataclass(frozen=True, slots=True)
class Keys:
    """The usable keys of a JWK set, and the number of others in it."""

    usable: tuple[Key, ...]
    unusable: int

    def knows(self, key_id: str | None) -> bool:
        """Return whether there is a key with this id; a `key_id` of None matches any key."""
        return key_id is None or any(key.key_id == key_id for key in self.usable)

    def fitting(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return the only key with this id (None: any) for an algorithm; None if there is not exactly one."""
        fitting = [
            key for key in self.usable if algorithm in key.algorithms and (key_id is None or key.key_id == key_id)
        ]
        return fitting[0] if len(fitting) == 1 else None


def read_keys(document: bytes) -> Keys:
    """Return the keys of a JWK set. Raises UnusableKeys if it is not one."""
    try:
        said = read_object(document).get("keys")
    except NotStrictJson as error:
        raise UnusableKeys(f"it is not a JWK set: {error}") from None
    if not isinstance(said, list):
        raise UnusableKeys("it is not a JWK set: it has no list of keys")
    usable = [key for one in said if (key := _key(one)) is not None]
    return Keys(tuple(usable), len(said) - len(usable))


def _key(said: Any) -> Key | None:
    if not isinstance(said, Mapping) or not _is_for_signing(said):
        return None
    if not isinstance(said.get("kid", ""), str) or not isinstance(said.get("alg", ""), str):
        return None
    try:
        public, algorithms = _public(said)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return None
    if "alg" in said:
        algorithms = _EDDSA if said["alg"] in _EDDSA and algorithms == _EDDSA else algorithms & {said["alg"]}
    return Key(said.get("kid"), algorithms, public) if algorithms and public is not None else None


def _is_for_signing(said: Mapping[str, Any]) -> bool:
    operations = said.get("key_ops", ["verify"])
    return (
        said.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and any(isinstance(one, str) and one in _FOR_SIGNING for one in operations)
    )


def _public(said: Mapping[str, Any]) -> tuple[ECKey | OKPKey | RSAKey | None, frozenset[str]]:
    """Return only the public part of a JWK, and the algorithms that fit it."""
    match said.get("kty"), said.get("crv"):
        case "OKP", "Ed25519":
            return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": said["x"]}), _EDDSA
        case "EC", "P-256":
            return ECKey.import_key({"kty": "EC", "crv": "P-256", "x": said["x"], "y": said["y"]}), _ECDSA
        case "RSA", _:
            if int.from_bytes(urlsafe_b64decode(said["n"] + "==")).bit_length() < _SMALLEST_RSA_BITS:
                return None, frozenset()
            return RSAKey.import_key({"kty": "RSA", "n": said["n"], "e": said["e"]}), _RSA
        case _:
            return None, frozenset()
