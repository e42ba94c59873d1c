"""The issuers whose tokens count, as `WHOPAYS_ISSUERS` names them."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from schemas.people import is_authid

_MEMBERS = {"audiences", "jwks"}


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer: the audiences of which a token must name one, and where its keys (a JWKS) are: a path or a URL."""

    name: str
    audiences: frozenset[str]
    jwks: str

    @property
    def path(self) -> Path | None:
        """The file of its keys; None where they are at a URL."""
        return None if "://" in self.jwks else Path(self.jwks)


def read_issuers(said: Any) -> dict[str, Issuer]:
    """Return the issuers by name, of what the setting says. Raises ValueError, in words."""
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
        _insist_on_safe_url(name, jwks)
    return Issuer(name, frozenset(audiences), jwks)


def _insist_on_safe_url(name: str, url: str) -> None:
    """Raise ValueError where anybody on the way could replace the keys, or where the URL holds a password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{name}: jwks is not a URL") from None
    if not host or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        raise ValueError(f"{name}: jwks is a URL of a host, without a user and without a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError(f"{name}: jwks is read over https (over http from this host only: 127.0.0.1, ::1, localhost)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
