"""An issuer of tokens for tests: its keys, where they are published, and whatever token is asked for."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

AUDIENCE = "whopays"
ISSUER = "https://login.example"
EVERYTHING = tuple(
    {"organization": "*", "role": role}
    for role in ("account-admin", "project-owner", "operator", "payments", "invoicing", "approver")
)
"""Grants with which every command may be sent."""


class SigningKey:
    """A key that signs by one algorithm."""

    def __init__(self, algorithm: str = "Ed25519", key_id: str | None = "first") -> None:
        self.algorithm, self.key_id = algorithm, key_id
        self.key: ECKey | OKPKey | RSAKey
        match algorithm:
            case "EdDSA" | "Ed25519":
                self.key = OKPKey.generate_key("Ed25519")
            case "ES256":
                self.key = ECKey.generate_key("P-256")
            case _:
                self.key = RSAKey.generate_key(2048)

    def public(self, **more: Any) -> dict[str, Any]:
        """Return the public key as a member of a JWK set."""
        kid = {} if self.key_id is None else {"kid": self.key_id}
        return {**self.key.as_dict(private=False), "use": "sig", **kid, **more}

    def sign(self, header: bytes, claims: bytes) -> bytes:
        """Return a token of these bytes, whatever they say."""
        signed = encoded(header) + b"." + encoded(claims)
        return signed + b"." + encoded(JWSRegistry.algorithms[self.algorithm].sign(signed, self.key))


class TokenIssuer:
    """An issuer with one key, which publishes it as a file."""

    def __init__(self, folder: Path, name: str = ISSUER, key: SigningKey | None = None) -> None:
        self.name = name
        self.key = key or SigningKey()
        self.jwks = folder / f"{name.removeprefix('https://')}.jwks.json"
        self.publish(self.key.public())

    @property
    def configured(self) -> dict[str, Any]:
        """What `WHOPAYS_ISSUERS` says of it."""
        return {self.name: {"audiences": [AUDIENCE], "jwks": str(self.jwks)}}

    def publish(self, *keys: Mapping[str, Any]) -> None:
        """Replace the published keys, at once."""
        new = self.jwks.with_suffix(".new")
        new.write_text(json.dumps({"keys": keys}), encoding="utf-8")
        new.replace(self.jwks)

    def token(
        self,
        person: str = "alice",
        grants: Sequence[Mapping[str, Any]] = EVERYTHING,
        *,
        key: SigningKey | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> bytes:
        """Return a token that counts for five minutes from now; a claim or header that is None is left out."""
        key = key or self.key
        now = int(time.time())
        said = {
            "iss": self.name,
            "aud": AUDIENCE,
            "sub": person,
            "iat": now,
            "exp": now + 300,
            "grants": grants,
        } | claims
        head = {"alg": key.algorithm, "typ": "JWT", "kid": key.key_id} | dict(header or {})
        return key.sign(*(json.dumps(_without_none(one)).encode() for one in (head, said)))


def bearing(token: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return the headers of a record that carries a token."""
    return (("authorization", b"Bearer " + token),)


def encoded(part: bytes) -> bytes:
    """Return a part of a token, encoded."""
    return urlsafe_b64encode(part).rstrip(b"=")


def _without_none(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}
