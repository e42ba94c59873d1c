"""The issuers whose tokens are accepted, as `WHOPAYS_ISSUERS` names them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.people import is_authid
from workers.runtime.urls import insist_on_safe_url

_MEMBERS = {"audiences", "jwks"}


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer: the audiences of which a token must name one, and the path or URL of its keys (a JWKS)."""

    name: str
    audiences: frozenset[str]
    jwks: str

    @property
    def path(self) -> Path | None:
        """The file of its keys; None if they are at a URL."""
        return None if "://" in self.jwks else Path(self.jwks)


def read_issuers(said: Any) -> dict[str, Issuer]:
    """Return the issuers by name, from the value of the setting. Raises ValueError."""
    if not isinstance(said, Mapping):
        raise ValueError('must be JSON: {"https://login.example": {"audiences": ["whopays"], "jwks": "https://…"}}')
    return {name: one if isinstance(one, Issuer) else _issuer(name, one) for name, one in said.items()}


def _issuer(name: str, said: Any) -> Issuer:
    if not is_authid(name):
        raise ValueError("an issuer's name, the iss of its tokens, has 1 to 256 visible characters")
    if not isinstance(said, Mapping) or set(said) != _MEMBERS:
        raise ValueError(f"{name}: needs audiences and jwks, and nothing else")
    audiences, jwks = said["audiences"], said["jwks"]
    if not isinstance(audiences, list | tuple | set | frozenset) or not audiences:
        raise ValueError(f"{name}: audiences is a list of at least one, of which a token's aud must hold one")
    if not all(isinstance(one, str) and one for one in audiences):
        raise ValueError(f"{name}: audiences is a list of names")
    if not isinstance(jwks, str) or not jwks:
        raise ValueError(f"{name}: jwks is the path of a file, or an https URL")
    if "://" in jwks:
        insist_on_safe_url(f"{name}: jwks", jwks)
    return Issuer(name, frozenset(audiences), jwks)
